//! A real tmux server of a test's own, with a shell script in the runner's place. The server and
//! whatever the script has begun go with it, also when the test fails.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use sandbox_core::{Brief, Seat, port::Backend, spec::BackendName};
use sandbox_operator::backend::vps::{VpsBackend, VpsConfig, instance};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::unix::pipe::{OpenOptions, Receiver},
    sync::Mutex,
};

use super::backend::{Place, new_brief};

/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every script begins with: it counts its start and has a way to speak to the test.
const PRELUDE: &str = "#!/bin/sh
seat=$3 data=$5
echo \"$seat\" >> \"$data/starts\"
say() { echo \"$seat $*\" > \"$data/said\"; }
";

/// A script that works until it is asked to end.
pub const WORK: &str = "say up; exec sleep 600";

/// What scripts said: the pipe, and what other seats said meanwhile, each with its seat.
type Said = (Lines<BufReader<Receiver>>, Vec<(String, String)>);

/// A tmux server with its back end.
#[derive(Debug)]
pub struct Vps {
    /// The back end.
    pub backend: VpsBackend,
    /// What it was made of.
    pub config: VpsConfig,
    said: Mutex<Said>,
    _folder: tempfile::TempDir,
}

impl Vps {
    /// A back end whose runner is this script, with no grace for those that were asked to end.
    #[must_use]
    pub fn new(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    /// As [`Vps::new`], the configuration changed first.
    pub fn with(script: &str, change: impl FnOnce(&mut VpsConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The back end must not care for such a path.
        let data_dir = folder.path().join("data [1]; of #{tests};");
        fs::create_dir(&data_dir).unwrap();
        let mut config = VpsConfig {
            seats: data_dir.join("seats"),
            runner: data_dir.join("runner"),
            socket: folder.path().join("tmux/s"),
            grace: Duration::ZERO,
            env: BTreeMap::new(),
            door: None,
            data_dir,
        };
        change(&mut config);
        write_script(&config.runner, script);
        let said = Mutex::new((listen(&config.data_dir), Vec::new()));
        Self {
            backend: VpsBackend::new(config.clone()).unwrap(),
            config,
            said,
            _folder: folder,
        }
    }

    /// Another back end for the same place, as after a restart of ours.
    pub fn restarted(&self) -> VpsBackend {
        VpsBackend::new(self.config.clone()).unwrap()
    }

    /// Launches a new seat.
    pub async fn launch(&self) -> Brief {
        let brief = new_brief(BackendName::Vps);
        self.backend.launch(&brief).await.unwrap();
        brief
    }

    /// The next thing that this seat's script says.
    pub async fn said(&self, seat: &Seat) -> String {
        let next = self.next_said(seat.to_string());
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }

    async fn next_said(&self, seat: String) -> String {
        let mut said = self.said.lock().await;
        loop {
            if let Some(place) = said.1.iter().position(|(s, _)| *s == seat) {
                return said.1.remove(place).1;
            }
            let line = said.0.next_line().await.unwrap().unwrap();
            let (seat, text) = line.split_once(' ').unwrap();
            said.1.push((seat.to_owned(), text.to_owned()));
        }
    }

    /// What tmux answers on the private socket.
    pub fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        let output = command
            .arg("-S")
            .arg(&self.config.socket)
            .args(words)
            .output();
        String::from_utf8(output.unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Waits until tmux has seen that the terminal of a seat's pane is closed.
    pub async fn pane_is_closed(&self, seat: &Seat) {
        let (_, name) = self.backend.name_of(seat);
        let target = format!("={name}:");
        let closed = || self.tmux(&["display-message", "-p", "-t", &target, "#{pane_dead}"]) == "1";
        let look_again = async {
            while !closed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look_again).await.unwrap();
    }

    /// Kills the tmux server as the kernel would, and waits for its end.
    pub async fn kill_server(&self) {
        let pid: u32 = self
            .tmux(&["display-message", "-p", "#{pid}"])
            .parse()
            .unwrap();
        let server = instance::instance_of(pid).unwrap();
        kill(pid);
        wait_for(&server).await;
    }
}

impl Drop for Vps {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        let started = fs::read_to_string(self.config.data_dir.join("starts"));
        for seat in started.unwrap_or_default().lines() {
            all_of(seat).into_iter().for_each(kill);
        }
    }
}

#[async_trait]
impl Place for Vps {
    fn backend(&self) -> &dyn Backend {
        &self.backend
    }

    async fn up(&self, seat: &Seat) {
        assert_eq!(self.said(seat).await, "up");
    }

    async fn over(&self, instance: &str) {
        wait_for(instance).await;
    }

    fn starts(&self) -> usize {
        let text = fs::read_to_string(self.config.data_dir.join("starts"));
        text.unwrap_or_default().lines().count()
    }
}

/// Ends a process that a test has begun. One that is over already is fine.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, Signal::KILL);
}

/// Waits for the end of an instance.
pub async fn wait_for(instance: &str) {
    let gone = instance::gone(instance);
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
}

/// The processes that carry a seat's mark.
fn all_of(seat: &str) -> Vec<u32> {
    let mark = format!("SANDBOX_SEAT={seat}");
    let carries = |pid: &u32| {
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|b| *b == 0).any(|v| v == mark.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(carries).collect()
}

fn write_script(path: &Path, script: &str) {
    fs::write(path, format!("{PRELUDE}{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn listen(folder: &Path) -> Lines<BufReader<Receiver>> {
    let path: PathBuf = folder.join("said");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    // Open for writing too, so that it does not end whenever a script has said its line.
    let pipe = OpenOptions::new()
        .read_write(true)
        .open_receiver(&path)
        .unwrap();
    BufReader::new(pipe).lines()
}
