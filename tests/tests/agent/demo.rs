//! The sample repository and the scenarios that go with it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::rig::Rig;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A rig whose working directory is a clone of the sample.
fn sample(scenario: &str) -> Rig {
    let scenario = here().join("scenarios").join(scenario);
    let rig = Rig::new(&std::fs::read_to_string(scenario).unwrap());
    let work = rig.path("work");
    let copied = Command::new("cp")
        .arg("-R")
        .arg(here().join("sample-repo/."))
        .arg(&work)
        .status();
    assert!(copied.unwrap().success());
    git(&work, &["init", "-q", "-b", "main"]);
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-q", "-m", "The sample"]);
    rig
}

fn git(folder: &Path, words: &[&str]) -> Output {
    let mut git = Command::new("git");
    let who = [
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@example.invalid",
    ];
    git.current_dir(folder)
        .args(who)
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn checks_pass(folder: &Path) -> bool {
    let mut check = Command::new("./check.sh");
    check
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Runs an agent of a farm in a folder and gives what it said last.
fn agent(rig: &Rig, index: &str, (folder, prompt): (&Path, &str)) -> String {
    let mut command = rig.command();
    command.env("AGENT_INDEX", index).current_dir(folder);
    let output = command
        .args(["-p", "--output-format", "json", prompt])
        .output()
        .unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    result["result"].as_str().unwrap().to_owned()
}

#[test]
fn three_agents_mend_the_sample_and_a_later_job_uses_their_lesson() {
    let rig = sample("demo.yaml");
    let work = rig.path("work");
    assert!(!checks_pass(&work));
    let told: Vec<String> = ["1", "2", "3"]
        .map(|n| agent(&rig, n, (&work, "Mend it.")))
        .into();
    assert!(checks_pass(&work), "{told:?}");
    assert!(
        told.iter().all(|t| t.contains("[LEARNED:shell] ")),
        "{told:?}"
    );
    assert!(git(&work, &["status", "--porcelain"]).stdout.is_empty());
    assert_eq!(
        said(&git(&work, &["rev-list", "--count", "HEAD"])).trim(),
        "4"
    );

    let without = agent(&rig, "1", (&work, "Look again."));
    assert!(without.contains("nothing left"), "{without}");
    let lesson = told[1].split("[LEARNED:shell] ").nth(1).unwrap();
    let with = agent(
        &rig,
        "1",
        (&work, &format!("Look again.\nLessons:\n- {lesson}")),
    );
    assert!(with.contains("because of the lesson"), "{with}");
    assert!(work.join("checks/copy.sh").exists());
    assert!(checks_pass(&work));
    let author = said(&git(&work, &["log", "-1", "--format=%an"]));
    assert_eq!(author.trim(), "agent-1");
}

/// A worktree on a branch of its own.
fn worktree(rig: &Rig, name: &str) -> PathBuf {
    let folder = rig.path(name);
    git(
        &rig.path("work"),
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            name,
            folder.to_str().unwrap(),
        ],
    );
    folder
}

#[test]
fn two_agents_that_mend_the_same_line_conflict() {
    let rig = sample("conflict.yaml");
    for index in ["1", "2"] {
        let folder = worktree(&rig, &format!("agent-{index}"));
        agent(&rig, index, (&folder, "Mend it."));
        let check = Command::new("./check.sh")
            .current_dir(&folder)
            .arg("first")
            .status();
        assert!(check.unwrap().success());
    }
    let work = rig.path("work");
    assert!(git(&work, &["merge", "-q", "agent-1"]).status.success());
    let second = git(&work, &["merge", "agent-2"]);
    assert!(said(&second).contains("CONFLICT"), "{}", said(&second));
}
