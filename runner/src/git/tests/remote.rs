//! Remotes: what they may cost, and pushes while others push too.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use super::*;

impl Rig {
    /// A clone whose branch `land`, which the remote has, got these commits.
    async fn landed(&self, scripts: &[&str]) -> (Repo, Branch) {
        self.sh("origin", "git branch land");
        let repo = self.clone().await;
        let base = repo.resolve("main").await.unwrap();
        repo.detach(&base).await.unwrap();
        let mut branch = Branch::prepare(&repo, "land", &base).await.unwrap();
        for (n, script) in scripts.iter().enumerate() {
            let path = self.worktree(&repo, &format!("w{n}"), &base, script).await;
            branch.land(&repo, &path, &me()).await.unwrap();
        }
        (repo, branch)
    }

    /// Somebody else commits this to the remote's branch.
    fn somebody_commits(&self, script: &str) -> String {
        let script = format!("git checkout -q land; {script}; git add -A; git commit -q -m Other");
        self.sh("origin", &format!("{script}; git checkout -q main"));
        self.sh("origin", "git rev-parse land")
    }

    async fn push(&self, repo: &Repo, branch: &mut Branch) -> Result<(), GitError> {
        loop {
            let done = branch.push(repo, &self.path("room")).await;
            assert!(!self.path("room").exists());
            assert!(!self.sh("repo", "git worktree list").contains("room"));
            if done? == Pushed::There {
                return Ok(());
            }
        }
    }

    fn bounded(&self, bytes: u64, time: Duration) -> Git {
        self.git.clone().within(Bounds { bytes, time })
    }
}

#[tokio::test]
async fn commits_are_put_on_top_when_the_remote_has_moved() {
    let rig = Rig::new();
    let (repo, mut branch) = rig.landed(&["echo two >b", "echo three >c"]).await;
    let theirs = rig.somebody_commits("echo x >x");
    rig.push(&repo, &mut branch).await.unwrap();
    assert_eq!(branch.start(), theirs);
    assert_eq!(rig.sh("origin", "git rev-parse land"), branch.tip());
    assert_eq!(rig.sh("repo", "git rev-parse land"), branch.tip());
    let subjects = rig.sh("origin", "git log --reverse --format=%s/%an land");
    assert_eq!(subjects, "First/t\nOther/t\nw0/agent-1\nw1/agent-1");
}

#[tokio::test]
async fn commits_that_do_not_fit_what_the_remote_has_now_are_kept_and_not_pushed() {
    let rig = Rig::new();
    let (repo, mut branch) = rig.landed(&["echo mine >a"]).await;
    let (theirs, ours) = (
        rig.somebody_commits("echo theirs >a"),
        branch.tip().to_owned(),
    );
    let said = rig.push(&repo, &mut branch).await.unwrap_err().to_string();
    assert!(said.contains("does not fit it in a"), "{said}");
    assert_eq!(rig.sh("origin", "git rev-parse land"), theirs);
    assert_eq!(rig.sh("repo", "git rev-parse land"), ours);
    assert_eq!(branch.tip(), ours);
}

#[tokio::test]
async fn a_remote_that_moves_at_every_try_is_given_up() {
    let rig = Rig::new();
    let (repo, mut branch) = rig.landed(&["echo two >b"]).await;
    let hook = rig.path("origin/.git/hooks/pre-receive");
    let text = format!(
        "#!/bin/sh\nunset $(git rev-parse --local-env-vars) GIT_QUARANTINE_PATH\ncd '{}'\n\
         echo once >>tries\ntree=$(git rev-parse 'land^{{tree}}')\n\
         git -c user.name=t -c user.email=t@t.invalid commit-tree -p land -m Again \"$tree\" >new\n\
         git update-ref refs/heads/land \"$(cat new)\"\n",
        rig.path("origin").display()
    );
    std::fs::write(&hook, text).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let said = rig.push(&repo, &mut branch).await.unwrap_err();
    assert!(said.to_string().contains("at each of 5 tries"), "{said}");
    assert_eq!(rig.sh("origin", "wc -l <tries"), "5");
    assert_eq!(rig.sh("origin", "git log -n1 --format=%s land"), "Again");
    assert_eq!(rig.sh("repo", "git show land:b"), "two");
}

#[tokio::test]
async fn a_remote_that_says_no_is_asked_once() {
    let rig = Rig::new();
    let (repo, mut branch) = rig.landed(&["echo two >b"]).await;
    let hook = rig.path("origin/.git/hooks/update");
    let text = format!(
        "#!/bin/sh\necho once >>'{}'\necho protected\nexit 1\n",
        rig.path("tries").display()
    );
    std::fs::write(&hook, text).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let said = rig.push(&repo, &mut branch).await.unwrap_err().to_string();
    assert!(said.contains("protected"), "{said}");
    assert_eq!(rig.sh("", "wc -l <tries"), "1");
}

#[tokio::test]
async fn a_clone_beyond_its_bound_is_ended_and_leaves_nothing() {
    let rig = Rig::new();
    rig.sh(
        "origin",
        "head -c 3000000 /dev/urandom >big; git add big; git commit -q -m Big",
    );
    let url = format!("file://{}", rig.path("origin").display());
    let remote = Remote::parse(&url, true).unwrap();
    let git = rig.bounded(1 << 20, Duration::from_mins(5));
    let done = Repo::clone(&git, &remote, None, &rig.path("repo")).await;
    let failure = done.unwrap_err().failure();
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    for word in ["more than 1 MiB", "SANDBOX_CLONE_LIMIT", &url] {
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    assert!(!rig.path("repo").exists());
}

#[tokio::test]
async fn a_remote_that_does_not_answer_is_given_up_in_time() {
    let rig = Rig::new();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", silent.local_addr().unwrap());
    let remote = Remote::parse(&url, true).unwrap();
    let git = rig.bounded(1 << 20, Duration::from_secs(1));
    let done = Repo::clone(&git, &remote, None, &rig.path("repo")).await;
    let failure = done.unwrap_err().failure();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert!(
        failure.message.contains("SANDBOX_GIT_TIMEOUT"),
        "{}",
        failure.message
    );
    assert!(!rig.path("repo").exists());
}
