//! Commits of a worktree as a file, and back, also in another clone: what is beyond a commit that both have.

use std::path::Path;

use super::{repo::Repo, trouble::GitError};

impl Repo {
    /// Writes the commits of a worktree that this one has not into a file; gives the last of them, or nothing where there
    /// are none.
    ///
    /// # Errors
    /// Git says no, or the disk does.
    pub async fn bundle(
        &self,
        worktree: &Path,
        base: &str,
        into: &Path,
    ) -> Result<Option<String>, GitError> {
        let head = self.head_of(worktree).await?;
        let beyond = format!("{base}..{head}");
        let count = self.git.call(worktree, "count an agent's commits");
        let count = count
            .args(["rev-list", "--count", &beyond, "--"])
            .line()
            .await?;
        if count == "0" {
            return Ok(None);
        }
        let call = self
            .git
            .call(worktree, "put an agent's commits into a file");
        let call = call.args(["bundle", "create", "--quiet"]).args([into]);
        let call = call.args(["HEAD", &format!("^{base}")]);
        call.text().await.map(|_| Some(head))
    }

    /// Takes the commits of such a file in, up to this one. No branch moves.
    ///
    /// # Errors
    /// The file is none, does not hold the commit, or this clone lacks what its commits come after.
    pub async fn unbundle(&self, file: &Path, head: &str) -> Result<(), GitError> {
        let what = "take an agent's commits in";
        let call = self.call(what).args(["bundle", "unbundle"]).args([file]);
        call.text().await?;
        match self.commit_of(head).await? {
            Some(found) if found == head => Ok(()),
            _ => Err(GitError::Failed {
                what: what.to_owned(),
                said: "the file does not hold its last commit".to_owned(),
            }),
        }
    }

    /// Takes the last commit of a worktree apart: its changes are uncommitted again.
    ///
    /// # Errors
    /// Git says no.
    pub async fn uncommit(&self, worktree: &Path) -> Result<(), GitError> {
        let call = self.git.call(worktree, "take a commit apart");
        let call = call.args(["reset", "--quiet", "--mixed", "HEAD~1", "--"]);
        call.text().await.map(drop)
    }

    /// Removes the lock that a killed git left in a worktree, where every process is over that could hold it.
    pub async fn unlock(&self, worktree: &Path) {
        let call = self.git.call(worktree, "look for a lock");
        let asked = [
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "index.lock",
        ];
        if let Ok(lock) = call.args(asked).line().await {
            // Mostly there is none.
            let _ = std::fs::remove_file(lock);
        }
    }
}
