//! Commits as files: what comes back, and what is refused.

use super::*;

/// A worktree of a clone, with a commit and with files that are not committed.
async fn worked(rig: &Rig) -> (Repo, PathBuf, String) {
    let repo = rig.clone().await;
    let base = repo.resolve("main").await.unwrap();
    let at = rig.path("w1");
    repo.add_worktree(&at, "b1", &base).await.unwrap();
    rig.sh("w1", "echo two >b && git add b && git commit -q -m Second");
    rig.sh(
        "w1",
        "echo changed >a && mkdir d && echo new >d/c && chmod +x d/c",
    );
    (repo, at, base)
}

async fn another_clone(rig: &Rig) -> Repo {
    let url = format!("file://{}", rig.path("origin").display());
    let remote = Remote::parse(&url, true).unwrap();
    let into = rig.path("two");
    Repo::clone(&rig.git, &remote, None, &into).await.unwrap()
}

#[tokio::test]
async fn commits_and_uncommitted_files_come_back_in_another_clone() {
    let rig = Rig::new();
    let (repo, at, base) = worked(&rig).await;
    assert!(repo.commit_rest(&at, &me(), "rest").await.unwrap());
    let file = rig.path("bundle");
    let head = repo.bundle(&at, &base, &file).await.unwrap().unwrap();
    let other = another_clone(&rig).await;
    other.unbundle(&file, &head).await.unwrap();
    other
        .add_worktree(&rig.path("w2"), "b2", &head)
        .await
        .unwrap();
    other.uncommit(&rig.path("w2")).await.unwrap();
    assert_eq!(rig.sh("w2", "git log --format=%s"), "Second\nFirst");
    assert_eq!(rig.sh("w2", "git status --porcelain"), "M a\n?? d/");
    assert_eq!(rig.sh("w2", "cat a d/c; test -x d/c"), "changed\nnew");
}

#[tokio::test]
async fn a_worktree_without_commits_of_its_own_has_nothing_to_keep() {
    let rig = Rig::new();
    let (repo, at, base) = worked(&rig).await;
    rig.sh("w1", "git reset -q --hard HEAD~1");
    let file = rig.path("bundle");
    assert_eq!(repo.bundle(&at, &base, &file).await.unwrap(), None);
    assert!(!file.exists());
}

#[tokio::test]
async fn commits_after_one_that_a_clone_has_not_are_refused_and_so_is_half_a_file() {
    let rig = Rig::new();
    let (repo, at, base) = worked(&rig).await;
    let file = rig.path("bundle");
    let head = repo.bundle(&at, &base, &file).await.unwrap().unwrap();
    rig.sh("origin", "git commit -q --amend -m Other && git tag -d v1 && git reflog expire --expire=now --all && git gc -q --prune=now");
    let other = another_clone(&rig).await;
    assert!(other.unbundle(&file, &head).await.unwrap_err().is_refusal());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 30]).unwrap();
    assert!(repo.unbundle(&file, &head).await.unwrap_err().is_refusal());
}

#[tokio::test]
async fn the_lock_of_a_killed_git_is_removed() {
    let rig = Rig::new();
    let (repo, at, _) = worked(&rig).await;
    let lock = rig.path("repo/.git/worktrees/w1/index.lock");
    std::fs::write(&lock, "").unwrap();
    assert!(repo.commit_rest(&at, &me(), "rest").await.is_err());
    repo.unlock(&at).await;
    assert!(repo.commit_rest(&at, &me(), "rest").await.unwrap());
}
