//! The branch to where the repository came from. It moves there by compare-and-swap as well; where
//! somebody else was faster, our commits are put on top of theirs, a bounded number of times, and
//! whoever pushes looks at them again before the next try.

use std::path::Path;

use super::{
    call::Identity,
    land::{Branch, TRIES, bad, full, rebase},
    repo::{Repo, variables},
    trouble::GitError,
};

/// What became of one try to push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has the commits.
    There,
    /// The remote's branch moved meanwhile. The commits stand on top of it here, and are not there yet.
    OnTop,
}

impl Branch {
    /// Tries to push the branch. When the remote's moved meanwhile, its commits are fetched and ours put
    /// on top of them, in a worktree in `room`, which is not there before and after.
    ///
    /// # Errors
    /// The commits do not fit what is there now, it moved at each of so many tries, the remote says no,
    /// or it cannot be reached. What landed stands on the branch here.
    pub async fn push(&mut self, repo: &Repo, room: &Path) -> Result<Pushed, GitError> {
        let Err(e) = self.push_once(repo).await else {
            return Ok(Pushed::There);
        };
        if !e.is_refusal() {
            return Err(e);
        }
        match self.fetch(repo).await {
            // It was taken, and only the answer was lost.
            Ok(Some(theirs)) if theirs == self.tip => Ok(Pushed::There),
            Ok(Some(theirs)) if self.remote.as_ref() != Some(&theirs) => {
                self.put_on_top(repo, room, theirs).await?;
                self.moved += 1;
                if self.moved < TRIES {
                    return Ok(Pushed::OnTop);
                }
                let why = format!(
                    "the remote's moved at each of {TRIES} tries to push; try the job again"
                );
                Err(bad(&self.name, &why))
            }
            Ok(_) | Err(_) => Err(e),
        }
    }

    async fn push_once(&self, repo: &Repo) -> Result<(), GitError> {
        let Some((remote, login)) = &repo.origin else {
            return Ok(());
        };
        let full = full(&self.name);
        let expected = self.remote.as_deref().unwrap_or_default();
        let lease = format!("--force-with-lease={full}:{expected}");
        let order = format!("{}:{full}", self.tip);
        let what = format!("push {} to {remote}", self.name);
        let call = repo.call(&what).within(repo.git.bounds.time);
        let call = call.args(["push", "--quiet", "--no-verify", &lease]);
        let call = call.args(["--", remote.url(), &order]);
        call.envs(variables(login)).text().await.map(drop)
    }

    /// Where the remote has the branch now; nothing where it has none.
    async fn fetch(&self, repo: &Repo) -> Result<Option<String>, GitError> {
        let Some((remote, login)) = &repo.origin else {
            return Ok(None);
        };
        let theirs = format!("refs/remotes/origin/{}", self.name);
        let order = format!("+{}:{theirs}", full(&self.name));
        let what = format!("fetch {} from {remote}", self.name);
        let call = repo.call(&what).within(repo.git.bounds.time);
        let call = call.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]);
        let call = call.args(["--", remote.url(), &order]);
        call.envs(variables(login)).text().await?;
        repo.commit_of(&theirs).await
    }

    async fn put_on_top(
        &mut self,
        repo: &Repo,
        room: &Path,
        theirs: String,
    ) -> Result<(), GitError> {
        repo.add_checkout(room, &self.tip).await?;
        let new = self.rebased(repo, room, &theirs).await;
        repo.remove_checkout(room).await?;
        let new = new?;
        if !self.swap(repo, &new).await? {
            return Err(bad(&self.name, "somebody else moved it here meanwhile"));
        }
        self.tip = new;
        self.start.clone_from(&theirs);
        self.remote = Some(theirs);
        Ok(())
    }

    async fn rebased(&self, repo: &Repo, room: &Path, theirs: &str) -> Result<String, GitError> {
        let words = ["--onto", theirs, &self.start];
        match rebase(repo, room, &ourselves(), &words).await? {
            None => repo.head_of(room).await,
            Some(files) => {
                let files = files.into_iter().take(20).collect::<Vec<_>>().join(", ");
                let why = format!(
                    "the remote's moved meanwhile, and what landed here does not fit it in {files}"
                );
                Err(bad(&self.name, &why))
            }
        }
    }
}

/// Who puts agents' commits on top of others'; their author stays.
fn ourselves() -> Identity {
    Identity {
        name: "sandbox".to_owned(),
        email: "sandbox@sandbox.invalid".to_owned(),
    }
}
