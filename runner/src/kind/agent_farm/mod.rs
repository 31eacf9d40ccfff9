//! `agent_farm`: several terminal agents on one repository, each in its own worktree and window.
//!
//! | file | what it is |
//! |---|---|
//! | `workspace` | the repository, its worktrees, the branch to land on |
//! | `prompt` | what an agent is told first |
//! | `member` | one agent |
//! | `crew`, `start` | all of them: started, watched, ended |
//! | `checkpoint` | what is kept when the place is taken away, and brought back |
//! | `landing` | their commits onto one branch |
//! | `judge` | the server's checks, before and after |
//! | `push` | the branch to where it came from, if the checks let it |
//! | `result` | what the job gives |
//!
//! The farm ends when every agent's turn is over, or when the work is to end. Its agents and all
//! that they began end with it, however it ends. Leases, problem lists and restarts are not here.

mod checkpoint;
mod crew;
mod judge;
mod landing;
mod member;
mod prompt;
mod push;
mod result;
mod start;
mod workspace;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Brief, Failure, FailureClass,
    port::RecallQuery,
    spec::{AgentFarmSpec, domain, project},
};

use super::{
    Done, Kind, Work,
    checks::{Ran, Verdict},
};
use crew::Crew;
use judge::Judge;
use result::Told;
use workspace::Workspace;

/// The job type.
pub(super) struct AgentFarm;

#[async_trait]
impl Kind for AgentFarm {
    fn recall(&self, brief: &Brief) -> Option<RecallQuery> {
        let spec = brief.spec.agent_farm.as_ref()?;
        Some(RecallQuery {
            text: spec.task.clone(),
            domain: domain(&brief.spec),
            project: project(&brief.spec),
            files: spec.prompt_file.iter().cloned().collect(),
            max_tokens: None,
        })
    }

    fn goes_on(&self) -> bool {
        true
    }

    async fn run(&self, work: &Work) -> Result<Done, Failure> {
        let began = Timestamp::now();
        let spec = spec(work)?;
        let mut crew = Crew::new(work, spec)?;
        let mut workspace = unless_stopped(work, Workspace::prepare(work, spec)).await?;
        let judge = Judge::new(work, spec, &workspace);
        let went = farm(work, spec, (&mut workspace, &judge), &mut crew).await;
        // Before anything else is said: nothing of the farm may go on.
        crew.end(work).await;
        judge.tidy(work).await;
        let (before, mut failure) = match went {
            Ok(before) => (before, landing::nothing_fits(&workspace, &crew)),
            Err(failure) if crew.members.is_empty() => {
                workspace.tidy(work).await;
                return Err(failure);
            }
            Err(failure) => (judge.unknown(), Some(failure)),
        };
        let rest = checkpoint::keep_rest(work, &workspace, &crew).await;
        let mut verdicts = judged(work, &judge, (&workspace, &crew), before).await;
        let is_empty = workspace.branch.tip() == workspace.branch.start();
        let mut pushed = spec.land.as_ref().and_then(|l| l.push.then_some(false));
        if pushed.is_some() && !is_empty && failure.is_none() {
            let place = (&mut workspace, &mut crew);
            let done = push::push(work, &judge, place, &mut verdicts).await;
            (pushed, failure) = (Some(done.is_ok()), done.err());
        }
        checkpoint::keep(work, &workspace, &crew, &rest).await;
        let told = Told {
            work,
            workspace: &workspace,
            crew: &crew,
            failure: failure.as_ref(),
            verdicts: &verdicts,
            note: judge.note.as_deref(),
            pushed,
            began,
        };
        told.done().await
    }
}

fn spec(work: &Work) -> Result<&AgentFarmSpec, Failure> {
    let refuse = |text: &str| Err(Failure::new(FailureClass::InvalidSpec, text));
    let Some(spec) = work.brief.spec.agent_farm.as_ref() else {
        return refuse("the job has no agentFarm");
    };
    let texts = [
        Some(&spec.task),
        spec.prompt_file.as_ref(),
        spec.model.as_ref(),
    ];
    if texts.into_iter().flatten().any(|t| t.contains('\0')) {
        return refuse(
            "read the job: a text holds the character U+0000, which no program can be given",
        );
    }
    if spec.model.as_ref().is_some_and(|m| m.starts_with('-')) {
        return refuse("read agentFarm.model: a model's name does not begin with -");
    }
    Ok(spec)
}

/// Everything between the workspace and the end of the agents. How it was before is looked at while
/// they work; its processes end with theirs.
async fn farm(
    work: &Work,
    spec: &AgentFarmSpec,
    (workspace, judge): (&mut Workspace, &Judge),
    crew: &mut Crew,
) -> Result<Vec<Ran>, Failure> {
    let base = workspace.base.clone();
    let before = async { Ok(judge.before(work, &base).await) };
    let ((), before) = tokio::try_join!(
        agents(work, spec, workspace, crew),
        unless_stopped(work, before)
    )?;
    Ok(before)
}

async fn agents(
    work: &Work,
    spec: &AgentFarmSpec,
    workspace: &mut Workspace,
    crew: &mut Crew,
) -> Result<(), Failure> {
    unless_stopped(work, crew.start(work, spec, workspace)).await?;
    unless_stopped(work, crew.watch(work)).await?;
    unless_stopped(work, landing::land(work, workspace, crew)).await
}

/// Does something, and gives it up when the work is to end.
async fn unless_stopped<T>(
    work: &Work,
    what: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = work.stopped() => {
            let text = "the work was ended before it was done";
            Err(Failure::new(FailureClass::Preempted, text))
        }
        done = what => done,
    }
}

/// What the server's checks say of what the agents made. Nothing of them goes on afterwards.
async fn judged(
    work: &Work,
    judge: &Judge,
    (workspace, crew): (&Workspace, &Crew),
    before: Vec<Ran>,
) -> Vec<Verdict> {
    let verdicts = match judge::ends(workspace, crew).await {
        Ok(ends) => judge.verdicts(work, &ends, before).await,
        Err(e) => {
            work.log.line(&format!("nothing is checked: {e}"));
            judge.side_by_side(before, judge.unknown())
        }
    };
    crew.end_remains(work).await;
    judge.tidy(work).await;
    verdicts
}
