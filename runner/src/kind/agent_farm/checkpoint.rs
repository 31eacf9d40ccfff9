//! What a farm keeps when its place is taken away, and how the agents of the next attempt go on from it: of each agent its
//! commits, what it had not committed, and its session. An agent whose part cannot be used begins anew.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sandbox_core::Failure;
use serde::{Deserialize, Serialize};
use tokio::{task::spawn_blocking, time::timeout_at};
use uuid::Uuid;

use super::{
    Work,
    crew::Crew,
    landing,
    member::Member,
    workspace::{Workspace, Worktree},
};
use crate::{
    agent::{desk::Desk, session},
    exec::checkpoint::kept,
};

/// The list of what is kept; the largest one.
const LIST: (&str, u64) = ("farm.json", 1 << 20);
/// The commits of an agent, in its folder.
const BUNDLE: &str = "work.bundle";

#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    agents: Vec<Agent>,
}

/// What is kept of an agent; the rest stands in a folder of its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Agent {
    number: u32,
    /// The session of which there is a transcript.
    session: Option<Uuid>,
    /// The name of its worktree in the job's folder: what it said and read names it.
    place: String,
    /// Its last commit, where it has any of its own.
    head: Option<String>,
    /// Whether that commit is what it had not committed.
    rest: bool,
}

/// Puts what agents left uncommitted onto their own branches: nothing that was paid for is lost. Gives the numbers of those
/// who had something.
pub(super) async fn keep_rest(work: &Work, workspace: &Workspace, crew: &Crew) -> Vec<u32> {
    let mut some = Vec::new();
    for member in crew.members.iter().filter(|m| !m.is_landed()) {
        if work.cut_off.get().is_some() {
            workspace.repo.unlock(&member.worktree.path).await;
        }
        match landing::commit_rest(workspace, member).await {
            Ok(true) => some.push(member.desk.number),
            Ok(false) => {}
            Err(e) => work.log.line(&format!("{}: {e}", member.name())),
        }
    }
    some
}

/// Keeps what the next attempt goes on from, where the place is taken away. Agents are over by now, and `rest` are those
/// whose last commit is what they had not committed.
pub(super) async fn keep(work: &Work, workspace: &Workspace, crew: &Crew, rest: &[u32]) {
    let Some(cut_off) = work.cut_off.get() else {
        return;
    };
    let done = timeout_at(cut_off.keep_by, keep_all(work, workspace, crew, rest)).await;
    let done = done.unwrap_or_else(|_| Err("it took too long".to_owned()));
    if let Err(why) = done {
        work.log.line(&format!("no checkpoint is made: {why}"));
    }
}

async fn keep_all(
    work: &Work,
    workspace: &Workspace,
    crew: &Crew,
    rest: &[u32],
) -> Result<(), String> {
    let part = work.seat_dir.join("checkpoint.part");
    let mut list = List::default();
    for member in &crew.members {
        let into = part.join(member.name());
        match keep_one(workspace, member, into).await {
            Ok(agent) => list.agents.push(Agent {
                rest: agent.head.is_some() && rest.contains(&agent.number),
                ..agent
            }),
            Err(why) => work
                .log
                .line(&format!("{}: nothing of it is kept: {why}", member.name())),
        }
    }
    if let Some(earlier) = &crew.earlier {
        let unstarted = |a: &&Agent| crew.members.iter().all(|m| m.desk.number != a.number);
        for agent in earlier.list.agents.iter().filter(unstarted) {
            earlier.hand_on(agent, &part).map_err(|e| e.to_string())?;
            list.agents.push(agent.clone());
        }
    }
    let bytes = serde_json::to_vec(&list).map_err(|e| e.to_string())?;
    fs::write(part.join(LIST.0), bytes).map_err(|e| e.to_string())?;
    // Whole, or not at all.
    fs::rename(&part, kept(&work.seat_dir)).map_err(|e| e.to_string())
}

async fn keep_one(workspace: &Workspace, member: &Member, into: PathBuf) -> Result<Agent, String> {
    fs::create_dir_all(&into).map_err(|e| e.to_string())?;
    let (number, worktree) = (member.desk.number, &member.worktree.path);
    let bundle = into.join(BUNDLE);
    let head = workspace.repo.bundle(worktree, &workspace.base, &bundle);
    let head = head.await.map_err(|e| e.to_string())?;
    let (desk, session) = (member.desk.clone(), member.watch.session().to_owned());
    let id = session.parse().ok();
    let has = spawn_blocking(move || session::keep(&desk, &session, &into)).await;
    let has = has.unwrap_or_else(|e| Err(io::Error::other(e)));
    let name = worktree.file_name().unwrap_or_default();
    Ok(Agent {
        number,
        session: id.filter(|_| has.is_ok_and(|has| has)),
        place: name.to_string_lossy().into_owned(),
        head,
        rest: false,
    })
}

/// What an earlier attempt kept.
pub(super) struct Earlier {
    folder: PathBuf,
    list: List,
}

/// What an agent goes on from.
pub(super) struct Taken {
    /// Where it works.
    pub(super) worktree: Worktree,
    /// Whether its commits and files are there.
    pub(super) has_work: bool,
    /// Its session, and how much of the transcript is there already; none where it has to begin another.
    pub(super) session: Option<(String, u64)>,
}

impl Taken {
    const fn word(&self) -> &'static str {
        match (&self.session, self.has_work) {
            (Some(_), true) => "goes on with its session and its work",
            (Some(_), false) => "goes on with its session",
            (None, true) => "begins a new session on its earlier work",
            (None, false) => "begins anew: it had done nothing",
        }
    }
}

impl Earlier {
    /// What there is for this attempt.
    pub(super) fn of(work: &Work) -> Option<Self> {
        let folder = work.earlier.get()?.clone();
        match read(&folder.join(LIST.0)) {
            Ok(list) => Some(Self { folder, list }),
            Err(e) => {
                let text =
                    format!("the checkpoint is left aside, and every agent begins anew: {e}");
                work.log.line(&text);
                None
            }
        }
    }

    /// Brings back what the agent of this desk left; nothing where there is none, or none that can be used.
    pub(super) async fn take(
        &self,
        work: &Work,
        workspace: &Workspace,
        desk: &Desk,
    ) -> Result<Option<Taken>, Failure> {
        let Some(agent) = self.list.agents.iter().find(|a| a.number == desk.number) else {
            return Ok(None);
        };
        let from = self.folder.join(desk.name());
        let worktree = match &agent.head {
            Some(head) => brought_back(work, workspace, (desk, agent, head), &from).await,
            None => Some(workspace.worktree(&desk.name()).await?),
        };
        let Some(worktree) = worktree else {
            return Ok(None);
        };
        let session = given_back(work, (desk, agent), from, &worktree).await;
        let taken = Taken {
            worktree,
            has_work: agent.head.is_some(),
            session,
        };
        work.log.line(&format!("{} {}", desk.name(), taken.word()));
        Ok(Some(taken))
    }

    /// What was kept of an agent that did not come to work since then.
    fn hand_on(&self, agent: &Agent, part: &Path) -> io::Result<()> {
        let name = format!("agent-{}", agent.number);
        fs::create_dir_all(part)?;
        fs::rename(self.folder.join(&name), part.join(&name))
    }
}

fn read(file: &Path) -> io::Result<List> {
    if file.metadata()?.len() > LIST.1 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// A worktree with what the agent had committed and what it had not.
async fn brought_back(
    work: &Work,
    workspace: &Workspace,
    (desk, agent, head): (&Desk, &Agent, &str),
    from: &Path,
) -> Option<Worktree> {
    let name = desk.name();
    let worktree = async {
        workspace.repo.unbundle(&from.join(BUNDLE), head).await?;
        workspace.worktree_again((&name, &agent.place), head).await
    };
    let worktree = match worktree.await {
        Ok(worktree) => worktree,
        Err(e) => {
            work.log.line(&format!("{name} begins anew: {e}"));
            return None;
        }
    };
    if agent.rest
        && let Err(e) = workspace.repo.uncommit(&worktree.path).await
    {
        // It is there all the same, as a commit.
        work.log.line(&format!("{name}: {e}"));
    }
    Some(worktree)
}

async fn given_back(
    work: &Work,
    (desk, agent): (&Desk, &Agent),
    from: PathBuf,
    worktree: &Worktree,
) -> Option<(String, u64)> {
    let session = agent.session?.to_string();
    let (to, id, folder) = (desk.clone(), session.clone(), worktree.path.clone());
    let given = spawn_blocking(move || session::give_back(&from, &to, (&id, &folder))).await;
    match given.unwrap_or_else(|e| Err(io::Error::other(e))) {
        Ok(bytes) => bytes.map(|bytes| (session, bytes)),
        Err(e) => {
            let name = desk.name();
            work.log
                .line(&format!("{name}: its session is left aside: {e}"));
            None
        }
    }
}
