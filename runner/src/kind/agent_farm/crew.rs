//! All agents of a farm: started one after the other, looked at together, ended together.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use jiff::Timestamp;
use rustix::process::Signal;
use sandbox_core::{
    Failure, FailureClass, Usage,
    seat::AgentCounts,
    spec::{AgentFarmSpec, span},
};

use super::{
    Work,
    member::Member,
    prompt::{self, Parts},
    workspace::Workspace,
};
use crate::agent::{
    credentials::Credentials,
    desk::{Desk, replace},
    launch::Launch,
    process::{SEAT_VARIABLE, end_seat},
    seed,
    state::{AgentState, End},
    tmux::Terminals,
};

/// How often the agents are looked at.
const LOOK: Duration = Duration::from_millis(400);
/// How long agents may take to end after they were asked to.
const GRACE: Duration = Duration::from_secs(3);
/// The largest log of one terminal when the settings name none.
const LOG: u64 = 10 << 20;

/// The agents.
pub(super) struct Crew {
    pub(super) members: Vec<Member>,
    pub(super) terminals: Terminals,
    seat: String,
    program: PathBuf,
    credentials: Credentials,
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
        Ok(Self {
            members,
            terminals,
            seat,
            program,
            credentials,
        })
    }

    /// Starts every agent.
    ///
    /// # Errors
    /// A worktree cannot be made, or tmux does not do what is asked.
    pub(super) async fn start(
        &mut self,
        work: &Work,
        spec: &AgentFarmSpec,
        workspace: &Workspace,
    ) -> Result<(), Failure> {
        let file = match &spec.prompt_file {
            Some(path) => Some(workspace.prompt_file(path).await?),
            None => None,
        };
        for number in 1..=spec.agents {
            if number > 1
                && let Some(pause) = spec.stagger
            {
                tokio::time::sleep(span(pause)).await;
            }
            let parts = Parts {
                number,
                of: spec.agents,
                file: file.as_deref(),
                task: &spec.task,
                stack: spec.stack.as_deref(),
                lessons: &work.lessons,
            };
            self.start_one(work, workspace, &parts, spec.model.as_deref())
                .await?;
            self.look(work).await?;
        }
        Ok(())
    }

    async fn start_one(
        &mut self,
        work: &Work,
        workspace: &Workspace,
        parts: &Parts<'_>,
        model: Option<&str>,
    ) -> Result<(), Failure> {
        let desk = Desk::new(&work.seat_dir, parts.number);
        let worktree = workspace.worktree(&desk.name()).await?;
        let kept = worktree.clone();
        match self
            .open(work, Member::new(desk, worktree), parts, model)
            .await
        {
            Ok(member) => {
                work.log.line(&format!("{} is started", member.name()));
                self.members.push(member);
                Ok(())
            }
            Err(failure) => {
                // Nobody worked in it.
                workspace.drop_worktree(work, &kept).await;
                Err(failure)
            }
        }
    }

    /// Writes what the agent is started with, and opens its window.
    async fn open(
        &self,
        work: &Work,
        mut member: Member,
        parts: &Parts<'_>,
        model: Option<&str>,
    ) -> Result<Member, Failure> {
        let (desk, folder) = (&member.desk, &member.worktree.path);
        seed::write(desk, folder, &self.credentials, &self.program).map_err(|e| disk(&e))?;
        let prompt = prompt_argument(desk, parts.text()).map_err(|e| disk(&e))?;
        let session = member.watch.session();
        let launch = Launch {
            argv: argv(work, desk, model, [session, &prompt]).map_err(|e| disk(&e))?,
            env: self
                .environment(work, &member, parts.of)
                .map_err(|e| disk(&e))?,
            secrets: self.credentials.variables(),
            folder: folder.clone(),
        };
        launch.write(desk).map_err(|e| disk(&e))?;
        let limit = match work.settings.log_limit {
            0 => LOG,
            limit => limit,
        };
        let pane = self.terminals.open(desk, &self.program, limit).await;
        member.pane = pane.map_err(|e| e.failure())?;
        Ok(member)
    }

    /// All of an agent's environment but its secrets: nothing of ours, and no trace of another agent
    /// around us.
    fn environment(
        &self,
        work: &Work,
        member: &Member,
        of: u32,
    ) -> io::Result<BTreeMap<String, String>> {
        let desk = &member.desk;
        let mut env = BTreeMap::from([
            ("HOME", text(desk.home())?),
            ("TMPDIR", text(desk.temp())?),
            ("CLAUDE_CONFIG_DIR", text(desk.config())?),
            (SEAT_VARIABLE, self.seat.clone()),
            ("AGENT_INDEX", desk.number.to_string()),
            ("AGENT_COUNT", of.to_string()),
        ]);
        let path =
            std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        env.insert("PATH", path);
        env.extend(FIXED.map(|(k, v)| (k, v.to_owned())));
        if rustix::process::geteuid().is_root() {
            // Without it the program refuses to skip permissions as root.
            env.insert("IS_SANDBOX", "1".to_owned());
        }
        if let Some(url) = &work.settings.model_url {
            env.insert("ANTHROPIC_BASE_URL", url.clone());
        }
        let identity = member.identity();
        env.extend(identity.variables().map(|(k, v)| (k, v.to_owned())));
        let more = work.settings.agent_env.clone();
        Ok(env
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .chain(more)
            .collect())
    }

    /// Looks until every agent's turn is over.
    ///
    /// # Errors
    /// tmux does not answer.
    pub(super) async fn watch(&mut self, work: &Work) -> Result<(), Failure> {
        loop {
            self.look(work).await?;
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
        if !end_seat(&self.seat).await {
            work.log.line("something that the agents began still runs");
        }
        for (member, state) in self.members.iter_mut().zip(states) {
            member.watch.read();
            // That we ended it is not what became of it.
            member.state = state;
            member.desk.tidy();
        }
        self.publish(work);
    }
}

/// What every agent is given.
const FIXED: [(&str, &str); 7] = [
    ("TERM", "xterm-256color"),
    ("LANG", "C.UTF-8"),
    ("SHELL", "/bin/bash"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// The prompt as the program's last argument. One that is too long is put into a file.
fn prompt_argument(desk: &Desk, prompt: String) -> io::Result<String> {
    if prompt.len() <= prompt::ARGUMENT {
        return Ok(prompt);
    }
    replace(&desk.task(), prompt.as_bytes())?;
    Ok(prompt::by_file(&text(desk.task())?))
}

/// The program and its arguments. Some options take several values: the two dashes end them.
fn argv(
    work: &Work,
    desk: &Desk,
    model: Option<&str>,
    [session, prompt]: [&str; 2],
) -> io::Result<Vec<String>> {
    let mut argv = work.settings.agent_command.clone();
    if argv.is_empty() {
        argv.push("claude".to_owned());
    }
    let (settings, mcp) = (text(desk.settings())?, text(desk.mcp())?);
    argv.extend(
        [
            "--settings",
            &settings,
            "--mcp-config",
            &mcp,
            "--strict-mcp-config",
        ]
        .map(str::to_owned),
    );
    argv.push("--dangerously-skip-permissions".to_owned());
    argv.extend(
        model
            .into_iter()
            .flat_map(|m| ["--model", m])
            .map(str::to_owned),
    );
    argv.extend(["--session-id", session, "--", prompt].map(str::to_owned));
    Ok(argv)
}

/// What a person can do about a state.
fn hint(state: &AgentState) -> &'static str {
    match state {
        AgentState::Exited(End {
            code: Some(127), ..
        }) => "; the agents' program is not there: look at SANDBOX_AGENT_COMMAND",
        AgentState::Error(class) if class == "authentication_failed" => {
            "; look at the agents' token or key"
        }
        AgentState::Error(class) if class == "billing_error" => "; the account has no credit",
        AgentState::Error(class) if class == "did_not_start" => {
            "; look at its terminal log in the seat's folder"
        }
        AgentState::Blocked(_) => "; `sandbox attach` shows it",
        _ => "",
    }
}

fn text(path: PathBuf) -> io::Result<String> {
    let odd = |_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the data folder's path is not UTF-8",
        )
    };
    path.into_os_string().into_string().map_err(odd)
}

fn disk(e: &io::Error) -> Failure {
    let text = format!("prepare the agents: {e}; look at the data folder");
    Failure::new(FailureClass::Infrastructure, text)
}
