//! The repository a farm works on: a clone of its own, or one that is there beneath the tenant's
//! root. Agents work in worktrees beside it, never in a checkout that somebody else made.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sandbox_core::{
    Failure, FailureClass,
    spec::{AgentFarmSpec, GitSource},
};

use super::Work;
use crate::{
    agent::process::SEAT_VARIABLE,
    git::{Bounds, Branch, Git, GitError, Pushed, Remote, Repo, Token},
    place::{Folder, PlaceError, Relative},
};

/// The largest file whose text is put before the task.
const PROMPT_FILE: usize = 64 << 10;
/// The largest secret.
const SECRET: u64 = 8 << 10;

/// Where a farm works.
pub(super) struct Workspace {
    pub(super) repo: Repo,
    /// The repository's path for people, relative to the tenant's root.
    pub(super) shown: String,
    /// The commit that agents begin from.
    pub(super) base: String,
    /// The branch that gets their commits.
    pub(super) branch: Branch,
    /// The job's own folder.
    folder: PathBuf,
    /// What tells apart what several attempts and jobs leave behind.
    mark: String,
    attempt: u32,
}

/// An agent's worktree.
#[derive(Clone, Debug)]
pub(super) struct Worktree {
    pub(super) path: PathBuf,
    pub(super) branch: String,
}

impl Workspace {
    /// Gets the repository and the branch to land on.
    ///
    /// # Errors
    /// `InvalidSpec` for what the job names and is not there; `Infrastructure` otherwise.
    pub(super) async fn prepare(work: &Work, spec: &AgentFarmSpec) -> Result<Self, Failure> {
        let git = git(work)?;
        let uid: Relative = work.brief.seat.uid.as_str().parse().map_err(of_place)?;
        std::fs::create_dir_all(work.tenant_root())
            .map_err(|e| broken("make the tenant's folder", &e))?;
        let root = work.root()?;
        let folder = root.make(&uid).map_err(of_place)?;
        let folder = folder
            .real_path()
            .map_err(|e| broken("find the job's folder", &e))?;
        let attempt = work.brief.seat.attempt;
        let (repo, shown, base) = match (&spec.workspace.git, &spec.workspace.path) {
            (Some(source), _) => {
                let name = numbered("repo", attempt);
                let (repo, base) = cloned(work, &git, source, &folder.join(&name)).await?;
                (repo, format!("{uid}/{name}"), base)
            }
            (None, Some(path)) => {
                let (repo, base) = opened(work, &git, &root, path).await?;
                (repo, path.clone(), base)
            }
            (None, None) => return Err(invalid("the job names neither git nor path")),
        };
        let land = spec.land.clone().unwrap_or_default();
        if land.push && !repo.is_clone() {
            return Err(invalid(
                "land.push needs a workspace from git: a path has nowhere to push to",
            ));
        }
        let name = land
            .branch
            .unwrap_or_else(|| format!("farm/{}", work.brief.name));
        let branch = Branch::prepare(&repo, &name, &base).await.map_err(of_git)?;
        let mark = format!(
            "{}/{}",
            work.brief.name,
            work.brief.seat.to_string().replace('/', "-")
        );
        Ok(Self {
            repo,
            shown,
            base,
            branch,
            folder,
            mark,
            attempt,
        })
    }

    /// A place of this attempt in the job's own folder.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(numbered(name, self.attempt))
    }

    /// Makes the worktree of an agent, at the commit all begin from.
    ///
    /// # Errors
    /// Git says no, or the disk does.
    pub(super) async fn worktree(&self, agent: &str) -> Result<Worktree, Failure> {
        let path = self.beside(agent);
        // Not beneath `farm/`: a branch cannot be both a name and the folder of others.
        let branch = format!("farm-agents/{}/{agent}", self.mark);
        let made = self.repo.add_worktree(&path, &branch, &self.base).await;
        made.map_err(of_git)?;
        Ok(Worktree { path, branch })
    }

    /// Makes the worktree of an agent at a commit of its own, under its earlier name in the job's folder where that is free:
    /// what it said and read names its old place.
    ///
    /// # Errors
    /// Git says no, or the disk does; nothing of it is left.
    pub(super) async fn worktree_again(
        &self,
        (agent, place): (&str, &str),
        commit: &str,
    ) -> Result<Worktree, GitError> {
        let again = self.folder.join(place);
        let is_free = is_place_of(agent, place) && std::fs::symlink_metadata(&again).is_err();
        let path = if is_free { again } else { self.beside(agent) };
        let branch = format!("farm-agents/{}/{agent}", self.mark);
        if let Err(e) = self.repo.add_worktree(&path, &branch, commit).await {
            self.repo.discard_worktree(&path, &branch).await;
            return Err(e);
        }
        Ok(Worktree { path, branch })
    }

    /// Tries to push the branch to where the repository came from.
    ///
    /// # Errors
    /// The remote says no, or cannot be asked.
    pub(super) async fn push(&mut self) -> Result<Pushed, GitError> {
        let room = self.beside("landing");
        self.branch.push(&self.repo, &room).await
    }

    /// Takes an agent's worktree and branch away.
    pub(super) async fn drop_worktree(&self, work: &Work, worktree: &Worktree) {
        let removed = self.repo.remove_worktree(&worktree.path, &worktree.branch);
        if let Err(e) = removed.await {
            work.log.line(&e.to_string());
        }
    }

    /// Takes the branch to land on away, if it is ours and nothing is on it.
    pub(super) async fn tidy(&self, work: &Work) {
        if let Err(e) = self.branch.tidy(&self.repo).await {
            work.log.line(&e.to_string());
        }
    }

    /// The text of the job's prompt file, as it stands in the commit that agents begin from.
    ///
    /// # Errors
    /// `InvalidSpec` when it is not there, too large or no text.
    pub(super) async fn prompt_file(&self, path: &str) -> Result<String, Failure> {
        let path: Relative = path.parse().map_err(of_place)?;
        let bytes = self.repo.file(&self.base, path.as_str()).await;
        let bytes = bytes.map_err(|e| match e {
            e if e.is_refusal() => invalid(&format!(
                "read promptFile: {path} is no file of the repository"
            )),
            e => of_git(e),
        })?;
        if bytes.len() > PROMPT_FILE {
            return Err(invalid(&format!(
                "read promptFile: {path} has more than {PROMPT_FILE} bytes"
            )));
        }
        let text = String::from_utf8(bytes).ok().filter(|t| !t.contains('\0'));
        text.ok_or_else(|| invalid(&format!("read promptFile: {path} is no text in UTF-8")))
    }
}

/// What the first attempt leaves is where people look; later ones stand beside it.
fn numbered(name: &str, attempt: u32) -> String {
    match attempt {
        0 | 1 => name.to_owned(),
        n => format!("{name}.{n}"),
    }
}

/// Whether some attempt called the worktree of this agent so.
fn is_place_of(agent: &str, place: &str) -> bool {
    let attempt = place.strip_prefix(agent).and_then(|p| p.strip_prefix('.'));
    place == agent || attempt.is_some_and(|n| n.parse::<u32>().is_ok())
}

fn git(work: &Work) -> Result<Git, Failure> {
    let home = work.seat_dir.join("git-home");
    std::fs::create_dir_all(&home).map_err(|e| broken("make a home for git", &e))?;
    let seat = work.brief.seat.to_string();
    Ok(Git::new(&home, &[(SEAT_VARIABLE, &seat)], work.settings.file_urls).within(bounds(work)))
}

fn bounds(work: &Work) -> Bounds {
    let default = Bounds::default();
    Bounds {
        bytes: match work.settings.clone_limit {
            0 => default.bytes,
            bytes => bytes,
        },
        time: match work.settings.git_timeout {
            0 => default.time,
            seconds => Duration::from_secs(seconds),
        },
    }
}

async fn cloned(
    work: &Work,
    git: &Git,
    source: &GitSource,
    into: &Path,
) -> Result<(Repo, String), Failure> {
    let remote =
        Remote::parse(&source.url, work.settings.file_urls).map_err(|text| invalid(&text))?;
    let token = source
        .token_secret
        .as_deref()
        .map(|name| token(work, name))
        .transpose()?;
    work.log.line(&format!("clones {remote}"));
    let repo = Repo::clone(git, &remote, token.as_ref(), into)
        .await
        .map_err(of_git)?;
    let base = repo.resolve(&source.git_ref).await.map_err(of_git)?;
    repo.detach(&base).await.map_err(of_git)?;
    Ok((repo, base))
}

async fn opened(
    work: &Work,
    git: &Git,
    root: &Folder,
    path: &str,
) -> Result<(Repo, String), Failure> {
    let path: Relative = path.parse().map_err(of_place)?;
    let broken = |e: std::io::Error| broken("find the workspace", &e);
    let dir = root
        .folder(&path)
        .map_err(of_place)?
        .real_path()
        .map_err(broken)?;
    let root = root.real_path().map_err(broken)?;
    let repo = Repo::open(git, &dir, &root).await.map_err(|e| match e {
        e if e.is_refusal() => invalid(&format!("open the workspace {path}: {e}")),
        e => of_git(e),
    })?;
    let base = repo.head().await.map_err(of_git)?;
    if repo.is_dirty().await.map_err(of_git)? {
        work.log
            .line("the workspace has uncommitted changes, which the agents do not see");
    }
    Ok((repo, base))
}

/// A secret of the tenant, by its name. What it holds stands nowhere else.
fn token(work: &Work, name: &str) -> Result<Token, Failure> {
    let refuse = |why: &dyn std::fmt::Display| {
        invalid(&format!(
            "read the secret {name:?}: {why}; put it into the server's folder for secrets"
        ))
    };
    let name: Relative = name.parse().map_err(|e: PlaceError| refuse(&e))?;
    let tenant: Relative = work
        .brief
        .tenant
        .as_str()
        .parse()
        .map_err(|e: PlaceError| refuse(&e))?;
    let secrets = Folder::open(&work.settings.secrets_root).map_err(|e| refuse(&e))?;
    let folder = secrets
        .folder(&tenant)
        .map_err(|_| refuse(&"the tenant has no secrets"))?;
    let bytes = folder.read(&name, SECRET).map_err(|e| refuse(&e))?;
    Token::parse(&bytes).ok_or_else(|| refuse(&"it is empty or holds more than a token"))
}

fn invalid(text: &str) -> Failure {
    Failure::new(FailureClass::InvalidSpec, text)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn of_git(e: GitError) -> Failure {
    e.failure()
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn of_place(e: PlaceError) -> Failure {
    let class = if e.is_of_the_path() {
        FailureClass::InvalidSpec
    } else {
        FailureClass::Infrastructure
    };
    Failure::new(class, format!("find the workspace: {e}"))
}

fn broken(what: &str, e: &std::io::Error) -> Failure {
    Failure::new(
        FailureClass::Infrastructure,
        format!("{what}: {e}; look at the disk"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_comes_back_to_no_place_but_one_of_its_agent() {
        assert!(is_place_of("agent-1", "agent-1") && is_place_of("agent-1", "agent-1.2"));
        for place in [
            "agent-12",
            "agent-1.x",
            "agent-1.2/..",
            "..",
            "../agent-1",
            "repo",
            "",
        ] {
            assert!(!is_place_of("agent-1", place), "{place}");
        }
    }
}
