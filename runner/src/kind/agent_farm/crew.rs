//! All agents of a farm: looked at together, ended together. Started by `start`.

use std::{io, path::PathBuf, time::Duration};

use jiff::Timestamp;
use rustix::process::Signal;
use sandbox_core::{Failure, FailureClass, Usage, seat::AgentCounts, spec::AgentFarmSpec};

use super::{Work, checkpoint::Earlier, member::Member};
use crate::{
    agent::{
        credentials::{Credentials, OVER},
        login::{Keeper, forget},
        process::end_seat,
        state::{AgentState, End},
        tmux::Terminals,
    },
    model::price::Prices,
};

/// How often the agents are looked at.
const LOOK: Duration = Duration::from_millis(400);
/// How long agents may take to end after they were asked to.
const GRACE: Duration = Duration::from_secs(3);
/// How long a login that is over may take to be renewed.
const LOGIN: Duration = Duration::from_mins(2);

/// The agents.
pub(super) struct Crew {
    pub(super) members: Vec<Member>,
    pub(super) terminals: Terminals,
    pub(super) seat: String,
    pub(super) program: PathBuf,
    pub(super) credentials: Credentials,
    pub(super) prices: Prices,
    /// Keeps the agents' copies of the user's own login good, where they have any.
    pub(super) keeper: Option<Keeper>,
    /// What an earlier attempt kept for this one.
    pub(super) earlier: Option<Earlier>,
}

impl Crew {
    /// Nobody yet.
    ///
    /// # Errors
    /// `InvalidSpec` when agents cannot log in; `Infrastructure` when the disk refuses.
    pub(super) fn new(work: &Work, spec: &AgentFarmSpec) -> Result<Self, Failure> {
        let credentials = Credentials::choose(&work.settings)?;
        work.log.line(&format!(
            "{} agents, with {}",
            spec.agents,
            credentials.name()
        ));
        let seat = work.brief.seat.to_string();
        let terminals = Terminals::prepare(&work.seat_dir, &seat).map_err(|e| disk(&e))?;
        let program = std::env::current_exe().map_err(|e| disk(&e))?;
        let members = Vec::new();
        let keeper = credentials.login().map(Keeper::new);
        Ok(Self {
            members,
            terminals,
            seat,
            program,
            credentials,
            prices: Prices::of(&work.settings)?,
            keeper,
            earlier: Earlier::of(work),
        })
    }

    /// Waits for a login that is good.
    ///
    /// # Errors
    /// `InvalidSpec` with what to do: it is over and was not renewed.
    pub(super) async fn log_in(&mut self, work: &Work) -> Result<(), Failure> {
        let Some(keeper) = &mut self.keeper else {
            return Ok(());
        };
        if !keeper.is_ready(LOGIN).await {
            return Err(Failure::new(FailureClass::InvalidSpec, OVER));
        }
        if let Some(end) = keeper.end_before(work.brief.deadline_at) {
            work.log.line(&format!(
                "your own login is good until {end:.0}, before the job's deadline: use `claude` until \
                 then, which renews it, or set SANDBOX_AGENT_LOGIN_RENEW"
            ));
        }
        Ok(())
    }

    /// Looks until every agent's turn is over.
    ///
    /// # Errors
    /// tmux does not answer.
    pub(super) async fn watch(&mut self, work: &Work) -> Result<(), Failure> {
        loop {
            self.look(work).await?;
            self.begin_anew(work).await?;
            if self.members.iter().all(|m| m.state.is_over()) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at every agent once and says what is seen.
    ///
    /// # Errors
    /// tmux does not answer.
    pub(super) async fn look(&mut self, work: &Work) -> Result<(), Failure> {
        let panes = self.terminals.panes().await.map_err(|e| e.failure())?;
        let now = Timestamp::now().as_millisecond();
        for member in &mut self.members {
            let before = member.state.clone();
            member.look(panes.get(&member.pane), now);
            if member.state != before {
                work.log.line(&format!(
                    "{}: {}{}",
                    member.name(),
                    member.state.word(),
                    hint(&member.state)
                ));
            }
        }
        if let Some(keeper) = &mut self.keeper
            && let Some(said) = keeper.tend(self.members.iter().map(|m| &m.desk), now)
        {
            work.log.line(&said);
        }
        if self.members.iter().any(Member::is_untold)
            && let Some(pane) = panes.values().next()
        {
            pane.remind();
        }
        self.publish(work);
        Ok(())
    }

    /// What all agents have used.
    pub(super) fn usage(&self) -> Usage {
        let all = self.members.iter().map(Member::usage);
        all.fold(Usage::default(), Usage::plus)
    }

    fn publish(&self, work: &Work) {
        let count = |what: &dyn Fn(&Member) -> bool| {
            u32::try_from(self.members.iter().filter(|m| what(m)).count()).unwrap_or(u32::MAX)
        };
        let counts = AgentCounts {
            total: work.brief.spec.agent_farm.as_ref().map_or(0, |f| f.agents),
            working: count(&|m| !m.state.is_over() && !m.is_blocked()),
            blocked: count(&Member::is_blocked),
        };
        let over = count(&|m| m.state.is_over());
        let (usage, progress) = (
            self.usage(),
            format!("{over} of {} agents are done", counts.total),
        );
        let detail = self.members.iter().map(Member::beat).collect();
        work.beat.send_if_modified(|beat| {
            let old = (beat.usage, beat.agents, std::mem::take(&mut beat.detail));
            let is_new = old != (usage, Some(counts), detail);
            beat.usage = usage;
            beat.agents = Some(counts);
            beat.progress = progress;
            beat.detail = if is_new {
                self.members.iter().map(Member::beat).collect()
            } else {
                old.2
            };
            is_new
        });
    }

    /// Ends every agent and all that they began: asked first, and then without asking. What they
    /// used until then is read once more.
    pub(super) async fn end(&mut self, work: &Work) {
        let states: Vec<AgentState> = self.members.iter().map(|m| m.state.clone()).collect();
        let running: Vec<_> = self
            .members
            .iter()
            .filter_map(|m| m.process.clone())
            .collect();
        for process in &running {
            process.signal(Signal::TERM);
        }
        let until = tokio::time::Instant::now() + GRACE;
        for process in running {
            process
                .over_within(until.saturating_duration_since(tokio::time::Instant::now()))
                .await;
        }
        if let Err(e) = self.terminals.end().await {
            work.log.line(&e.to_string());
        }
        self.end_remains(work).await;
        for (member, state) in self.members.iter_mut().zip(states) {
            member.watch.read();
            // That we ended it is not what became of it.
            member.state = state;
            member.desk.tidy();
            forget(&member.desk);
        }
        self.publish(work);
    }

    /// Ends what was begun for the seat and still runs.
    pub(super) async fn end_remains(&self, work: &Work) {
        if !end_seat(&self.seat).await {
            work.log
                .line("something that was begun for the farm still runs");
        }
    }
}

/// What a person can do about a state.
fn hint(state: &AgentState) -> &'static str {
    match state {
        AgentState::Exited(End {
            code: Some(127), ..
        }) => "; the agents' program is not there: look at SANDBOX_AGENT_COMMAND",
        AgentState::Error(class) if class == "authentication_failed" => {
            "; look at the agents' token, key or login"
        }
        AgentState::Error(class) if class == "billing_error" => "; the account has no credit",
        AgentState::Error(class) if class == "did_not_start" => {
            "; look at its terminal log in the seat's folder"
        }
        AgentState::Blocked(_) => "; `sandbox attach` shows it",
        _ => "",
    }
}

pub(super) fn disk(e: &io::Error) -> Failure {
    let text = format!("prepare the agents: {e}; look at the data folder");
    Failure::new(FailureClass::Infrastructure, text)
}
