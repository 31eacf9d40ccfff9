//! Farms of a whole node: submitted over HTTP, remembered, tried again.

use std::{path::Path, process::Command};

use rustix::process::Signal;
use sandbox_tests::node::{Node, PATIENCE, built, send};
use serde_json::{Value, json};

/// A node whose agents follow this scenario, and the tenant's folder with a repository `repo`.
fn node(scenario: &str) -> (tempfile::TempDir, Node) {
    node_with(scenario, &[])
}

/// The same with more settings.
pub fn node_with(scenario: &str, more: &[(&str, &str)]) -> (tempfile::TempDir, Node) {
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
    let mut env = vec![
        ("SANDBOX_AGENT_COMMAND", agent.as_str()),
        ("WORKSPACE_DIR", workspace.to_str().unwrap()),
    ];
    env.extend(more);
    let node = Node::start(&env);
    (dir, node)
}

pub fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn farm(task: &str) -> Value {
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

const ONE_WORKS_ONE_IS_DONE: &str = "\
- when: {agent: '1'}
  steps:
    - cost: {usd: 0.25, input_tokens: 1000, output_tokens: 50}
    - bash: 'true'
    - ask: May I?
- steps: [{say: Nothing is left for me.}]
";

#[tokio::test]
async fn agents_of_a_farm_at_work_are_listed_with_what_they_do_and_cost() {
    let (_dir, node) = node(ONE_WORKS_ONE_IS_DONE);
    let id = node.submit_spec(farm("Mend it.")).await;
    node.running(&id).await;
    let from = std::time::Instant::now();
    let listed = loop {
        assert!(from.elapsed() < PATIENCE, "never listed so");
        let (status, body) = node.get("/agents").await;
        assert_eq!(status, 200, "{body}");
        let agents = &body["agents"];
        let asks = agents[1]["detail"]["state"] == "blocked";
        if asks && agents[2]["status"] == "complete" {
            break body;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(
        (&listed["count"], &listed["client_id"]),
        (&json!(3), &json!("default"))
    );
    let [job, first, second] = listed["agents"].as_array().unwrap().as_slice() else {
        panic!("{listed:#}");
    };
    assert_eq!(
        (&job["agent_id"], &job["status"]),
        (&json!(id), &json!("working"))
    );
    let number = |n: u32| json!(format!("{id}.{n}"));
    assert_eq!(
        (&first["agent_id"], &second["agent_id"]),
        (&number(1), &number(2))
    );
    assert_eq!(
        (&first["job_id"], &first["status"]),
        (&json!(id), &json!("working"))
    );
    assert_eq!(first["tmux_pane"], "farm:agent-1");
    let detail = &first["detail"];
    let expected = json!({
        "name": "agent-1", "state": "blocked", "reason": "blocked: asks a person",
        "cost_usd": "0.25", "tokens": 1050, "pane": "farm:agent-1",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&detail[key], value, "{key} of {first:#}");
    }
    assert_eq!(second["detail"]["last_message"], "Nothing is left for me.");
    for key in ["started_at", "last_heartbeat"] {
        assert!(first[key].is_string(), "{first:#}");
    }
    let (status, one) = node.get(&format!("/agents/{id}.1")).await;
    assert_eq!((status, &one["detail"]["name"]), (200, &json!("agent-1")));
    assert_eq!(node.get(&format!("/agents/{id}.3")).await.0, 404);
}

#[tokio::test]
async fn a_node_with_the_users_login_lends_it_to_agents_and_renews_it_by_the_users_command() {
    let home = tempfile::tempdir().unwrap();
    let login = |token: &str, until: i64| {
        json!({"claudeAiOauth": {"accessToken": token, "refreshToken": "refresh-dummy", "expiresAt": until}})
            .to_string()
    };
    let file = home.path().join("login.json");
    let fresh = home.path().join("fresh.json");
    std::fs::write(&file, login("access-old", 1)).unwrap();
    std::fs::write(&fresh, login("access-new", 9_000_000_000_000)).unwrap();
    let renew = format!("cp {} {}", fresh.display(), file.display());
    let (dir, node) = node_with(
        "- steps: [{bash: 'cp \"$CLAUDE_CONFIG_DIR/.credentials.json\" got'}]\n",
        &[
            ("SANDBOX_AGENT_LOGIN", "true"),
            ("SANDBOX_AGENT_LOGIN_FILE", file.to_str().unwrap()),
            ("SANDBOX_AGENT_LOGIN_RENEW", &renew),
        ],
    );
    let mut spec = farm("Mend it.");
    spec["agentFarm"]["agents"] = json!(1);
    let id = node.submit_spec(spec).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let branch = job["result"]["branch"].as_str().unwrap();
    let repo = dir.path().join("ws/default/repo");
    let got = sh(&repo, &format!("git show {branch}:got"));
    assert!(
        got.contains("access-new") && !got.contains("refresh-dummy"),
        "{got}"
    );
    let told = job.to_string();
    assert!(
        !told.contains("access-") && !told.contains("refresh-"),
        "{told}"
    );
}

#[tokio::test]
async fn a_server_with_a_file_of_prices_that_is_none_does_not_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[prices]]").unwrap();
    let node = Node::prepare(&[("SANDBOX_PRICES_FILE", file.path().to_str().unwrap())]);
    let ended = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && said.contains("SANDBOX_PRICES_FILE"),
        "{said}"
    );
}
