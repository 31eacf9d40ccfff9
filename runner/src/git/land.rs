//! One branch on which agents' commits are put one after the other. The branch moves only by
//! compare-and-swap, here and at the remote: what somebody else put there is never lost.

use std::path::Path;

use super::{call::Identity, repo::Repo, trouble::GitError};

/// How often landing is tried anew when somebody else moved the branch.
pub(super) const TRIES: u32 = 5;

/// The branch that gets the commits.
#[derive(Clone, Debug)]
pub struct Branch {
    pub(super) name: String,
    /// Where it stood before our commits.
    pub(super) start: String,
    /// Where the remote had it when we looked last, when it had it.
    pub(super) remote: Option<String>,
    /// Whether we made it.
    made: bool,
    pub(super) tip: String,
    /// How often the remote's moved while we pushed.
    pub(super) moved: u32,
}

/// What became of one agent's commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// They stand on the branch: from where to where it moved.
    Landed {
        /// The tip before.
        from: String,
        /// The tip now.
        to: String,
    },
    /// There was nothing that is not there already.
    Nothing,
    /// They do not fit what landed before. The worktree is as it was.
    Conflict {
        /// The files that do not fit, as far as git names them.
        files: Vec<String>,
    },
}

impl Branch {
    /// Takes or makes the branch. A new one begins at `base`; an old one goes on from where it is.
    ///
    /// # Errors
    /// Its name is none, or it is checked out somewhere, where moving it would confuse people.
    pub async fn prepare(repo: &Repo, name: &str, base: &str) -> Result<Self, GitError> {
        let full = full(name);
        let call = repo.call("use the branch to land on");
        call.args(["check-ref-format", &full])
            .text()
            .await
            .map_err(|_| bad(name, "its name is not allowed"))?;
        if is_checked_out(repo, &full).await? {
            return Err(bad(
                name,
                "it is checked out in a worktree, where it is not allowed to move; choose another",
            ));
        }
        let remote = if repo.is_clone() {
            repo.commit_of(&format!("refs/remotes/origin/{name}"))
                .await?
        } else {
            None
        };
        let here = if repo.is_clone() {
            None
        } else {
            repo.commit_of(&full).await?
        };
        let made = here.is_none();
        let start = here
            .or_else(|| remote.clone())
            .unwrap_or_else(|| base.to_owned());
        if made {
            // Now and not at the end: a name that does not fit beside others is found out early.
            let words = ["update-ref", "-m", "sandbox: begin to land", &full, &start];
            repo.call("make the branch to land on")
                .args(words)
                .text()
                .await
                .map_err(|e| match e {
                    GitError::Failed { said, .. } => {
                        bad(name, &format!("it is not allowed: {said}"))
                    }
                    e => e,
                })?;
        }
        let (name, tip) = (name.to_owned(), start.clone());
        Ok(Self {
            name,
            start,
            remote,
            made,
            tip,
            moved: 0,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn tip(&self) -> &str {
        &self.tip
    }

    /// Where it stood before what landed: when a push had to be begun anew, where the remote had it.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// Puts the commits of a worktree on the branch. All of them must be committed.
    ///
    /// # Errors
    /// Git or the machine fails; the branch is as it was.
    pub async fn land(
        &mut self,
        repo: &Repo,
        worktree: &Path,
        by: &Identity,
    ) -> Result<Attempt, GitError> {
        for _ in 0..TRIES {
            if let Some(files) = rebase(repo, worktree, by, &[&self.tip]).await? {
                return Ok(Attempt::Conflict { files });
            }
            let new = repo.head_of(worktree).await?;
            if new == self.tip {
                return Ok(Attempt::Nothing);
            }
            if self.swap(repo, &new).await? {
                let from = std::mem::replace(&mut self.tip, new.clone());
                return Ok(Attempt::Landed { from, to: new });
            }
        }
        Err(bad(&self.name, "somebody else moves it again and again"))
    }

    /// Moves the branch if it stands where we think it does; otherwise looks where it stands.
    pub(super) async fn swap(&mut self, repo: &Repo, new: &str) -> Result<bool, GitError> {
        let full = full(&self.name);
        let call = repo.call("land an agent's commits");
        let moved = call
            .args(["update-ref", "-m", "sandbox: land", &full, new, &self.tip])
            .text()
            .await;
        match moved {
            Ok(_) => Ok(true),
            Err(e) if e.is_refusal() => match repo.commit_of(&full).await? {
                Some(tip) if tip != self.tip => {
                    self.tip = tip;
                    Ok(false)
                }
                _ => Err(e),
            },
            Err(e) => Err(e),
        }
    }

    /// Takes the branch away again if we made it and nothing landed.
    ///
    /// # Errors
    /// Git says no.
    pub async fn tidy(&self, repo: &Repo) -> Result<(), GitError> {
        if !self.made || self.tip != self.start {
            return Ok(());
        }
        let call = repo.call("remove the empty branch");
        call.args(["update-ref", "-d", &full(&self.name), &self.start])
            .text()
            .await
            .map(drop)
    }
}

/// Rebases what is checked out in a worktree by these words. Gives the files that do not fit; the
/// worktree is as it was then.
pub(super) async fn rebase(
    repo: &Repo,
    worktree: &Path,
    by: &Identity,
    words: &[&str],
) -> Result<Option<Vec<String>>, GitError> {
    let call = |what| repo.git.call(worktree, what);
    let rebase = call("rebase an agent's commits").args(["rebase", "--quiet", "--no-verify"]);
    match rebase.args(words).envs(by.variables()).text().await {
        Ok(_) => return Ok(None),
        Err(e) if !e.is_refusal() => return Err(e),
        Err(_) => {}
    }
    let unmerged = call("list conflicts").args(["diff", "--name-only", "--diff-filter=U", "-z"]);
    let text = unmerged.text().await?;
    let files = text.split('\0').filter(|f| !f.is_empty());
    let files = files.map(str::to_owned).collect();
    repo.give_up_unfinished(worktree).await;
    Ok(Some(files))
}

pub(super) fn full(name: &str) -> String {
    format!("refs/heads/{name}")
}

pub(super) fn bad(name: &str, why: &str) -> GitError {
    GitError::Failed {
        what: format!("land on the branch {name:?}"),
        said: why.to_owned(),
    }
}

async fn is_checked_out(repo: &Repo, full: &str) -> Result<bool, GitError> {
    let what = "list worktrees";
    let _turn = repo.turn(what).await?;
    let call = repo.call(what);
    let text = call
        .args(["worktree", "list", "--porcelain"])
        .text()
        .await?;
    Ok(text
        .lines()
        .any(|l| l.strip_prefix("branch ") == Some(full)))
}
