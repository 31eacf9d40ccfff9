//! Agents' commits onto one branch, one agent after the other. One whose commits do not fit is told
//! to rebase them, once, after all others have landed.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass};

use super::{
    Work,
    crew::Crew,
    member::{Landing, Member},
    prompt,
    workspace::Workspace,
};
use crate::{
    agent::{
        deliver::{Delivered, Prompt, Recipient, deliver},
        state::AgentState,
    },
    git::{Attempt, GitError},
};

/// How long an agent may take to make its commits fit.
const RESOLVE: Duration = Duration::from_mins(15);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(400);

/// Lands what the agents did.
///
/// # Errors
/// Git or the machine fails.
pub(super) async fn land(
    work: &Work,
    workspace: &mut Workspace,
    crew: &mut Crew,
) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    for index in 0..crew.members.len() {
        if let Some(files) = land_one(work, workspace, &mut crew.members[index]).await? {
            waiting.push((index, files));
        }
    }
    for (index, files) in waiting {
        let mut left = Some(files.clone());
        if told(work, workspace, crew, index, &files).await? {
            left = land_one(work, workspace, &mut crew.members[index]).await?;
        }
        let member = &mut crew.members[index];
        if let Some(files) = left {
            work.log.line(&format!(
                "{}: its commits do not fit and stay on {}",
                member.name(),
                member.worktree.branch
            ));
            member.landing = Some(Landing::Conflict(files));
        }
    }
    Ok(())
}

/// Why nothing landed although agents made something, where that is so.
pub(super) fn nothing_fits(workspace: &Workspace, crew: &Crew) -> Option<Failure> {
    let branch = &workspace.branch;
    let is_conflict = |m: &Member| matches!(m.landing, Some(Landing::Conflict(_)));
    if branch.tip() != branch.start() || !crew.members.iter().any(is_conflict) {
        return None;
    }
    let text = format!(
        "landed nothing on {}: the agents' commits do not fit it",
        branch.name()
    );
    Some(Failure::new(FailureClass::OutputRejected, text))
}

/// Lands the commits of one agent that is done; gives the files that do not fit.
async fn land_one(
    work: &Work,
    workspace: &mut Workspace,
    member: &mut Member,
) -> Result<Option<Vec<String>>, Failure> {
    if !member.is_done() {
        return Ok(None);
    }
    let of_git = |e: GitError| e.failure();
    commit_rest(workspace, member).await.map_err(of_git)?;
    let (by, path) = (member.identity(), member.worktree.path.clone());
    let Workspace { repo, branch, .. } = workspace;
    match branch.land(repo, &path, &by).await.map_err(of_git)? {
        Attempt::Conflict { files } => return Ok(Some(files)),
        Attempt::Nothing => {}
        Attempt::Landed { from, to } => {
            member.commits = repo.commits(&from, &to).await.map_err(of_git)?;
            let (name, count) = (member.name(), member.commits.len());
            work.log.line(&format!(
                "{name}: landed {count} commits on {}",
                branch.name()
            ));
        }
    }
    member.landing = Some(Landing::Landed);
    Ok(None)
}

/// Commits what an agent left uncommitted, in its name; says whether there was anything.
///
/// # Errors
/// Git says no, or the disk does.
pub(super) async fn commit_rest(workspace: &Workspace, member: &Member) -> Result<bool, GitError> {
    let worktree = &member.worktree.path;
    let message = format!("Keep the uncommitted work of agent {}", member.desk.number);
    workspace.repo.give_up_unfinished(worktree).await;
    workspace
        .repo
        .commit_rest(worktree, &member.identity(), &message)
        .await
}

/// Tells an agent to make its commits fit, and waits until it has tried. Says whether it did.
async fn told(
    work: &Work,
    workspace: &Workspace,
    crew: &mut Crew,
    index: usize,
    files: &[String],
) -> Result<bool, Failure> {
    let text = Prompt::new(&prompt::conflict(workspace.branch.tip(), files));
    let (terminals, pane) = (crew.terminals.clone(), crew.members[index].pane.clone());
    let name = crew.members[index].name();
    let mut to = Addressee { work, crew, index };
    let delivered = deliver(&terminals, &pane, &text, &mut to)
        .await
        .map_err(|e| e.failure())?;
    work.log.line(&format!(
        "{name}: is told that its commits do not fit: {delivered:?}"
    ));
    if delivered != Delivered::Taken {
        return Ok(false);
    }
    let until = Timestamp::now() + RESOLVE;
    while Timestamp::now() < until {
        crew.look(work).await?;
        match &crew.members[index].state {
            AgentState::Done => return Ok(true),
            state if state.is_over() => return Ok(false),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
    Ok(false)
}

/// An agent of the crew, as prompts are sent to it.
struct Addressee<'a> {
    work: &'a Work,
    crew: &'a mut Crew,
    index: usize,
}

#[async_trait]
impl Recipient for Addressee<'_> {
    async fn look(&mut self, fingerprint: &str) -> (AgentState, usize) {
        // tmux that does not answer shows in the next call as well.
        let _ = self.crew.look(self.work).await;
        let member = &self.crew.members[self.index];
        let took = member.watch.prompts.iter().filter(|p| *p == fingerprint);
        (member.state.clone(), took.count())
    }
}
