//! A data folder with one seat, a tenant with one repository, and the runner that works in it. All
//! of it goes with the test, also when the test fails.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use sandbox_core::{Brief, Report, Seat, Usd, brief, spec::BackendName};
use sandbox_operator::seats::files::sync;
use sandbox_tests::node::built;
use serde_json::{Value, json};
use tempfile::TempDir;

/// After this an event is taken for one that never comes.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One seat of one farm.
pub struct Rig {
    dir: TempDir,
    seat: Seat,
    settings: Value,
    spec: Value,
    pub deadline: Duration,
    pub tokens_left: Option<u64>,
    pub usd_left: Option<Usd>,
    runner: Option<Child>,
}

impl Rig {
    /// A repository `repo` with one commit, and a farm of so many agents that do what the scenario
    /// says.
    pub fn new(agents: u32, scenario: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::create_dir_all(at.join("ws/team-a/repo")).unwrap();
        fs::write(at.join("scenario.yaml"), scenario).unwrap();
        let scenario = format!(
            "SCRIPTED_AGENT_SCENARIO={}",
            at.join("scenario.yaml").display()
        );
        let settings = json!({
            "workspace_root": at.join("ws"),
            "artifacts_root": at.join("data/artifacts"),
            "secrets_root": at.join("data/secrets"),
            "socket": at.join("data/none.sock"),
            "agent_command": ["env", scenario, built("scripted-agent")],
        });
        let spec = json!({"task": "Mend it.", "agents": agents, "workspace": {"path": "repo"}});
        let rig = Self {
            seat: format!("{}/1", uuid::Uuid::new_v4()).parse().unwrap(),
            deadline: Duration::from_mins(30),
            tokens_left: None,
            usd_left: None,
            runner: None,
            dir,
            settings,
            spec,
        };
        rig.sh("repo", "git init -q -b main . && echo one >a && echo two >b && git add . && git commit -q -m First");
        rig
    }

    /// Changes a setting of the machine.
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.settings[key] = value;
        self
    }

    /// Changes a field of the farm.
    pub fn spec(mut self, key: &str, value: Value) -> Self {
        self.spec[key] = value;
        self
    }

    /// Lets agents use the login of a user whose token ends after so many seconds.
    pub fn with_login(self, token: &str, seconds: i64) -> Self {
        self.put_login(token, seconds);
        let file = json!(self.at("login/.credentials.json"));
        self.set("agent_login", json!(true))
            .set("agent_login_file", file)
    }

    /// Writes that login anew, as the user's own program does.
    pub fn put_login(&self, token: &str, seconds: i64) {
        let until = Timestamp::now().as_millisecond() + seconds * 1000;
        let login = json!({"claudeAiOauth": {"accessToken": token, "refreshToken": "refresh-dummy",
            "expiresAt": until, "scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}});
        let file = self.at("login/.credentials.json");
        fs::create_dir_all(self.at("login")).unwrap();
        fs::write(file.with_extension("next"), login.to_string()).unwrap();
        fs::rename(file.with_extension("next"), file).unwrap();
    }

    /// A path in the tenant's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir
            .path()
            .canonicalize()
            .unwrap()
            .join("ws/team-a")
            .join(name)
    }

    /// A path in the folder of everything.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A path in the folder of an agent.
    pub fn desk(&self, agent: u32, name: &str) -> PathBuf {
        let seat = sync::folder(&self.at("data/seats"), &self.seat);
        seat.join("agents").join(agent.to_string()).join(name)
    }

    /// The job's own folder in the tenant's.
    pub fn job(&self, name: &str) -> PathBuf {
        self.path(self.seat.uid.as_str()).join(name)
    }

    /// Runs a script in a folder of the tenant, with an identity for git.
    pub fn sh(&self, folder: &str, script: &str) -> String {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(self.path(folder))
            .envs(["AUTHOR", "COMMITTER"].map(|w| (format!("GIT_{w}_NAME"), "t")))
            .envs(["AUTHOR", "COMMITTER"].map(|w| (format!("GIT_{w}_EMAIL"), "t@t.invalid")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts the runner.
    pub fn start(&mut self) {
        let data = self.at("data");
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("runner.json"), self.settings.to_string()).unwrap();
        sync::put_brief(&data.join("seats"), &self.brief()).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let child = Command::new(built("sandbox"))
            .args(["exec", "--seat", &self.seat.to_string(), "--data-dir"])
            .arg(&data)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.at("no-home"))
            .env("SANDBOX_SEAT", self.seat.to_string())
            .env("CLAUDECODE", "outer")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        self.runner = Some(child.unwrap());
    }

    fn brief(&self) -> Brief {
        let spec = json!({"type": "agent_farm", "agentFarm": self.spec});
        Brief {
            version: brief::VERSION,
            seat: self.seat.clone(),
            tenant: "team-a".parse().unwrap(),
            name: "mend".to_owned(),
            backend: BackendName::Vps,
            spec: serde_json::from_value(spec).unwrap(),
            deadline_at: Timestamp::now() + self.deadline,
            usd_left: self.usd_left,
            tokens_left: self.tokens_left,
        }
    }

    /// Sends the runner a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.runner.as_ref().unwrap().id();
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for the runner's end, whatever it is.
    pub fn gone(&mut self) {
        self.runner.take().unwrap().wait().unwrap();
    }

    /// Presses a key in the first agent's terminal, as a person would.
    pub fn press(&self, key: &str) {
        let socket = self.desk(1, "../../agents.sock");
        let mut tmux = Command::new("tmux");
        tmux.arg("-S")
            .arg(socket)
            .args(["send-keys", "-t", "=farm:=agent-1", key]);
        assert!(tmux.status().unwrap().success());
    }

    /// What the program of an agent says in its state file.
    pub fn state(&self, agent: u32) -> Option<Value> {
        let mut files = fs::read_dir(self.desk(agent, "config/sessions")).ok()?;
        let json = files.find_map(|f| {
            let path = f.unwrap().path();
            path.extension()
                .is_some_and(|e| e == "json")
                .then_some(path)
        });
        serde_json::from_slice(&fs::read(json?).ok()?).ok()
    }

    /// Processes that name this rig's folder in their arguments and do not carry the seat's mark.
    pub fn strangers(&self) -> Vec<u32> {
        let folder = self.at("");
        let folder = folder.to_str().unwrap();
        let names = |pid: &u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(folder)
        };
        // The mark first: one that ends between the two looks has no arguments any more.
        pids()
            .filter(|pid| !self.carries_mark(*pid) && names(pid))
            .collect()
    }

    fn carries_mark(&self, pid: u32) -> bool {
        let mark = format!("SANDBOX_SEAT={}", self.seat);
        let env = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        env.split(|b| *b == 0).any(|v| v == mark.as_bytes())
    }

    /// Waits for the runner and reads its report.
    pub fn report(&mut self) -> Report {
        let mut runner = self.runner.take().unwrap();
        until("the runner's end", || runner.try_wait().unwrap());
        let record = sync::read(&self.at("data/seats"), &self.seat).unwrap();
        record
            .report
            .unwrap_or_else(|| panic!("no report; the log says:\n{}", self.log()))
    }

    /// Starts the runner and waits for its report.
    pub fn run(&mut self) -> Report {
        self.start();
        self.report()
    }

    /// The seat's log.
    pub fn log(&self) -> String {
        fs::read_to_string(sync::log_path(&self.at("data/seats"), &self.seat)).unwrap_or_default()
    }

    /// The processes that were begun for the seat and run.
    pub fn remains(&self) -> Vec<u32> {
        pids().filter(|pid| self.carries_mark(*pid)).collect()
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").unwrap();
    all.filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok())
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(mut runner) = self.runner.take() {
            // It may be over already.
            let _ = runner.kill();
            let _ = runner.wait();
        }
        for pid in self.remains() {
            let _ = kill_process(
                Pid::from_raw(pid.try_into().unwrap()).unwrap(),
                Signal::KILL,
            );
        }
    }
}
