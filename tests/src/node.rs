//! A real `sandbox serve` of a test's own: the built binary, a data folder, a tmux server, runners.
//! All of it goes with the test, also when the test fails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The longest a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A binary of the workspace, built beside this program, or above it where this is a test.
pub fn built(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let folder = me.parent().unwrap();
    let places = [folder.join(name), folder.parent().unwrap().join(name)];
    let found = places.iter().find(|path| path.is_file());
    let missing = || panic!("{name} is not built: cargo build --workspace --bins");
    found.unwrap_or_else(missing).clone()
}

/// A node that serves, or has been killed and can be started again.
pub struct Node {
    folder: Arc<tempfile::TempDir>,
    env: BTreeMap<String, String>,
    user: Option<u32>,
    process: Option<Child>,
    url: String,
    client: reqwest::Client,
}

impl Node {
    /// Starts a node with these settings.
    pub fn start(env: &[(&str, &str)]) -> Self {
        let mut node = Self::prepare(env);
        node.restart();
        node
    }

    /// A node that does not serve yet.
    pub fn prepare(env: &[(&str, &str)]) -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            env: env
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            user: None,
            process: None,
            url: String::new(),
            client: client(),
        }
    }

    /// Another node of the same data folder and settings, started.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut node = Self {
            folder: Arc::clone(&self.folder),
            env: self.env.clone(),
            user: self.user,
            process: None,
            url: String::new(),
            client: client(),
        };
        node.restart();
        node
    }

    /// Kills everything that runs in the seats of this node, as the loss of its machine would.
    pub fn end_work(&self) {
        let server = self.tmux_server();
        for pid in self.seat_processes().into_iter().chain(server) {
            send(pid, Signal::KILL);
        }
    }

    /// Changes a setting; it holds from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The same, served by another user of this machine.
    #[must_use]
    pub fn as_user(mut self, user: u32) -> Self {
        self.user = Some(user);
        std::os::unix::fs::chown(self.folder.path(), Some(user), Some(user)).unwrap();
        self
    }

    /// The command that serves this node's data.
    pub fn command(&self) -> Command {
        let mut command = Command::new(built("sandbox"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data());
        command
            .env_clear()
            .envs(["PATH", "HOME"].map(|k| (k, std::env::var(k).unwrap_or_default())));
        command.envs(&self.env).current_dir(self.folder.path());
        if let Some(user) = self.user {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the process and waits until it says where it serves.
    pub fn restart(&mut self) {
        let mut child = self.command().spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("serve ended: {said}"))
                .unwrap();
            if let Some((_, rest)) = line.split_once("serving on ") {
                break rest.split(',').next().unwrap().to_owned();
            }
            said.push_str(&line);
        };
        // Read on, or the pipe fills and the server waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        self.url = url;
        self.process = Some(child);
    }

    /// Ends the process by this signal and waits for its end; runners go on.
    pub fn kill(&mut self, signal: Signal) {
        if let Some(mut child) = self.process.take() {
            send(child.id(), signal);
            child.wait().unwrap();
        }
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to this path.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Reads this path; status and body.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    /// Posts this to this path; status and body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Submits a job in the old API's words and gives its id.
    pub async fn submit(&self, job_type: &str, payload: Value) -> String {
        let (status, job) = self
            .post("/jobs", &json!({"job_type": job_type, "payload": payload}))
            .await;
        assert_eq!(status, 200, "{job}");
        job["job_id"].as_str().unwrap().to_owned()
    }

    /// Submits a job with this spec and gives its id.
    pub async fn submit_spec(&self, spec: Value) -> String {
        let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec});
        let (status, job) = self.post("/jobs", &job).await;
        assert_eq!(status, 200, "{job}");
        job["job_id"].as_str().unwrap().to_owned()
    }

    /// The job's record.
    pub async fn job(&self, id: &str) -> Value {
        let (status, job) = self.get(&format!("/jobs/{id}")).await;
        assert_eq!(status, 200, "{job}");
        job
    }

    /// Waits until the job's record is as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let from = Instant::now();
        loop {
            let job = self.job(id).await;
            if wanted(&job) {
                return job;
            }
            assert!(from.elapsed() < PATIENCE, "never as wanted: {job:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The job as a resource, with all of its status.
    pub async fn resource(&self, id: &str) -> Value {
        self.get(&format!("/jobs/{id}?view=resource")).await.1
    }

    /// Waits until the job's resource is as wanted.
    pub async fn until_resource(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let from = Instant::now();
        loop {
            let job = self.resource(id).await;
            if wanted(&job) {
                return job;
            }
            assert!(from.elapsed() < PATIENCE, "never as wanted: {job:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of the job.
    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, |job| !job["outcome"].is_null()).await
    }

    /// Waits until the job is at work.
    pub async fn running(&self, id: &str) -> Value {
        self.until(id, |job| job["status"] == "RUNNING").await
    }

    /// The folder of a seat.
    pub fn seat(&self, id: &str, attempt: u32) -> PathBuf {
        self.data().join("seats").join(id).join(attempt.to_string())
    }

    /// The process that claimed the seat.
    pub fn runner(&self, id: &str, attempt: u32) -> u32 {
        let text = fs::read(self.seat(id, attempt).join("register.json")).unwrap();
        let register: Value = serde_json::from_slice(&text).unwrap();
        let instance = register["claimed"]["instance"].as_str().unwrap();
        instance.split(':').nth(1).unwrap().parse().unwrap()
    }

    /// What an echo job wrote at each of its starts.
    pub fn starts(&self, id: &str) -> Vec<String> {
        let path = self
            .data()
            .join("artifacts/default")
            .join(id)
            .join("echo.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Live processes that carry a seat of this node, but for tmux itself.
    pub fn seat_processes(&self) -> Vec<u32> {
        let folders = fs::read_dir(self.data().join("seats"));
        let uids: Vec<String> = folders
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let all = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
        all.filter(|pid| is_of(*pid, &uids)).collect()
    }

    /// The process id of the node's tmux server.
    pub fn tmux_server(&self) -> Option<u32> {
        let socket = self.data().join("run/tmux.sock");
        let asked = Command::new("tmux")
            .arg("-S")
            .arg(socket)
            .args(["display-message", "-p", "#{pid}"])
            .output()
            .ok()?;
        String::from_utf8_lossy(&asked.stdout).trim().parse().ok()
    }
}

/// A client that keeps no connection for later: a test that was busy for long would not have seen that the node closed it.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0);
    builder.build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

fn is_of(pid: u32, uids: &[String]) -> bool {
    let folder = Path::new("/proc").join(pid.to_string());
    let Ok(environ) = fs::read(folder.join("environ")) else {
        return false;
    };
    let mut words = environ.split(|b| *b == 0);
    let seat = words.find_map(|w| std::str::from_utf8(w).ok()?.strip_prefix("SANDBOX_SEAT="));
    let running = || fs::read_to_string(folder.join("stat")).is_ok_and(|s| !s.contains(") Z "));
    seat.is_some_and(|seat| uids.iter().any(|uid| seat.starts_with(uid.as_str()))) && running()
}

/// Sends a signal to a process that this test began.
pub fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill(Signal::KILL);
        self.end_work();
    }
}
