//! A repository on this machine: got by a clone or found in its place, its worktrees.
//! Never writes into a checkout that somebody else made.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Remote, Token,
    call::{Call, Git, Identity},
    trouble::GitError,
    turn::Turn,
};

/// How often it is looked how large a clone has become.
const GROWS: Duration = Duration::from_millis(100);
/// How often it is tried to remove half a clone.
const REMOVALS: u32 = 50;

/// A repository.
#[derive(Clone, Debug)]
pub struct Repo {
    pub(super) git: Git,
    pub(super) dir: PathBuf,
    /// What git keeps of it.
    kept: PathBuf,
    /// Where it came from, with what logs in there.
    pub(super) origin: Option<(Remote, Vec<(&'static str, String)>)>,
}

impl Repo {
    /// Clones into a folder that is not there yet. Checks nothing out.
    ///
    /// # Errors
    /// The remote is not there, does not let us in, or cannot be reached.
    pub async fn clone(
        git: &Git,
        remote: &Remote,
        token: Option<&Token>,
        into: &Path,
    ) -> Result<Self, GitError> {
        let what = format!("clone {remote}");
        let failed = |said| GitError::Failed {
            what: what.clone(),
            said,
        };
        let login = token
            .map_or(Ok(Vec::new()), |t| remote.login(t))
            .map_err(failed)?;
        let parent = into.parent().unwrap_or(into);
        let call = git.call(parent, &what).within(git.bounds.time);
        let call = call.args([
            "clone",
            "--quiet",
            "--no-checkout",
            "--template=",
            "--origin=origin",
            "--",
        ]);
        let call = call.args([remote.url().as_ref(), into.as_os_str()]);
        let done = tokio::select! {
            done = call.envs(variables(&login)).text() => done.map(drop),
            () = outgrows(into, git.bounds.bytes) => Ok(()),
        };
        // Once more: a small one is whole before it is looked at.
        let is_too_large = size(into) > git.bounds.bytes;
        let limit = git.bounds.bytes;
        let done = match done {
            Ok(()) if is_too_large => Err(GitError::TooLarge { what, limit }),
            done => done,
        };
        if let Err(e) = done {
            // Half a clone is of no use; git leaves one behind when it is killed.
            remove(into).await;
            return Err(e);
        }
        Ok(Self {
            git: git.clone(),
            dir: into.to_owned(),
            kept: into.join(".git"),
            origin: Some((remote.clone(), login)),
        })
    }

    /// Opens the repository whose uppermost folder this is. The folder and what git keeps of it must
    /// stand beneath `root`: a checkout can point anywhere.
    ///
    /// # Errors
    /// It is none, or leads elsewhere.
    pub async fn open(git: &Git, dir: &Path, root: &Path) -> Result<Self, GitError> {
        let what = "open the repository";
        let asked = [
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-common-dir",
        ];
        let ceiling = dir.parent().unwrap_or(dir).to_string_lossy().into_owned();
        let call = git.call(dir, what).args(asked);
        let text = call
            .envs([("GIT_CEILING_DIRECTORIES", ceiling.as_str())])
            .text()
            .await?;
        let real = |path: &str| std::fs::canonicalize(path).ok();
        let mut lines = text.lines().map(real);
        let (top, kept) = (lines.next().flatten(), lines.next().flatten());
        let is_top = top.is_some_and(|t| t == dir);
        match kept.filter(|k| is_top && k.starts_with(root)) {
            Some(kept) => Ok(Self {
                git: git.clone(),
                dir: dir.to_owned(),
                kept,
                origin: None,
            }),
            None => Err(GitError::Failed {
                what: what.to_owned(),
                said: "it is not a git repository of its own beneath the tenant's folder"
                    .to_owned(),
            }),
        }
    }

    /// Whether it was cloned for this job.
    pub fn is_clone(&self) -> bool {
        self.origin.is_some()
    }

    pub(super) fn call<'a>(&'a self, what: &'a str) -> Call<'a> {
        self.git.call(&self.dir, what)
    }

    /// The commit that a name stands for, if there is one.
    pub(super) async fn commit_of(&self, name: &str) -> Result<Option<String>, GitError> {
        let name = format!("{name}^{{commit}}");
        let call = self.call("look a commit up");
        let found = call
            .args([
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                &name,
            ])
            .line()
            .await;
        match found {
            Ok(sha) => Ok(Some(sha)),
            Err(e) if e.is_refusal() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The commit of a branch, a tag or a commit's own name, as the remote has them.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn resolve(&self, name: &str) -> Result<String, GitError> {
        let places = [
            format!("refs/remotes/origin/{name}"),
            format!("refs/tags/{name}"),
            name.to_owned(),
        ];
        let is_sha = name.len() >= 7 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let most = if is_sha { 3 } else { 2 };
        for place in &places[..most] {
            if let Some(sha) = self.commit_of(place).await? {
                return Ok(sha);
            }
        }
        Err(GitError::Failed {
            what: format!("find {name:?} in the repository"),
            said: "no branch, tag or commit of this name exists: it does not exist".to_owned(),
        })
    }

    /// The commit that is checked out.
    ///
    /// # Errors
    /// There is none yet.
    pub async fn head(&self) -> Result<String, GitError> {
        self.commit_of("HEAD")
            .await?
            .ok_or_else(|| GitError::Failed {
                what: "find the commit to begin from".to_owned(),
                said:
                    "the repository has no commit, so HEAD does not exist; commit something first"
                        .to_owned(),
            })
    }

    /// Leaves this commit as the checked-out one, on no branch. For clones of our own.
    ///
    /// # Errors
    /// Git says no.
    pub async fn detach(&self, commit: &str) -> Result<(), GitError> {
        let call = self.call("detach the clone");
        call.args(["update-ref", "--no-deref", "HEAD", commit])
            .text()
            .await
            .map(drop)
    }

    /// Whether somebody uses files that are not committed here.
    ///
    /// # Errors
    /// Git cannot look.
    pub async fn is_dirty(&self) -> Result<bool, GitError> {
        is_dirty(&self.git, &self.dir).await
    }

    /// The text of a file in a commit; a link is not followed.
    ///
    /// # Errors
    /// It is not there.
    pub async fn file(&self, commit: &str, path: &str) -> Result<Vec<u8>, GitError> {
        let what = format!("read {path:?} in the repository");
        let object = format!("{commit}:{path}");
        self.call(&what)
            .args(["cat-file", "blob", &object])
            .bytes()
            .await
    }

    /// A turn at the worktrees.
    pub(super) async fn turn(&self, what: &str) -> Result<Turn, GitError> {
        Turn::at(&self.kept, what).await
    }

    /// Makes a worktree with a new branch at this commit.
    ///
    /// # Errors
    /// Git says no, or the disk does.
    pub async fn add_worktree(
        &self,
        at: &Path,
        branch: &str,
        commit: &str,
    ) -> Result<(), GitError> {
        let what = "make a worktree";
        let _turn = self.turn(what).await?;
        let call = self.call(what);
        let call = call.args([
            "worktree",
            "add",
            "--quiet",
            "--no-track",
            "-b",
            branch,
            "--",
        ]);
        call.args([at.as_os_str(), commit.as_ref()])
            .text()
            .await
            .map(drop)
    }

    /// Takes a worktree and its branch away.
    ///
    /// # Errors
    /// Git says no; both stay then, or the branch does.
    pub async fn remove_worktree(&self, at: &Path, branch: &str) -> Result<(), GitError> {
        let what = "remove a worktree";
        let _turn = self.turn(what).await?;
        let call = self.call(what);
        let call = call.args(["worktree", "remove", "--force", "--"]);
        call.args([at.as_os_str()]).text().await?;
        let call = self.call("remove the branch of a worktree");
        call.args(["branch", "--quiet", "-D", "--", branch])
            .text()
            .await
            .map(drop)
    }

    /// Takes away what is there of a worktree that could not be made, and of its branch.
    pub async fn discard_worktree(&self, at: &Path, branch: &str) {
        let what = "remove half a worktree";
        let Ok(_turn) = self.turn(what).await else {
            return;
        };
        // Whatever of it is not there need not be removed.
        let remove = self
            .call(what)
            .args(["worktree", "remove", "--force", "--"]);
        let _ = remove.args([at.as_os_str()]).text().await;
        let branch = self
            .call(what)
            .args(["branch", "--quiet", "-D", "--", branch]);
        let _ = branch.text().await;
    }

    /// Makes a worktree on no branch, at this commit; also where git remembers one that is not there.
    ///
    /// # Errors
    /// Git says no, or the disk does.
    pub async fn add_checkout(&self, at: &Path, commit: &str) -> Result<(), GitError> {
        let what = "make a checkout";
        let _turn = self.turn(what).await?;
        let call = self.call(what);
        let call = call.args(["worktree", "add", "--quiet", "--force", "--detach", "--"]);
        call.args([at.as_os_str(), commit.as_ref()])
            .text()
            .await
            .map(drop)
    }

    /// Takes such a worktree away.
    ///
    /// # Errors
    /// Git says no; it stays then.
    pub async fn remove_checkout(&self, at: &Path) -> Result<(), GitError> {
        let what = "remove a checkout";
        let _turn = self.turn(what).await?;
        let call = self.call(what);
        let call = call.args(["worktree", "remove", "--force", "--"]);
        call.args([at.as_os_str()]).text().await.map(drop)
    }

    /// Gives up a rebase, merge or cherry-pick that was left in the middle: what it left in the
    /// files is half of something. Mostly there is none, and git says so.
    pub async fn give_up_unfinished(&self, worktree: &Path) {
        for what in ["rebase", "merge", "cherry-pick"] {
            let call = self.git.call(worktree, "give up what is unfinished");
            let _ = call.args([what, "--abort"]).text().await;
        }
    }

    /// Commits all that is not committed in a worktree; says whether there was anything.
    ///
    /// # Errors
    /// Git says no, or the disk does.
    pub async fn commit_rest(
        &self,
        worktree: &Path,
        by: &Identity,
        message: &str,
    ) -> Result<bool, GitError> {
        if !is_dirty(&self.git, worktree).await? {
            return Ok(false);
        }
        let call = || self.git.call(worktree, "commit what was left uncommitted");
        call().args(["add", "--all", "--", "."]).text().await?;
        let commit = call().args(["commit", "--quiet", "--no-verify", "--message", message]);
        commit.envs(by.variables()).text().await?;
        Ok(true)
    }

    /// The commit that is checked out in a worktree.
    ///
    /// # Errors
    /// The worktree is gone or broken.
    pub async fn head_of(&self, worktree: &Path) -> Result<String, GitError> {
        let call = self.git.call(worktree, "look at the worktree");
        call.args(["rev-parse", "--verify", "HEAD"]).line().await
    }
}

/// Waits until a folder has more than so many bytes.
async fn outgrows(folder: &Path, bytes: u64) {
    while size(folder) <= bytes {
        tokio::time::sleep(GROWS).await;
    }
}

/// The bytes of all files in a folder; what vanishes meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |e: std::fs::DirEntry| match e.metadata() {
        Ok(it) if it.is_dir() => size(&e.path()),
        Ok(it) => it.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// Removes a folder in which a process that was just killed may still make a file.
async fn remove(folder: &Path) {
    for _ in 0..REMOVALS {
        // What is not there any more is what is wanted.
        let _ = std::fs::remove_dir_all(folder);
        if !folder.exists() {
            return;
        }
        tokio::time::sleep(GROWS).await;
    }
}

pub(super) fn variables<'a>(
    login: &'a [(&'static str, String)],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    login.iter().map(|(k, v)| (*k, v.as_str()))
}

async fn is_dirty(git: &Git, worktree: &Path) -> Result<bool, GitError> {
    let call = git.call(worktree, "look for uncommitted files");
    let text = call
        .args(["status", "--porcelain", "-z", "--no-renames"])
        .text()
        .await?;
    Ok(!text.is_empty())
}
