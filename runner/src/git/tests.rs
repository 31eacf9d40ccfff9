//! Git on real repositories: clones, worktrees, landing, and what must not happen.

mod bundle;
mod remote;

use std::{
    path::{Path, PathBuf},
    pin::pin,
    process::Command,
    time::Duration,
};

use sandbox_core::FailureClass;
use tempfile::TempDir;

use super::*;

/// A repository with one commit on `main`, and git to use it with.
struct Rig {
    dir: TempDir,
    git: Git,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rig = Self {
            git: Git::new(dir.path(), &[("SANDBOX_SEAT", "x/1")], true),
            dir,
        };
        std::fs::create_dir(rig.path("origin")).unwrap();
        rig.sh(
            "origin",
            "git init -q -b main . && echo one >a && git add a",
        );
        rig.sh("origin", "git commit -q -m First && git tag v1");
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn sh(&self, folder: &str, script: &str) -> String {
        let who = ["GIT_AUTHOR", "GIT_COMMITTER"];
        let who = who.map(|w| {
            [
                (format!("{w}_NAME"), "t"),
                (format!("{w}_EMAIL"), "t@t.invalid"),
            ]
        });
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(self.path(folder))
            .envs(who.into_iter().flatten())
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn clone(&self) -> Repo {
        let url = format!("file://{}", self.path("origin").display());
        let remote = Remote::parse(&url, true).unwrap();
        Repo::clone(&self.git, &remote, None, &self.path("repo"))
            .await
            .unwrap()
    }

    async fn open(&self) -> Repo {
        Repo::open(&self.git, &self.path("origin"), &self.path(""))
            .await
            .unwrap()
    }

    /// A worktree in which this script was run and everything committed.
    async fn worktree(&self, repo: &Repo, name: &str, base: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        repo.add_worktree(&path, &format!("work/{name}"), base)
            .await
            .unwrap();
        self.sh(name, script);
        repo.commit_rest(&path, &me(), name).await.unwrap();
        path
    }
}

fn me() -> Identity {
    Identity {
        name: "agent-1".to_owned(),
        email: "agent-1@sandbox.invalid".to_owned(),
    }
}

fn subjects(commits: &[Commit]) -> Vec<&str> {
    commits.iter().map(|c| c.subject.as_str()).collect()
}

#[tokio::test]
async fn a_clone_has_the_branch_that_was_asked_for() {
    let rig = Rig::new();
    rig.sh(
        "origin",
        "git checkout -q -b side && echo two >b && git add b && git commit -q -m Side",
    );
    let repo = rig.clone().await;
    let side = repo.resolve("side").await.unwrap();
    assert_eq!(side, rig.sh("origin", "git rev-parse side"));
    assert_eq!(
        repo.resolve("v1").await.unwrap(),
        rig.sh("origin", "git rev-parse v1")
    );
    assert_eq!(repo.resolve(&side[..12]).await.unwrap(), side);
    assert_eq!(repo.file(&side, "b").await.unwrap(), b"two\n");
    let missing = repo.resolve("no-such-branch").await.unwrap_err().failure();
    assert_eq!(missing.class, FailureClass::InvalidSpec);
    assert!(
        missing.message.contains("no-such-branch"),
        "{}",
        missing.message
    );
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_the_jobs_fault_and_leaves_nothing() {
    let rig = Rig::new();
    let remote = Remote::parse("file:///surely/not/there", true).unwrap();
    let into = rig.path("repo");
    let failure = Repo::clone(&rig.git, &remote, None, &into)
        .await
        .unwrap_err()
        .failure();
    assert_eq!(
        failure.class,
        FailureClass::InvalidSpec,
        "{}",
        failure.message
    );
    assert!(!into.exists());
}

#[tokio::test]
async fn a_transport_that_is_not_allowed_runs_nothing() {
    let rig = Rig::new();
    let git = Git::new(rig.dir.path(), &[], false);
    // Past our own check of the address, git itself refuses.
    let call = git.call(rig.dir.path(), "clone");
    let touched = rig.path("touched");
    let order = format!("ext::touch {}", touched.display());
    assert!(
        call.args(["clone", "--", &order, "x"])
            .text()
            .await
            .is_err()
    );
    let url = format!("file://{}", rig.path("origin").display());
    let call = git
        .call(rig.dir.path(), "clone")
        .args(["clone", "--", &url, "y"]);
    let failure = call.text().await.unwrap_err().failure();
    assert_eq!(
        failure.class,
        FailureClass::InvalidSpec,
        "{}",
        failure.message
    );
    assert!(!touched.exists() && !rig.path("y").exists());
}

#[tokio::test]
async fn hooks_of_a_repository_do_not_run() {
    let rig = Rig::new();
    let touched = rig.path("touched");
    for hook in [
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "pre-rebase",
        "reference-transaction",
    ] {
        let path = rig.path("origin").join(".git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch '{}'\n", touched.display())).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let mut branch = Branch::prepare(&repo, "farm/x", &base).await.unwrap();
    let path = rig.worktree(&repo, "w1", &base, "echo two >b").await;
    branch.land(&repo, &path, &me()).await.unwrap();
    assert!(!touched.exists());
}

#[tokio::test]
async fn a_path_must_be_a_repository_of_its_own_beneath_the_root() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.path("origin/sub")).unwrap();
    std::fs::create_dir_all(rig.path("tenant/plain")).unwrap();
    std::fs::create_dir_all(rig.path("tenant/pointing")).unwrap();
    let points = format!("gitdir: {}\n", rig.path("origin/.git").display());
    std::fs::write(rig.path("tenant/pointing/.git"), points).unwrap();
    for (dir, root) in [
        ("origin/sub", ""),
        ("tenant/plain", "tenant"),
        ("tenant/pointing", "tenant"),
    ] {
        let opened = Repo::open(&rig.git, &rig.path(dir), &rig.path(root)).await;
        assert!(opened.is_err(), "{dir}");
    }
}

#[tokio::test]
async fn commits_of_two_agents_land_on_one_branch_and_no_checkout_changes() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let mut branch = Branch::prepare(&repo, "farm/x", &base).await.unwrap();
    let one = rig.worktree(&repo, "w1", &base, "echo two >b").await;
    let two = rig
        .worktree(&repo, "w2", &base, "echo three >c; echo four >>a")
        .await;
    let Attempt::Landed { from, to } = branch.land(&repo, &one, &me()).await.unwrap() else {
        panic!("did not land");
    };
    assert_eq!((from, to.as_str()), (base.clone(), branch.tip()));
    assert!(matches!(
        branch.land(&repo, &two, &me()).await.unwrap(),
        Attempt::Landed { .. }
    ));
    assert_eq!(
        branch.land(&repo, &two, &me()).await.unwrap(),
        Attempt::Nothing
    );
    let commits = repo.commits(&base, branch.tip()).await.unwrap();
    assert_eq!(subjects(&commits), ["w1", "w2"]);
    let stat = repo.stat(&base, branch.tip()).await.unwrap();
    assert_eq!((stat.files.len(), stat.lines()), (3, (3, 0)));
    assert_eq!(rig.sh("origin", "git rev-parse farm/x"), branch.tip());
    assert_eq!(rig.sh("origin", "git rev-parse HEAD"), base);
    repo.remove_worktree(&one, "work/w1").await.unwrap();
    assert!(!one.exists());
}

#[tokio::test]
async fn a_conflict_names_its_files_and_leaves_the_worktree_as_it_was() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let mut branch = Branch::prepare(&repo, "farm/x", &base).await.unwrap();
    let one = rig.worktree(&repo, "w1", &base, "echo mine >a").await;
    let two = rig.worktree(&repo, "w2", &base, "echo yours >a").await;
    branch.land(&repo, &one, &me()).await.unwrap();
    let before = repo.head_of(&two).await.unwrap();
    let files = vec!["a".to_owned()];
    assert_eq!(
        branch.land(&repo, &two, &me()).await.unwrap(),
        Attempt::Conflict { files }
    );
    assert_eq!(repo.head_of(&two).await.unwrap(), before);
    assert_eq!(rig.sh("w2", "git status --porcelain"), "");
    // What the agent does then: its own rebase.
    rig.sh(
        "w2",
        &format!(
            "git rebase {} || true; echo both >a; git add a",
            branch.tip()
        ),
    );
    rig.sh("w2", "GIT_EDITOR=true git rebase --continue");
    assert!(matches!(
        branch.land(&repo, &two, &me()).await.unwrap(),
        Attempt::Landed { .. }
    ));
    assert_eq!(rig.sh("origin", "git show farm/x:a"), "both");
}

#[tokio::test]
async fn half_of_a_rebase_is_not_committed() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let one = rig.worktree(&repo, "w1", &base, "echo mine >a").await;
    let two = rig.worktree(&repo, "w2", &base, "echo yours >a").await;
    let other = repo.head_of(&one).await.unwrap();
    rig.sh("w2", &format!("git rebase {other} || true"));
    repo.give_up_unfinished(&two).await;
    assert!(!repo.commit_rest(&two, &me(), "rest").await.unwrap());
    assert_eq!(rig.sh("w2", "cat a"), "yours");
}

#[tokio::test]
async fn a_branch_that_moved_meanwhile_is_landed_on_where_it_is_now() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let mut branch = Branch::prepare(&repo, "farm/x", &base).await.unwrap();
    let one = rig.worktree(&repo, "w1", &base, "echo two >b").await;
    let other = rig.worktree(&repo, "w2", &base, "echo three >c").await;
    let tip = repo.head_of(&other).await.unwrap();
    rig.sh("origin", &format!("git update-ref refs/heads/farm/x {tip}"));
    assert!(matches!(
        branch.land(&repo, &one, &me()).await.unwrap(),
        Attempt::Landed { .. }
    ));
    assert_eq!(rig.sh("origin", "git show farm/x:b farm/x:c"), "two\nthree");
}

#[tokio::test]
async fn a_branch_that_cannot_be_used_is_refused_before_any_work() {
    let rig = Rig::new();
    rig.sh("origin", "git branch farm");
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    for name in ["main", "farm/x", "a..b", "x.lock", "@{-1}"] {
        let failure = Branch::prepare(&repo, name, &base)
            .await
            .unwrap_err()
            .failure();
        assert_eq!(
            failure.class,
            FailureClass::InvalidSpec,
            "{name}: {}",
            failure.message
        );
    }
}

#[tokio::test]
async fn an_empty_branch_of_ours_is_taken_away_again() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    Branch::prepare(&repo, "farm/x", &base)
        .await
        .unwrap()
        .tidy(&repo)
        .await
        .unwrap();
    assert_eq!(rig.sh("origin", "git branch --list farm/x"), "");
    rig.sh("origin", "git branch old");
    Branch::prepare(&repo, "old", &base)
        .await
        .unwrap()
        .tidy(&repo)
        .await
        .unwrap();
    assert_ne!(rig.sh("origin", "git branch --list old"), "");
}

#[test]
fn no_token_of_a_remote_stands_in_its_debug_output() {
    let token = Token::parse(b"tok-secret\n").unwrap();
    assert!(!format!("{token:?}").contains("secret"));
    assert!(Token::parse(b"two words").is_none() && Token::parse(b" \n").is_none());
}

#[tokio::test]
async fn farms_that_work_on_one_repository_at_the_same_time_do_not_trip_over_each_other() {
    let rig = Rig::new();
    let one = async |farm: usize| {
        for n in 0..10 {
            let repo = rig.open().await;
            assert!(!repo.is_dirty().await.unwrap());
            let base = repo.head().await.unwrap();
            let at = rig.path(&format!("f{farm}/agent-1"));
            let (name, branch) = (format!("farm/{farm}"), format!("f{farm}/{n}"));
            let lands_on = Branch::prepare(&repo, &name, &base).await.unwrap();
            repo.add_worktree(&at, &branch, &base).await.unwrap();
            repo.remove_worktree(&at, &branch).await.unwrap();
            lands_on.tidy(&repo).await.unwrap();
        }
    };
    futures::future::join_all((0..8).map(one)).await;
}

/// Waits until so many hold what git keeps of a repository open, to lock it.
async fn hold(kept: &Path, count: usize) {
    let holds = |fd: &std::fs::DirEntry| std::fs::read_link(fd.path()).is_ok_and(|at| at == kept);
    let all = || std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    while all().filter(holds).count() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_branch_to_land_on_waits_for_a_worktree_that_is_half_made() {
    let rig = Rig::new();
    let repo = rig.open().await;
    let base = repo.head().await.unwrap();
    let turn = repo.turn("make half a worktree").await.unwrap();
    let half = "mkdir -p .git/worktrees/half && cd .git/worktrees/half && echo /x/.git >gitdir && : >commondir";
    rig.sh("origin", half);
    let kept = rig.path("origin/.git");
    let mut preparing = pin!(Branch::prepare(&repo, "farm/x", &base));
    tokio::select! {
        done = &mut preparing => panic!("{done:?}"),
        () = hold(&kept, 2) => {}
    }
    rig.sh("origin", "rm -r .git/worktrees/half");
    drop(turn);
    preparing.await.unwrap();
}
