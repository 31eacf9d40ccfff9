//! A session: what it was started with, what it has used, its hooks and its files.

use std::{path::PathBuf, rc::Rc, time::Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    args::Args,
    desk::Desk,
    hooks::{self, Verdict},
    scenario::{Cost, Scenario},
    settings::Settings,
    state::{StateFile, Status},
    terminal,
    transcript::Transcript,
};

/// What the session was started with.
pub(super) struct Setup {
    pub args: Args,
    pub config: PathBuf,
    pub cwd: PathBuf,
    pub settings: Settings,
    pub scenario: Scenario,
    /// Which agent of a farm this is.
    pub agent: String,
}

/// A session that is going on.
pub(super) struct Session {
    pub setup: Setup,
    pub id: Uuid,
    pub transcript: Transcript,
    pub desk: Rc<Desk>,
    pub used: Used,
    /// The number of the prompt in the session.
    pub turn: u64,
    pub prompt_id: Option<Uuid>,
    /// What the hooks of `SessionStart` told the model.
    pub context: Vec<String>,
    /// Text that is said and not yet in the transcript.
    pub saying: Vec<String>,
    /// The text that was said last.
    pub said: String,
    state: Option<StateFile>,
    begun: bool,
}

/// What the session has used.
pub(super) struct Used {
    pub since: Instant,
    pub usd: f64,
    /// The newest sizes of the context.
    pub context: Cost,
    /// All tokens together.
    pub total: Cost,
    /// What the next line of the transcript reports.
    pub unreported: Cost,
    pub lines_added: u64,
    pub lines_removed: u64,
    /// How often the model would have been asked.
    pub requests: u64,
}

impl Used {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            usd: 0.0,
            context: Cost::default(),
            total: Cost::default(),
            unreported: Cost::default(),
            lines_added: 0,
            lines_removed: 0,
            requests: 0,
        }
    }

    /// Adds the price; the tokens are the size of the context from now on.
    pub(super) fn add(&mut self, cost: Cost) {
        self.usd += cost.usd;
        self.context = cost;
        for sum in [&mut self.total, &mut self.unreported] {
            sum.input_tokens += cost.input_tokens;
            sum.output_tokens += cost.output_tokens;
        }
    }
}

impl Session {
    pub(super) fn new(setup: Setup, id: Uuid, transcript: Transcript, desk: Rc<Desk>) -> Self {
        Self {
            turn: transcript.prompts(),
            setup,
            id,
            transcript,
            desk,
            used: Used::new(),
            prompt_id: None,
            context: Vec::new(),
            saying: Vec::new(),
            said: String::new(),
            state: None,
            begun: false,
        }
    }

    /// Begins: the state file, where a person may come, then the hooks.
    ///
    /// # Errors
    /// The state file cannot be made.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        if !self.setup.args.print {
            let (config, cwd) = (&self.setup.config, &self.setup.cwd);
            self.state = Some(StateFile::prepare(config, self.id, cwd)?);
            terminal::say(&format!("Scripted agent {}", super::args::VERSION));
        }
        self.set(Status::Idle);
        self.begun = true;
        let resumed = self.setup.args.resume.is_some();
        let source = if resumed { "resume" } else { "startup" };
        let fields = json!({"source": source, "model": self.setup.args.model});
        self.context = self.fire("SessionStart", fields).await.context;
        self.show_status_line().await;
        Ok(())
    }

    /// Ends in order: the last hook, and the state file goes.
    pub(super) async fn end(&mut self, reason: &str) {
        if self.begun {
            self.fire("SessionEnd", json!({ "reason": reason })).await;
        }
        if let Some(state) = self.state.take() {
            state.remove();
        }
    }

    /// Leaves a turn in the middle: what was said stays, what was to be folded goes.
    pub(super) fn interrupted(&mut self) {
        self.flush();
        self.desk.take_folded();
    }

    /// Says in the state file what the agent is doing.
    pub(super) fn set(&mut self, status: Status) {
        if let Some(state) = &mut self.state {
            state.set(status);
        }
    }

    /// Runs the hooks of an event.
    pub(super) async fn fire(&self, name: &str, fields: Value) -> Verdict {
        let subject = match &fields["tool_name"] {
            Value::String(tool) => tool.as_str(),
            _ => fields["source"].as_str().unwrap_or_default(),
        };
        let hooks = self.setup.settings.hooks(name, subject);
        let event = self.event(name, &fields);
        let mut verdict = Verdict::default();
        for hook in &hooks {
            verdict.add(hooks::run(hook, &event, &self.setup.cwd).await);
        }
        verdict
    }

    /// What a hook is told.
    fn event(&self, name: &str, fields: &Value) -> Value {
        let mut event = json!({
            "session_id": self.id,
            "transcript_path": self.transcript.path,
            "cwd": self.setup.cwd,
        });
        if let Some(id) = self.prompt_id {
            event["prompt_id"] = json!(id);
        }
        if !name.starts_with("Session") {
            event["permission_mode"] = json!(self.setup.args.permission_mode.name());
        }
        event["hook_event_name"] = json!(name);
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields.clone());
        }
        event
    }
}
