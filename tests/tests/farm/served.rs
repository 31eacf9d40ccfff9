//! Farms of a whole node: submitted over HTTP, remembered, tried again.

use std::{path::Path, process::Command};

use rustix::process::Signal;
use sandbox_tests::node::{Node, built, send};
use serde_json::{Value, json};

/// A node whose agents follow this scenario, and the tenant's folder with a repository `repo`.
fn node(scenario: &str) -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    let file = at.join("scenario.yaml");
    std::fs::write(&file, scenario).unwrap();
    let repo = at.join("ws/default/repo");
    std::fs::create_dir_all(&repo).unwrap();
    sh(&repo, "git init -q -b main . && echo one >a && git add a");
    sh(
        &repo,
        "git -c user.name=t -c user.email=t@t.invalid commit -q -m First",
    );
    let agent = built("scripted-agent");
    let agent = format!(
        "env SCRIPTED_AGENT_SCENARIO={} {}",
        file.display(),
        agent.display()
    );
    let workspace = at.join("ws");
    let env = [
        ("SANDBOX_AGENT_COMMAND", agent.as_str()),
        ("WORKSPACE_DIR", workspace.to_str().unwrap()),
    ];
    let node = Node::start(&env);
    (dir, node)
}

fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn farm(task: &str) -> Value {
    json!({"type": "agent_farm", "agentFarm": {"task": task, "agents": 2, "workspace": {"path": "repo"}}})
}

const TEACHES: &str = "\
- when: {agent: '1'}
  steps:
    - write: {path: got, content: '{{prompt}}'}
    - say: \"Done.\\n[LEARNED:shell] Quote every variable.\"
- steps: [{say: Nothing is left for me.}]
";

#[tokio::test]
async fn what_one_farm_learned_the_next_one_is_told() {
    let (dir, node) = node(TEACHES);
    let first = node
        .submit_spec(farm("Quote the variables of the shell scripts."))
        .await;
    let job = node.ended(&first).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(job["result"]["elf_context_injected"], false);
    let second = node
        .submit_spec(farm("Quote more variables of the shell scripts."))
        .await;
    let job = node.ended(&second).await;
    assert_eq!(job["result"]["elf_context_injected"], true, "{job:#}");
    let branch = job["result"]["branch"].as_str().unwrap();
    let repo = dir.path().join("ws/default/repo");
    let got = sh(&repo, &format!("git show {branch}:got"));
    assert!(got.contains("Quote every variable."), "{got}");
}

/// Attempt 1 never ends; attempt 2 finds its mark and does.
const SECOND_TIME: &str = "\
- when: {file_exists: ../../again}
  steps: [{bash: 'echo x >c; git add c; git commit -q -m c'}]
- steps: [{bash: touch ../../again}, {spawn: sleep 600}, {hang: true}]
";

#[tokio::test]
async fn nothing_of_a_killed_attempt_lives_when_the_next_one_begins() {
    let (dir, node) = node(SECOND_TIME);
    let mut spec = farm("Mend it.");
    spec["agentFarm"]["agents"] = json!(1);
    spec["retry"] = json!({"limit": 2, "on": {"Infrastructure": {"base": "0s"}}});
    let id = node.submit_spec(spec).await;
    node.running(&id).await;
    let begun = dir.path().join("ws/default/again");
    while !begun.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let runner = node.runner(&id, 1);
    let old: Vec<u32> = node.seat_processes();
    assert!(old.len() > 3, "{old:?}");
    send(runner, Signal::KILL);
    let job = node.until(&id, |job| job["attempt"] == 2).await;
    let left: Vec<u32> = node
        .seat_processes()
        .into_iter()
        .filter(|p| old.contains(p))
        .collect();
    assert!(left.is_empty(), "{left:?}: {job:#}");
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["result"]["commits_made"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
}

#[tokio::test]
async fn a_cancelled_farm_ends_with_all_its_agents() {
    let (dir, node) = node(SECOND_TIME);
    let id = node.submit_spec(farm("Mend it.")).await;
    node.running(&id).await;
    while !dir.path().join("ws/default/again").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (status, _) = node.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Cancelled", "{job:#}");
    assert!(node.seat_processes().is_empty());
}
