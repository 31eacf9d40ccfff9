//! Starting agents, one after the other: a worktree, a seeded configuration, a clean environment, a
//! window.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use sandbox_core::{
    Failure,
    spec::{AgentFarmSpec, span},
};

use super::{
    Work,
    checkpoint::Taken,
    crew::{Crew, disk},
    member::Member,
    prompt::{self, Parts},
    workspace::{Workspace, Worktree},
};
use crate::agent::{
    desk::{Desk, replace},
    launch::Launch,
    process::SEAT_VARIABLE,
    seed, toolchains,
};

/// The largest log of one terminal when the settings name none.
const LOG: u64 = 10 << 20;

impl Crew {
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
        self.log_in(work).await?;
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
        let taken = match &self.earlier {
            Some(earlier) => earlier.take(work, workspace, &desk).await?,
            None => None,
        };
        let begins = match taken {
            Some(taken) => Begins::again(taken, parts),
            None => Begins::new(workspace.worktree(&desk.name()).await?, parts),
        };
        let kept = begins.worktree.clone();
        match self.open(work, desk, begins, (parts.of, model)).await {
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
        desk: Desk,
        begins: Begins,
        (of, model): (u32, Option<&str>),
    ) -> Result<Member, Failure> {
        let folder = &begins.worktree.path;
        seed::write(&desk, folder, &self.credentials, &self.program).map_err(|e| disk(&e))?;
        let mut member = Member::new(desk, begins.worktree, self.prices.clone());
        let launch = |member: &Member, how: [&str; 2], prompt: &str| {
            Ok(Launch {
                argv: argv(work, &member.desk, model, [how[0], how[1], prompt])?,
                env: self.environment(work, member, of)?,
                secrets: self.credentials.variables(),
                folder: member.worktree.path.clone(),
            })
        };
        let prompt = prompt_argument(&member.desk, begins.prompt).map_err(|e| disk(&e))?;
        let new = member.watch.session().to_owned();
        let mut first = launch(&member, ["--session-id", &new], &prompt).map_err(|e| disk(&e))?;
        if let Some((session, prompt)) = &begins.again {
            let resumes =
                launch(&member, ["--resume", &session.0], prompt).map_err(|e| disk(&e))?;
            member = member.resuming(session);
            member.anew = Some((new, std::mem::replace(&mut first, resumes)));
        }
        first.write(&member.desk).map_err(|e| disk(&e))?;
        let pane = self
            .terminals
            .open(&member.desk, &self.program, log_limit(work));
        member.pane = pane.await.map_err(|e| e.failure())?;
        Ok(member)
    }

    /// Starts every agent anew whose program does not go on with an earlier session.
    ///
    /// # Errors
    /// tmux does not do what is asked, or the disk refuses.
    pub(super) async fn begin_anew(&mut self, work: &Work) -> Result<(), Failure> {
        for member in &mut self.members {
            let Some(launch) = member.rejected() else {
                continue;
            };
            work.log.line(&format!(
                "{}: its program does not go on with its earlier session, which is left aside; it begins a new one",
                member.name()
            ));
            launch.write(&member.desk).map_err(|e| disk(&e))?;
            let at = (&member.desk, member.pane.as_str());
            let again = self.terminals.reopen(at, &self.program, log_limit(work));
            again.await.map_err(|e| e.failure())?;
        }
        Ok(())
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
        if let Some(home) = std::env::var_os("HOME") {
            env.extend(toolchains::beneath(Path::new(&home)));
        }
        env.extend(FIXED.map(|(k, v)| (k, v.to_owned())));
        if rustix::process::geteuid().is_root() {
            // Without it the program refuses to skip permissions as root.
            env.insert("IS_SANDBOX", "1".to_owned());
        }
        if let Some(url) = &work.settings.model_url {
            env.insert("ANTHROPIC_BASE_URL", url.clone());
        }
        env.extend(crate::exec::relay::variables());
        let identity = member.identity();
        env.extend(identity.variables().map(|(k, v)| (k, v.to_owned())));
        let more = work.settings.agent_env.clone();
        Ok(env
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .chain(more)
            .collect())
    }
}

/// How an agent begins.
struct Begins {
    worktree: Worktree,
    /// What it is told first in a new session.
    prompt: String,
    /// An earlier session, and what it is told to go on with it.
    again: Option<((String, u64), String)>,
}

impl Begins {
    fn new(worktree: Worktree, parts: &Parts<'_>) -> Self {
        Self {
            worktree,
            prompt: parts.text(),
            again: None,
        }
    }

    /// From what an earlier attempt left.
    fn again(taken: Taken, parts: &Parts<'_>) -> Self {
        let folder = taken.worktree.path.display().to_string();
        let goes_on = |session| (session, prompt::goes_on(&folder, parts.lessons));
        Self {
            again: taken.session.map(goes_on),
            prompt: parts.text() + if taken.has_work { prompt::FOUND } else { "" },
            worktree: taken.worktree,
        }
    }
}

fn log_limit(work: &Work) -> u64 {
    match work.settings.log_limit {
        0 => LOG,
        limit => limit,
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
    [how, session, prompt]: [&str; 3],
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
    argv.extend([how, session, "--", prompt].map(str::to_owned));
    Ok(argv)
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
