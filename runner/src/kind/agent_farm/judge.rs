//! The server's checks on a farm's repository: at the commit that agents begin from, while they work,
//! and at what they made of it, once they are over. Each in a checkout of its own that nobody else
//! writes into.

use std::path::PathBuf;

use sandbox_core::{Failure, spec::AgentFarmSpec};

use super::{
    Work,
    crew::{Crew, disk},
    unless_stopped,
    workspace::Workspace,
};
use crate::{
    git::{GitError, Repo},
    kind::checks::{Check, DEFAULT, Ran, Room, Seen, Verdict},
};

/// At most so many agents' states are looked at where nothing landed.
const STATES: usize = 3;

/// What is to be checked, and where.
pub(super) struct Judge {
    checks: Vec<Check>,
    room: Room,
    repo: Repo,
    base: String,
    at: PathBuf,
    /// Why there is nothing to check, where somebody might expect it.
    pub(super) note: Option<String>,
}

impl Judge {
    /// The checks of the job's stack.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn new(
        work: &Work,
        spec: &AgentFarmSpec,
        workspace: &Workspace,
    ) -> Result<Self, Failure> {
        let all = &work.settings.checks;
        let checks = all.of(spec.stack.as_deref());
        let note = (checks.is_none() && !all.stack.is_empty()).then(|| {
            let known: Vec<&str> = all.stack.keys().map(String::as_str).collect();
            format!(
                "nothing is checked: this server has no checks for the stack {:?}, only for {}",
                spec.stack.as_deref().unwrap_or(DEFAULT),
                known.join(", ")
            )
        });
        if let Some(note) = &note {
            work.log.line(note);
        }
        let (seat, log) = (&work.brief.seat, work.log.clone());
        let room = Room::new(seat, &work.seat_dir, &all.env, log).map_err(|e| disk(&e))?;
        Ok(Self {
            checks: checks.unwrap_or_default().to_vec(),
            room,
            repo: workspace.repo.clone(),
            base: workspace.base.clone(),
            at: workspace.beside("checks"),
            note,
        })
    }

    /// How it was before the work.
    pub(super) async fn before(&self, work: &Work) -> Vec<Ran> {
        self.look(work, &self.base, "before", |_| {}).await
    }

    /// Of work that nobody looked at beforehand.
    pub(super) fn unknown(&self) -> Vec<Ran> {
        vec![Ran::unknown(); self.checks.len()]
    }

    /// How it is after the work, beside how it was. Given up when the work is to end.
    pub(super) async fn verdicts(
        &self,
        work: &Work,
        ends: &[String],
        before: Vec<Ran>,
    ) -> Vec<Verdict> {
        let is_known = before.iter().any(|r| r.seen != Seen::Unknown);
        // Work that changed nothing left everything as it was, at no cost of time.
        let mut after = (!ends.is_empty()).then(|| self.unknown());
        let all = self.count();
        for (n, end) in ends.iter().enumerate().filter(|_| is_known) {
            let tell = |done: usize| {
                let done = n * self.count() + done;
                let of = ends.len() * all;
                work.beat.send_modify(|beat| {
                    beat.progress = format!("the agents are done; {done} of {of} checks are made");
                });
            };
            let look = async { Ok(self.look(work, end, "after", tell).await) };
            let Ok(seen) = unless_stopped(work, look).await else {
                after = Some(self.unknown());
                break;
            };
            after = match after {
                Some(known) if n > 0 => Some(known.into_iter().zip(seen).map(worse).collect()),
                _ => Some(seen),
            };
        }
        let after = after.unwrap_or_else(|| before.iter().map(again).collect());
        let sides = before.into_iter().zip(after);
        let all = self.checks.iter().zip(sides);
        all.map(|(check, (before, after))| Verdict {
            name: check.name.clone(),
            required: check.required,
            before: before.seen,
            after: after.seen,
            seconds: before.seconds + after.seconds,
            said: after.said,
        })
        .collect()
    }

    fn count(&self) -> usize {
        self.checks.len()
    }

    /// Runs all checks at a commit.
    async fn look(&self, work: &Work, commit: &str, when: &str, tell: impl Fn(usize)) -> Vec<Ran> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        if let Err(e) = self.repo.add_checkout(&self.at, commit).await {
            work.log.line(&format!("nothing is checked: {e}"));
            return self.unknown();
        }
        let mut all = Vec::with_capacity(self.count());
        for (n, check) in self.checks.iter().enumerate() {
            tell(n);
            all.push(self.room.run(check, &self.at, when).await);
        }
        self.tidy(work).await;
        all
    }

    /// Takes the checkout away.
    pub(super) async fn tidy(&self, work: &Work) {
        if !self.at.exists() {
            return;
        }
        if let Err(e) = self.repo.remove_checkout(&self.at).await {
            work.log.line(&e.to_string());
        }
    }
}

/// Of several states of the work, each with its own agent's changes, the worse counts.
fn worse((one, other): (Ran, Ran)) -> Ran {
    let seconds = one.seconds + other.seconds;
    let worse = if other.seen > one.seen { other } else { one };
    Ran { seconds, ..worse }
}

/// The same once more, which took no time.
fn again(ran: &Ran) -> Ran {
    Ran {
        seconds: 0.0,
        ..ran.clone()
    }
}

/// The commits that stand for what the agents made: what landed, or else what some of them have on
/// branches of their own. None where they changed nothing.
///
/// # Errors
/// A worktree is gone or broken.
pub(super) async fn ends(workspace: &Workspace, crew: &Crew) -> Result<Vec<String>, GitError> {
    let branch = &workspace.branch;
    if branch.tip() != branch.start() {
        return Ok(vec![branch.tip().to_owned()]);
    }
    let mut ends = Vec::new();
    for member in crew.members.iter().filter(|m| !m.is_landed()) {
        let head = workspace.repo.head_of(&member.worktree.path).await?;
        if head != workspace.base && ends.len() < STATES {
            ends.push(head);
        }
    }
    Ok(ends)
}
