//! A real `sandbox-operator` of a test's own: the built binary beside a control plane, on ports that are free.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{io::copy_bidirectional, net::TcpStream, task::JoinHandle};

use crate::node::{PATIENCE, built, send};

/// The Lease of an operator that is told of no other.
pub const LEASE: &str = "sandbox-operator";

/// What a Service of a cluster is to runners: one address, and behind it whichever replica answers.
pub struct Service {
    port: u16,
    to: Arc<AtomicU16>,
    keeper: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Service {
    /// One with nobody behind it yet.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = Arc::new(AtomicU16::new(0));
        let behind = Arc::clone(&to);
        let keeper = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let port = behind.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = copy_bidirectional(&mut from, &mut there).await;
                    }
                });
            }
        });
        Self { port, to, keeper }
    }

    /// Who comes from now on is sent to this replica.
    pub fn sends_to(&self, operator: &Operator) {
        self.to.store(operator.seat, Ordering::SeqCst);
    }

    /// What runners are told.
    pub fn door(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

/// One replica. It ends with this value.
pub struct Operator {
    process: Child,
    folder: TempDir,
    seat: u16,
    /// Where its API is.
    pub api: String,
    /// Where it answers probes.
    pub probes: String,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Operator {
    /// Starts a replica that finds its API server by this file, with these further arguments.
    pub fn start(kubeconfig: &Path, args: &[&str]) -> Self {
        Self::start_with(
            (&built("sandbox-operator"), &[]),
            kubeconfig,
            (args, &[]),
            None,
        )
    }

    /// The same of another program, which is given these words first.
    pub fn of(program: (&Path, &[&str]), kubeconfig: &Path, args: &[&str]) -> Self {
        Self::start_with(program, kubeconfig, (args, &[]), None)
    }

    /// The same behind a service, which sends runners there from now on.
    pub fn behind(service: &Service, kubeconfig: &Path, args: &[&str]) -> Self {
        Self::behind_with(service, kubeconfig, (args, &[]))
    }

    /// The same with more of an environment.
    pub fn behind_with(
        service: &Service,
        kubeconfig: &Path,
        told: (&[&str], &[(&str, String)]),
    ) -> Self {
        let program = built("sandbox-operator");
        let operator = Self::start_with((&program, &[]), kubeconfig, told, Some(service.door()));
        service.sends_to(&operator);
        operator
    }

    fn start_with(
        (program, words): (&Path, &[&str]),
        kubeconfig: &Path,
        (args, env): (&[&str], &[(&str, String)]),
        door: Option<String>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [api, seat, probes] = free_ports();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(program).args(words).args(args);
        let process = command
            .envs(env.iter().cloned())
            .env("KUBECONFIG", kubeconfig)
            .args([
                format!("--listen=127.0.0.1:{api}"),
                format!("--seat-listen=127.0.0.1:{seat}"),
                format!("--probe-listen=127.0.0.1:{probes}"),
                format!(
                    "--seat-door={}",
                    door.unwrap_or_else(|| format!("https://localhost:{seat}"))
                ),
                "--seat-names=localhost,127.0.0.1".to_owned(),
                format!("--data-dir={}", folder.path().join("data").display()),
            ])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            process,
            folder,
            seat,
            api: format!("http://127.0.0.1:{api}"),
            probes: format!("http://127.0.0.1:{probes}"),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        self.until("is not ready", async |me| {
            me.probe("/readyz").await.is_some()
        })
        .await;
    }

    /// Waits until it leads.
    pub async fn leads(&self) {
        self.until("does not lead", async |me| {
            let counted = me.probe("/metrics").await.unwrap_or_default();
            counted.contains("sandbox_leader 1")
        })
        .await;
    }

    /// Waits for this; stops with its log where it does not come.
    pub async fn until(&self, not: &str, is: impl AsyncFn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self).await {
            assert!(began.elapsed() < PATIENCE, "it {not}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it answers there, where it answers well.
    pub async fn probe(&self, path: &str) -> Option<String> {
        let answer = reqwest::get(format!("{}{path}", self.probes)).await.ok()?;
        let answer = answer.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.process.id(), signal);
    }

    /// Asks it to end and waits until it has; gives its log.
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let ended = self.process.wait().unwrap();
        let log = self.log();
        assert!(ended.success(), "{ended}:\n{log}");
        log
    }
}

/// Free at this moment, and different.
fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|h| h.local_addr().unwrap().port())
}
