//! A real container engine with a shell script in the runner's place: what the back end does with
//! containers, whatever a runner does in them.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sandbox_core::{Brief, Seat, Uid, port::Backend, spec::BackendName};
use sandbox_operator::{
    backend::container::{ContainerBackend, ContainerConfig, FIXED_USER, User},
    control::Waker,
    seats::files::sync,
};
use tokio::sync::{Mutex, mpsc};

use super::backend::{Place, new_brief};
use crate::engine::{Engine, IMAGE};

/// The image whose runner is a script of the tenant's folder.
pub const SCRIPTED: &str = "multi-agent-sandbox/scripted:test";
/// A script that works until it is asked to end.
pub const WORK: &str = "say up; exec sleep 600";
/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// What every script begins with: it counts its start and has a way to speak to the test.
const PRELUDE: &str = "#!/bin/sh
folder=/sandbox/seats/$3
echo \"$3\" >> \"$folder/starts\"
say() { echo \"$*\" >> \"$folder/said\"; }
";

/// A back end in a folder of its own, on the engine that all tests share.
pub struct Container {
    /// The back end.
    pub backend: Arc<ContainerBackend>,
    /// What it was made of.
    pub config: ContainerConfig,
    /// The engine.
    pub engine: &'static Engine,
    /// Whom it has looked at.
    pub calls: Mutex<mpsc::UnboundedReceiver<Uid>>,
    _folder: tempfile::TempDir,
}

impl Container {
    /// A back end whose runner is this script, with no grace for those that were asked to end.
    #[must_use]
    pub fn new(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    /// As [`Container::new`], the configuration changed first.
    pub fn with(script: &str, change: impl FnOnce(&mut ContainerConfig)) -> Self {
        let engine = Engine::shared();
        scripted(engine);
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data [1]; of #{tests};");
        let mut config = ContainerConfig {
            host: engine.host.clone(),
            folder: data.join("container"),
            seats: data.join("seats"),
            workspace_root: data.join("work"),
            artifacts_root: data.join("artifacts"),
            sockets: data.join("run"),
            model_key: None,
            agent_token: None,
            prices: None,
            secrets_root: data.join("secrets"),
            image: SCRIPTED.to_owned(),
            images: Vec::new(),
            user: FIXED_USER,
            own: None,
            grace: Duration::ZERO,
            ask_first: false,
        };
        change(&mut config);
        let tenant = config.workspace_root.join("default");
        fs::create_dir_all(&tenant).unwrap();
        chown(&tenant, Some(FIXED_USER.uid), Some(FIXED_USER.gid)).unwrap();
        let runner = tenant.join("runner");
        fs::write(&runner, format!("{PRELUDE}{script}\n")).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(&config.sockets).unwrap();
        fs::create_dir_all(&config.folder).unwrap();
        fs::write(config.settings(), "{}").unwrap();
        let (waker, calls) = Waker::new();
        Self {
            backend: Arc::new(ContainerBackend::new(config.clone(), waker).unwrap()),
            engine,
            config,
            calls: Mutex::new(calls),
            _folder: folder,
        }
    }

    /// Another back end for the same place, as after a restart of ours.
    pub fn restarted(&self) -> ContainerBackend {
        ContainerBackend::new(self.config.clone(), Waker::new().0).unwrap()
    }

    /// Whom it looks at next.
    pub async fn called(&self) -> Uid {
        let mut calls = self.calls.lock().await;
        let call = tokio::time::timeout(Duration::from_mins(1), calls.recv()).await;
        call.unwrap().unwrap()
    }

    /// A brief of a new job.
    pub fn brief(&self) -> Brief {
        new_brief(BackendName::Container)
    }

    /// Launches a new seat.
    pub async fn launch(&self) -> Brief {
        let brief = self.brief();
        self.backend.launch(&brief).await.unwrap();
        brief
    }

    /// The name of the seat's container.
    pub fn name(&self, seat: &Seat) -> String {
        self.backend.name_of(seat).1
    }

    /// Where a file of the seat stands.
    pub fn file(&self, seat: &Seat, name: &str) -> PathBuf {
        sync::folder(&self.config.seats, seat).join(name)
    }

    /// All that the seat's script has said, once it has said this.
    pub async fn said(&self, seat: &Seat, wanted: &str) -> String {
        let from = Instant::now();
        loop {
            let said = fs::read_to_string(self.file(seat, "said")).unwrap_or_default();
            if said.lines().any(|line| line == wanted) {
                return said;
            }
            assert!(from.elapsed() < PATIENCE, "never said {wanted}: {said}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the end of the seat's container.
    pub fn wait(&self, seat: &Seat) {
        self.engine.done(&["wait", &self.name(seat)]);
    }
}

fn scripted(engine: &Engine) {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let lines = format!(
            "FROM {IMAGE}\nUSER 0\nRUN ln -sf /workspace/default/runner /usr/local/bin/sandbox\n"
        );
        engine.image(SCRIPTED, &lines, &[]);
    });
}

#[async_trait]
impl Place for Container {
    fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    async fn up(&self, seat: &Seat) {
        self.said(seat, "up").await;
    }

    async fn over(&self, instance: &str) {
        let id = instance.strip_prefix("container:").unwrap().to_owned();
        let engine = self.engine;
        let waited = tokio::task::spawn_blocking(move || engine.done(&["wait", &id]));
        waited.await.unwrap();
    }

    fn starts(&self) -> usize {
        let uids = fs::read_dir(&self.config.seats).into_iter().flatten();
        let files = uids.map(|uid| uid.unwrap().path().join("1/starts"));
        let text = files.map(|file| fs::read_to_string(file).unwrap_or_default());
        text.map(|t| t.lines().count()).sum()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mine = format!("label=dev.multiagent.owner={}", self.backend.owner());
        let all = self.engine.docker(&["ps", "-aq", "--filter", &mine]).stdout;
        let all = String::from_utf8_lossy(&all);
        let words: Vec<&str> = ["rm", "-f"]
            .into_iter()
            .chain(all.split_whitespace())
            .collect();
        if words.len() > 2 {
            self.engine.docker(&words);
        }
    }
}

/// The user that containers of tests run as.
pub const USER: User = FIXED_USER;
