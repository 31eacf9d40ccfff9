//! The server's checks on a farm's repository: at the commit that agents begin from, while they work,
//! and at what they made of it, once they are over. Each in a fresh checkout.

use std::path::PathBuf;

use sandbox_core::spec::AgentFarmSpec;
use tokio::fs;

use super::{Work, crew::Crew, unless_stopped, workspace::Workspace};
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
    at: PathBuf,
    /// Why there is nothing to check, where somebody might expect it.
    pub(super) note: Option<String>,
}

impl Judge {
    /// The checks of the job's stack.
    pub(super) fn new(work: &Work, spec: &AgentFarmSpec, workspace: &Workspace) -> Self {
        let all = &work.settings.checks;
        let checks = all.of(spec.stack.as_deref());
        let note = (checks.is_none() && !all.stack.is_empty()).then(|| {
            format!(
                "nothing is checked: this server has no checks for the stack {:?}, only for {}",
                spec.stack.as_deref().unwrap_or(DEFAULT),
                all.known()
            )
        });
        if let Some(note) = &note {
            work.log.line(note);
        }
        let (seat, log) = (&work.brief.seat, work.log.clone());
        let room = Room::new(seat, &work.seat_dir, &all.env, log);
        Self {
            checks: checks.unwrap_or_default().to_vec(),
            room,
            repo: workspace.repo.clone(),
            at: workspace.beside("checks"),
            note,
        }
    }

    /// Whether there are checks that must not be broken.
    pub(super) fn is_strict(&self) -> bool {
        self.checks.iter().any(|c| c.required)
    }

    /// How it was before the work, at this commit.
    pub(super) async fn before(&self, work: &Work, commit: &str) -> Vec<Ran> {
        self.look(work, commit, "before", |_| {}).await
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
        let after = match ends {
            // Work that changed nothing left everything as it was, at no cost of time.
            [] => before.iter().map(again).collect(),
            ends if is_known => {
                let after = async { Ok(self.after(work, ends).await) };
                let after = unless_stopped(work, after).await;
                after.unwrap_or_else(|_| self.unknown())
            }
            _ => self.unknown(),
        };
        self.side_by_side(before, after)
    }

    /// The worst of these states of the work.
    async fn after(&self, work: &Work, ends: &[String]) -> Vec<Ran> {
        let count = self.checks.len();
        let mut worst: Option<Vec<Ran>> = None;
        for (n, end) in ends.iter().enumerate() {
            let tell = |done: usize| {
                let (done, of) = (n * count + done, ends.len() * count);
                work.beat.send_modify(|beat| {
                    beat.progress = format!("the agents are done; {done} of {of} checks are made");
                });
            };
            let seen = self.look(work, end, "after", tell).await;
            worst = Some(match worst {
                Some(known) => known.into_iter().zip(seen).map(worse).collect(),
                None => seen,
            });
        }
        worst.unwrap_or_default()
    }

    /// Each check with how it was before the work and how it is after it.
    pub(super) fn side_by_side(&self, before: Vec<Ran>, after: Vec<Ran>) -> Vec<Verdict> {
        let all = self.checks.iter().zip(before.into_iter().zip(after));
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

    /// Runs all checks at a commit.
    async fn look(&self, work: &Work, commit: &str, when: &str, tell: impl Fn(usize)) -> Vec<Ran> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let home = match self.place(work, commit).await {
            Ok(home) => home,
            Err(why) => {
                work.log.line(&format!("nothing is checked: {why}"));
                return self.unknown();
            }
        };
        let mut all = Vec::with_capacity(self.checks.len());
        for (n, check) in self.checks.iter().enumerate() {
            tell(n);
            all.push(self.room.run(check, (&self.at, &home), when).await);
        }
        self.tidy(work).await;
        all
    }

    /// A fresh checkout of a commit, and the home beside it. Agents write where we do: what they left in
    /// its place goes.
    async fn place(&self, work: &Work, commit: &str) -> Result<PathBuf, String> {
        self.tidy(work).await;
        let made = self.repo.add_checkout(&self.at, commit).await;
        made.map_err(|e| e.to_string())?;
        self.room.home().map_err(|e| e.to_string())
    }

    /// Takes away what checks worked in.
    pub(super) async fn tidy(&self, work: &Work) {
        self.room.tidy().await;
        let Ok(there) = fs::symlink_metadata(&self.at).await else {
            return;
        };
        let removed = if there.is_dir() {
            self.remove().await
        } else {
            fs::remove_file(&self.at).await.map_err(|e| e.to_string())
        };
        if let Err(why) = removed {
            work.log.line(&format!("left {}: {why}", self.at.display()));
        }
    }

    async fn remove(&self) -> Result<(), String> {
        match self.repo.remove_checkout(&self.at).await {
            Ok(()) => Ok(()),
            // It is none of git's: half of one, or somebody else's folder.
            Err(e) => fs::remove_dir_all(&self.at)
                .await
                .map_err(|_| e.to_string()),
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
