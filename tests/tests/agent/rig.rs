//! An agent's surroundings in a folder of their own, and waiting for events with a deadline.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// After this an event is taken for one that never comes.
const DEADLINE: Duration = Duration::from_secs(30);

/// A key whose end stands in the seed.
const KEY: &str = "sk-dummy-01234567890123456789";

pub const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "never seen: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Configuration, working directory, settings and scenario of one agent.
pub struct Rig {
    root: TempDir,
    settings: Value,
}

impl Rig {
    /// With a whole seed, hooks that write down what they are told, and this scenario.
    pub fn new(scenario: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["config", "work"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("scenario.yaml"), scenario).unwrap();
        let settings = json!({"skipDangerousModePermissionPrompt": true, "hooks": {}});
        let mut rig = Self { root, settings };
        rig.seed(&rig.whole_seed());
        let record = format!("cat >>'{}'", rig.path("hooks.jsonl").display());
        for event in [
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "PostToolUseFailure",
            "Stop",
            "StopFailure",
            "SessionEnd",
        ] {
            rig.hook(event, &record);
        }
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    pub fn whole_seed(&self) -> Value {
        let mut projects = json!({});
        projects[self.path("work").to_str().unwrap()] = json!({"hasTrustDialogAccepted": true});
        json!({
            "hasCompletedOnboarding": true,
            "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]]},
            "projects": projects,
        })
    }

    pub fn seed(&self, seed: &Value) {
        fs::write(self.path("config/.claude.json"), seed.to_string()).unwrap();
    }

    /// Adds a command to an event.
    pub fn hook(&mut self, event: &str, command: &str) {
        let group = json!({"hooks": [{"type": "command", "command": command}]});
        let hooks = &mut self.settings["hooks"][event];
        match hooks.as_array_mut() {
            Some(groups) => groups.push(group),
            None => *hooks = json!([group]),
        }
        self.write_settings();
    }

    pub fn set(&mut self, key: &str, value: Value) {
        self.settings[key] = value;
        self.write_settings();
    }

    fn write_settings(&self) {
        fs::write(self.path("settings.json"), self.settings.to_string()).unwrap();
    }

    /// What the hooks were told so far.
    pub fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("hooks.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect()
    }

    /// The first of these events that the hooks were told.
    pub fn event(&self, name: &str) -> Value {
        until(name, || {
            self.told()
                .into_iter()
                .find(|e| e["hook_event_name"] == name)
        })
    }

    /// The one state file, if it is there.
    pub fn state(&self) -> Option<Value> {
        let folder = fs::read_dir(self.path("config/sessions")).ok()?;
        let mut files = folder.map(|e| e.unwrap().path());
        let file = files.find(|p| p.extension().is_some_and(|e| e == "json"))?;
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
    }

    pub fn wait_for_status(&self, status: &str) -> Value {
        until(status, || self.state().filter(|s| s["status"] == status))
    }

    pub fn wait_for_no_state(&self) {
        until("no state file", || self.state().is_none().then_some(()));
    }

    /// The agent as a supervisor starts it; the first prompt is still to be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(AGENT);
        command
            .env_clear()
            .envs(self.environment())
            .args(["--dangerously-skip-permissions", "--settings"])
            .arg(self.path("settings.json"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let pairs = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", text(self.path(""))),
            ("CLAUDE_CONFIG_DIR", text(self.path("config"))),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            ("IS_SANDBOX", "1".to_owned()),
            ("AGENT_INDEX", "1".to_owned()),
            ("SCRIPTED_AGENT_SCENARIO", text(self.path("scenario.yaml"))),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Starts an agent with a first prompt and no terminal.
    pub fn start(&self, prompt: &str) -> Running {
        Running::new(self.command().arg(prompt))
    }

    /// Starts one whose standard input stays open.
    pub fn start_open(&self, prompt: &str) -> Running {
        Running::new(self.command().arg(prompt).stdin(Stdio::piped()))
    }
}

/// A process that ends with its test.
pub struct Running(pub Child);

impl Running {
    pub fn new(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub fn ended(&mut self) -> ExitStatus {
        until("the end of the agent", || self.0.try_wait().unwrap())
    }

    /// Reads what it shows until this text is there.
    pub fn shows(&mut self, text: &str) {
        let (mut seen, mut bytes) = (Vec::new(), [0; 1024]);
        let out = self.0.stdout.as_mut().unwrap();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let n = out.read(&mut bytes).unwrap();
            assert!(
                n > 0,
                "{text:?} is not in {:?}",
                String::from_utf8_lossy(&seen)
            );
            seen.extend(&bytes[..n]);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already in most tests.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
