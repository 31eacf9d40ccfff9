//! One agent of a farm: where it works, what is known of it, and what became of it.

use jiff::Timestamp;
use sandbox_core::Usage;
use serde_json::{Value, json};
use uuid::Uuid;

use super::workspace::Worktree;
use crate::{
    agent::{
        desk::Desk,
        launch::Launch,
        process::Known,
        state::{AgentState, End, Process, Why, state},
        tmux::{Pane, SESSION},
        watch::Watch,
    },
    git::{Commit, Identity},
    model::price::Prices,
};

/// How much of an agent's last words a heartbeat carries.
const SHOWN: usize = 300;
/// How much of them the result carries.
const TOLD: usize = 4000;
/// How often tmux is asked again for the exit code of a process that is over.
const ASK_AGAIN: u32 = 3;

/// One agent.
pub(super) struct Member {
    pub(super) desk: Desk,
    pub(super) worktree: Worktree,
    pub(super) pane: String,
    pub(super) watch: Watch,
    pub(super) state: AgentState,
    /// Its process, once it was seen.
    pub(super) process: Option<Known>,
    /// Its commits that landed.
    pub(super) commits: Vec<Commit>,
    /// What became of its commits, once that is known.
    pub(super) landing: Option<Landing>,
    /// How it is started with a new session, while it may turn out that its program does not go on with an earlier one.
    pub(super) anew: Option<(String, Launch)>,
    prices: Prices,
    untold: u32,
}

/// What became of an agent's commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// They are on the branch, or there were none.
    Landed,
    /// They do not fit what landed before, and the agent could not help.
    Conflict(Vec<String>),
}

impl Member {
    /// An agent with a session of its own that is to be started.
    pub(super) fn new(desk: Desk, worktree: Worktree, prices: Prices) -> Self {
        let session = Uuid::new_v4().to_string();
        let watch = watch(&desk, &session, &prices);
        Self {
            desk,
            worktree,
            pane: String::new(),
            watch,
            state: AgentState::Starting,
            process: None,
            commits: Vec::new(),
            landing: None,
            anew: None,
            prices,
            untold: 0,
        }
    }

    /// The same with an earlier session, of whose transcript so many bytes are there.
    pub(super) fn resuming(mut self, (session, bytes): &(String, u64)) -> Self {
        self.watch = watch(&self.desk, session, &self.prices).after(*bytes);
        self
    }

    /// How it is to be started with a new session, where its program does not go on with the earlier one: it is over, or
    /// waits for somebody, and has taken no prompt.
    pub(super) fn rejected(&mut self) -> Option<Launch> {
        if !self.watch.prompts.is_empty() {
            self.anew = None;
        }
        let stuck = self.state.is_over() || self.state == AgentState::Blocked(Why::Silent);
        let (session, launch) = self.anew.take_if(|_| stuck)?;
        self.watch = watch(&self.desk, &session, &self.prices);
        (self.state, self.process, self.untold) = (AgentState::Starting, None, 0);
        Some(launch)
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.desk.name()
    }

    /// Who its commits are by.
    pub(super) fn identity(&self) -> Identity {
        let name = self.name();
        let email = format!("{name}@sandbox.invalid");
        Identity { name, email }
    }

    /// Reads what is new, and decides what it is doing.
    pub(super) fn look(&mut self, pane: Option<&Pane>, now: i64) {
        let process = self.process(pane);
        self.watch.read();
        // The end of its process is final, also when the pane is gone afterwards.
        if !matches!(self.state, AgentState::Exited(_) | AgentState::Lost) {
            self.state = state(&self.watch.seen(process), now);
        }
    }

    /// Whether tmux has to be reminded that a process of it is over.
    pub(super) fn is_untold(&self) -> bool {
        self.untold > 0
    }

    fn process(&mut self, pane: Option<&Pane>) -> Process {
        if self.process.is_none() {
            self.process = pane.and_then(|p| Known::of(p.pid));
        }
        let runs = self.process.as_ref().is_some_and(Known::runs);
        match pane {
            None if runs => Process::Runs,
            None => Process::Gone,
            Some(p) if p.code.is_some() || p.signal.is_some() => {
                let (code, signal) = (p.code, p.signal);
                Process::Over(End { code, signal })
            }
            Some(_) if runs => Process::Runs,
            Some(_) => {
                self.untold += 1;
                if self.untold > ASK_AGAIN {
                    Process::Over(End::default())
                } else {
                    Process::Runs
                }
            }
        }
    }

    /// Whether it did what it was asked to, as far as it can tell.
    pub(super) fn is_done(&self) -> bool {
        match self.state {
            AgentState::Done => true,
            // A person may close an agent that is done.
            AgentState::Exited(End { code: Some(0), .. }) => self.watch.stopped,
            _ => false,
        }
    }

    /// Whether nothing of its work is left to be kept.
    pub(super) fn is_landed(&self) -> bool {
        self.landing == Some(Landing::Landed)
    }

    /// One word for what became of it.
    pub(super) fn outcome(&self) -> &'static str {
        match (&self.landing, &self.state) {
            (Some(Landing::Conflict(_)), _) => "conflict",
            _ if self.is_done() => "done",
            (_, AgentState::RateLimited) => "rate_limited",
            (_, AgentState::Error(_) | AgentState::Exited(_) | AgentState::Lost) => "failed",
            (
                _,
                AgentState::Starting
                | AgentState::Working
                | AgentState::Blocked(_)
                | AgentState::Done,
            ) => "stopped",
        }
    }

    /// What it has used.
    pub(super) fn usage(&self) -> Usage {
        self.watch.usage()
    }

    /// What it is doing, as heartbeats tell it.
    pub(super) fn beat(&self) -> Value {
        let usage = self.usage();
        json!({
            "name": self.name(),
            "state": self.short(),
            "reason": self.state.word(),
            "cost_usd": usage.usd,
            "tokens": usage.tokens(),
            "context_left": self.watch.context_left,
            "last_message": start(self.last_message(), SHOWN),
            "pane": format!("{SESSION}:{}", self.name()),
        })
    }

    fn short(&self) -> &'static str {
        match self.state {
            AgentState::Starting => "starting",
            AgentState::Working => "working",
            AgentState::Blocked(_) => "blocked",
            AgentState::Done => "done",
            AgentState::RateLimited
            | AgentState::Error(_)
            | AgentState::Exited(_)
            | AgentState::Lost => "error",
        }
    }

    /// What became of it, as the result tells it.
    pub(super) fn told(&self) -> Value {
        let usage = self.usage();
        let mut told = json!({
            "name": self.name(),
            "outcome": self.outcome(),
            "state": self.state.word(),
            "commits": self.commits.len(),
            "cost_usd": usage.usd,
            "tokens": usage.tokens(),
            "last_message": start(self.last_message(), TOLD),
        });
        if !self.is_landed() {
            told["branch"] = json!(self.worktree.branch);
        }
        if let Some(Landing::Conflict(files)) = &self.landing {
            told["conflicts"] = json!(files.iter().take(20).collect::<Vec<_>>());
        }
        told
    }

    fn last_message(&self) -> &str {
        self.watch.said.last().map_or("", String::as_str)
    }

    /// Whether it waits for a person.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(
            self.state,
            AgentState::Blocked(Why::Question | Why::Interrupted | Why::Silent)
        )
    }
}

fn watch(desk: &Desk, session: &str, prices: &Prices) -> Watch {
    let now = Timestamp::now().as_millisecond();
    Watch::new(desk, session, now).priced(prices.clone())
}

fn start(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
