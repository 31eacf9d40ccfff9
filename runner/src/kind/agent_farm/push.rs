//! What landed, to where the repository came from: only once no required check has anything against it.
//! Where the remote's branch moved meanwhile, the commits are put on top of it and looked at anew.

use sandbox_core::{Failure, FailureClass};

use super::{Work, crew::Crew, judge::Judge, judged, unless_stopped, workspace::Workspace};
use crate::{
    git::{Commit, GitError, Pushed},
    kind::checks::{Verdict, withheld},
};

/// Pushes what landed. The verdicts are those of what is there afterwards.
///
/// # Errors
/// A required check speaks against it, the remote says no or cannot be asked, or the work is to end.
/// What landed here stands, and the failure says where.
pub(super) async fn push(
    work: &Work,
    judge: &Judge,
    (workspace, crew): (&mut Workspace, &mut Crew),
    verdicts: &mut Vec<Verdict>,
) -> Result<(), Failure> {
    loop {
        if let Some(failure) = withheld(verdicts) {
            return Err(kept(&failure, workspace));
        }
        match unless_stopped(work, once(work, workspace)).await? {
            Pushed::There => return Ok(()),
            Pushed::OnTop => {
                renamed(workspace, crew).await.map_err(|e| e.failure())?;
            }
        }
        if judge.is_strict() {
            let start = workspace.branch.start();
            let before = async { Ok(judge.before(work, start).await) };
            let before = unless_stopped(work, before).await;
            let before = before.unwrap_or_else(|_| judge.unknown());
            *verdicts = judged(work, judge, (workspace, crew), before).await;
        }
    }
}

async fn once(work: &Work, workspace: &mut Workspace) -> Result<Pushed, Failure> {
    work.log
        .line(&format!("pushes {}", workspace.branch.name()));
    let pushed = workspace.push().await.map_err(|e| refused(&e, workspace))?;
    if pushed == Pushed::OnTop {
        work.log
            .line("the remote's branch moved meanwhile; the commits were put on top of it");
    }
    Ok(pushed)
}

/// Commits that were put on top of others have other names; some may have been there already.
async fn renamed(workspace: &Workspace, crew: &mut Crew) -> Result<(), GitError> {
    let (repo, branch) = (&workspace.repo, &workspace.branch);
    let mut new = repo.commits(branch.start(), branch.tip()).await?;
    for member in &mut crew.members {
        let found = |old: &Commit| {
            let at = new.iter().position(|n| n.subject == old.subject)?;
            Some(new.remove(at))
        };
        member.commits = member.commits.iter().filter_map(found).collect();
    }
    Ok(())
}

/// The remote said no, or could not be asked: what was made is there, and is not where it should be.
fn refused(e: &GitError, workspace: &Workspace) -> Failure {
    let class = if e.is_refusal() {
        FailureClass::OutputRejected
    } else {
        FailureClass::Infrastructure
    };
    Failure::new(class, format!("{e}; {}", place(workspace)))
}

/// The same failure with what a person can do. On a line of its own: memory keeps the first, which is
/// the same whichever branch it was.
fn kept(failure: &Failure, workspace: &Workspace) -> Failure {
    let text = format!(
        "{}\nnothing was pushed: {}; mend it there and push it, or submit the job again",
        failure.message,
        place(workspace)
    );
    Failure::new(failure.class, text)
}

fn place(workspace: &Workspace) -> String {
    let (name, shown) = (workspace.branch.name(), &workspace.shown);
    format!("what landed is kept on the branch {name} of {shown}")
}
