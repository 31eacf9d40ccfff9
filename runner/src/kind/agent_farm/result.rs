//! What a farm gives: the keys of the old API and the richer ones beside them.

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass};
use serde_json::{Value, json};

use super::{Done, Work, crew::Crew, member::Member, workspace::Workspace};
use crate::{
    agent::{state::AgentState, tmux::SESSION},
    git::Stat,
    kind::{
        checks::{Verdict, grade, rejected},
        echo::naive,
        lessons::learned,
    },
};

/// Most commits that stand in the result; the count tells of all.
const MOST_COMMITS: usize = 200;

/// Everything that is told about.
pub(super) struct Told<'a> {
    pub(super) work: &'a Work,
    pub(super) workspace: &'a Workspace,
    pub(super) crew: &'a Crew,
    /// Why the job is not a success although agents did their work.
    pub(super) failure: Option<&'a Failure>,
    /// What the server's checks say.
    pub(super) verdicts: &'a [Verdict],
    /// Why they say nothing, where somebody might expect it.
    pub(super) note: Option<&'a str>,
    /// Whether what landed was pushed, where that was asked for.
    pub(super) pushed: Option<bool>,
    pub(super) began: Timestamp,
}

impl Told<'_> {
    /// What the job gives. It stands also beside a failure.
    ///
    /// # Errors
    /// Git cannot tell what landed.
    pub(super) async fn done(&self) -> Result<Done, Failure> {
        let (repo, branch) = (&self.workspace.repo, &self.workspace.branch);
        let stat = repo
            .stat(branch.start(), branch.tip())
            .await
            .map_err(|e| e.failure())?;
        let failure = self.failure.cloned().or_else(|| self.nobody_done());
        let failure = failure.or_else(|| rejected(self.verdicts));
        let result = self.result(&stat, failure.as_ref());
        self.tidy().await;
        Ok(Done {
            result,
            files: stat.files.into_iter().map(|f| f.path).collect(),
            lessons: self.lessons(),
            grade: grade(self.share_done(), self.verdicts),
            failure,
        })
    }

    fn result(&self, stat: &Stat, failure: Option<&Failure>) -> Value {
        let members = &self.crew.members;
        let (usage, now) = (self.crew.usage(), Timestamp::now());
        let seconds = now.duration_since(self.began).as_secs_f64();
        let (insertions, deletions) = stat.lines();
        let mut result = json!({
            "status": status(failure),
            "project_path": self.workspace.shown,
            "agent_count": members.len(),
            "session": SESSION,
            "duration_seconds": (seconds * 1000.0).round() / 1000.0,
            "problems_fixed": 0,
            "commits_made": members.iter().map(|m| m.commits.len()).sum::<usize>(),
            "agent_restarts": 0,
            "elf_context_injected": !self.work.lessons.injected.is_empty(),
            "processed_by": self.work.worker,
            "processed_at": naive(now),
            "branch": self.workspace.branch.name(),
            "commits": self.commits(),
            "diff_stat": {"files": stat.files.len(), "insertions": insertions, "deletions": deletions},
            "agents": members.iter().map(Member::told).collect::<Vec<_>>(),
            "checks": self.verdicts.iter().map(checked).collect::<Vec<_>>(),
            "cost": usage.usd,
            "tokens": usage.tokens(),
        });
        if let Some(pushed) = self.pushed {
            result["pushed"] = json!(pushed);
        }
        if let Some(note) = self.note {
            result["checks_note"] = json!(note);
        }
        if let Some(failure) = failure {
            result["error"] = json!(failure.message);
        }
        result
    }

    fn commits(&self) -> Vec<Value> {
        let of = |m: &Member| {
            let name = m.name();
            let told = move |c: &crate::git::Commit| json!({"sha": c.sha, "subject": c.subject, "agent": name});
            m.commits.iter().map(told).collect::<Vec<_>>()
        };
        self.crew
            .members
            .iter()
            .flat_map(of)
            .take(MOST_COMMITS)
            .collect()
    }

    fn lessons(&self) -> Vec<String> {
        let mut lessons: Vec<String> = Vec::new();
        for said in self.crew.members.iter().flat_map(|m| &m.watch.said) {
            let new: Vec<String> = learned(said)
                .into_iter()
                .filter(|l| !lessons.contains(l))
                .collect();
            lessons.extend(new);
        }
        lessons
    }

    /// The share of agents that are done.
    fn share_done(&self) -> Option<f64> {
        let (done, all) = (self.count(Member::is_done), self.crew.members.len());
        let (done, all) = (u32::try_from(done).ok()?, u32::try_from(all).ok()?);
        (all > 0).then(|| f64::from(done) / f64::from(all))
    }

    fn count(&self, what: impl Fn(&Member) -> bool) -> usize {
        self.crew.members.iter().filter(|m| what(m)).count()
    }

    /// A farm in which no agent is done has failed; its class is what all of them have in common.
    fn nobody_done(&self) -> Option<Failure> {
        if self.count(Member::is_done) > 0 {
            return None;
        }
        let words: Vec<String> = self
            .crew
            .members
            .iter()
            .map(|m| format!("{}: {}", m.name(), m.state.word()))
            .collect();
        let limited = self.count(|m| m.state == AgentState::RateLimited) == self.crew.members.len();
        let class = if limited {
            FailureClass::RateLimited
        } else {
            FailureClass::AgentError
        };
        let text = format!("no agent came to its end: {}", words.join(", "));
        Some(Failure::new(class, text))
    }

    /// Worktrees whose commits landed are of no use any more; the others stay with their branches.
    async fn tidy(&self) {
        for member in self.crew.members.iter().filter(|m| m.is_landed()) {
            let worktree = &member.worktree;
            self.workspace.drop_worktree(self.work, worktree).await;
        }
        self.workspace.tidy(self.work).await;
    }
}

/// A check as the result tells it.
fn checked(verdict: &Verdict) -> Value {
    let mut told = json!({
        "name": verdict.name,
        "before": verdict.before,
        "after": verdict.after,
        "seconds": (verdict.seconds * 1000.0).round() / 1000.0,
    });
    if let Some(said) = &verdict.said {
        told["said"] = json!(said);
    }
    told
}

/// The word of the old API.
fn status(failure: Option<&Failure>) -> &'static str {
    match failure.map(|f| f.class) {
        None => "completed",
        Some(FailureClass::Preempted | FailureClass::Deadline | FailureClass::BudgetExceeded) => {
            "interrupted"
        }
        Some(_) => "error",
    }
}
