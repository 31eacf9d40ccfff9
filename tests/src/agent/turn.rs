//! A turn: the rule for a prompt, its steps, and what the hooks make of its end.

use std::{collections::BTreeMap, future, process, time::Duration};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    desk::At,
    scenario::{Cost, Crash, Fault, Situation, Step, fill},
    session::Session,
    state::Status,
    terminal,
};

/// How often hooks may send the agent on before it stops all the same.
const MOST_CONTINUED: u32 = 50;

/// How often a path that is awaited is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    Failed(Fault),
}

type Values<'a> = BTreeMap<&'a str, String>;

impl Session {
    /// Answers a prompt, and what hooks send after it.
    pub(super) async fn prompt(&mut self, prompt: &str) -> End {
        self.prompt_id = Some(Uuid::new_v4());
        let verdict = self
            .fire("UserPromptSubmit", json!({ "prompt": prompt }))
            .await;
        if let Some(reason) = verdict.blocked {
            terminal::say(&format!("  ⎿  {reason}"));
            return End::Stopped;
        }
        let mut context = self.context.clone();
        context.extend(verdict.context);
        let mut next = prompt.to_owned();
        for continued in 0..=MOST_CONTINUED {
            if let Err(fault) = self.answer(&next, &context).await {
                return self.failed(fault).await;
            }
            match self.stopping(continued > 0).await {
                Some(reason) => next = reason,
                None => break,
            }
        }
        End::Stopped
    }

    /// Tells the hooks that the agent would stop; they may send it on.
    async fn stopping(&mut self, active: bool) -> Option<String> {
        let fields = json!({
            "stop_hook_active": active,
            "last_assistant_message": self.said,
            "background_tasks": [],
            "session_crons": [],
        });
        self.fire("Stop", fields).await.blocked
    }

    async fn failed(&mut self, fault: Fault) -> End {
        self.speak(fault.text());
        self.flush();
        let fields = json!({"error": fault.name(), "last_assistant_message": self.said});
        self.fire("StopFailure", fields).await;
        End::Failed(fault)
    }

    /// Carries out the steps for a prompt.
    async fn answer(&mut self, prompt: &str, context: &[String]) -> Result<(), Fault> {
        self.turn += 1;
        self.used.requests += 1;
        self.transcript.prompt(prompt);
        self.said.clear();
        let known = format!("{prompt}\n{}", context.join("\n"));
        let values = self.values(prompt);
        for step in self.steps(&known) {
            self.step(step, &values).await?;
        }
        self.flush();
        Ok(())
    }

    fn values(&self, prompt: &str) -> Values<'static> {
        BTreeMap::from([
            ("agent", self.setup.agent.clone()),
            ("prompt", prompt.to_owned()),
            ("turn", self.turn.to_string()),
        ])
    }

    fn steps(&self, known: &str) -> Vec<Step> {
        let at = Situation {
            agent: &self.setup.agent,
            prompt: known,
            turn: self.turn,
            resumed: self.setup.args.resume.is_some(),
            cwd: &self.setup.cwd,
        };
        let nothing = || {
            vec![Step::Say(
                "No rule of the scenario fits this prompt.".to_owned(),
            )]
        };
        self.setup
            .scenario
            .rule(&at)
            .map_or_else(nothing, |rule| rule.steps.clone())
    }

    async fn step(&mut self, step: Step, values: &Values<'_>) -> Result<(), Fault> {
        let fill = |text: &str| fill(text, values);
        match step {
            Step::Say(text) => self.speak(&fill(&text)),
            Step::Edit(edit) => {
                self.edit(&edit.path, &fill(&edit.find), &fill(&edit.replace))
                    .await;
            }
            Step::Write(write) => self.write(&write.path, &fill(&write.content)).await,
            Step::Bash(command) => self.bash(&fill(&command)).await,
            Step::Sleep(seconds) => {
                sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default()).await;
            }
            Step::Cost(cost) => {
                self.used.add(cost);
                self.show_status_line().await;
            }
            Step::Fail(fault) => return Err(fault),
            Step::Crash(crash) => crash.now(),
            Step::Spawn(command) => self.spawn(&fill(&command)),
            Step::Ask(question) => self.ask(&fill(&question)).await,
            Step::Hang(true) => future::pending().await,
            Step::Hang(false) => {}
            Step::WaitFile(path) => self.wait_file(&fill(&path)).await,
        }
        Ok(())
    }

    fn speak(&mut self, text: &str) {
        terminal::say(&format!("● {text}"));
        self.saying.push(text.to_owned());
    }

    /// Brings what was said, and what it cost, into the transcript.
    pub(super) fn flush(&mut self) {
        let unreported = std::mem::take(&mut self.used.unreported);
        let texts = std::mem::take(&mut self.saying);
        if texts.is_empty() && unreported.is_nothing() {
            return;
        }
        let blocks: Vec<_> = texts
            .iter()
            .map(|t| json!({"type": "text", "text": t}))
            .collect();
        if !texts.is_empty() {
            self.said = texts.join("\n");
        }
        self.transcript
            .assistant(&self.setup.args.model, &json!(blocks), unreported);
    }

    /// A dialog that a scenario opens; the answer changes nothing but what is said.
    async fn ask(&mut self, question: &str) {
        let approved = self.permitted(question).await;
        terminal::say(if approved {
            "  ⎿  Approved"
        } else {
            "  ⎿  Rejected"
        });
    }

    /// Opens a permission dialog and waits for the answer; it is No where nobody can be asked.
    pub(super) async fn permitted(&mut self, question: &str) -> bool {
        if self.setup.args.print {
            return false;
        }
        terminal::say(&format!("{question}\n❯ 1. Yes\n  2. No"));
        self.desk.set(At::Dialog);
        self.set(Status::Waiting);
        let desk = std::rc::Rc::clone(&self.desk);
        let approved = desk.decision().await;
        self.desk.set(At::Text);
        self.set(Status::Busy);
        approved
    }

    async fn wait_file(&self, path: &str) {
        let path = self.setup.cwd.join(path);
        while !path.exists() {
            sleep(LOOK).await;
        }
    }
}

impl Cost {
    fn is_nothing(self) -> bool {
        self.input_tokens == 0 && self.output_tokens == 0
    }
}

impl Crash {
    /// Ends this process with nothing tidied up.
    fn now(self) {
        if let Some(signal) = self.signal.and_then(Signal::from_named_raw) {
            // A signal that cannot be sent is replaced by the exit below.
            let _ = kill_process(getpid(), signal);
        }
        process::exit(self.exit.unwrap_or(1));
    }
}

impl Fault {
    /// The name that `StopFailure` is told.
    fn name(self) -> &'static str {
        match self {
            Self::BillingError => "billing_error",
            Self::RateLimit => "rate_limit",
            Self::ServerError => "server_error",
            Self::AuthenticationFailed => "authentication_failed",
        }
    }

    /// The status of the model's server.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::BillingError => 400,
            Self::AuthenticationFailed => 401,
            Self::RateLimit => 429,
            Self::ServerError => 529,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::BillingError => "Credit balance is too low",
            Self::RateLimit => "API Error: 429 rate limited",
            Self::ServerError => "API Error: 529 overloaded",
            Self::AuthenticationFailed => "API Error: 401 invalid x-api-key",
        }
    }
}
