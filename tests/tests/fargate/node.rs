//! A node alone, `sandbox serve`, whose jobs run as tasks: the real program, its door over TLS, the real runner.

use std::fs;

use rustix::process::Signal;
use sandbox_tests::{
    ecs::{Ecs, Options},
    node::{Node, built},
    repository::Repository,
    tasks::node_with,
};
use serde_json::{Value, json};

async fn node() -> (Ecs, Node) {
    node_with(Options::of(built("sandbox")), &[]).await
}

fn echo(delay: &str) -> Value {
    json!({"type": "echo", "echo": {"message": "hello", "delay": delay}, "backend": {"name": "fargate"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_node_is_done_by_a_task_and_its_log_is_there() {
    let (ecs, node) = node().await;
    let id = node.submit_spec(echo("0s")).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(job["result"]["echoed_message"], "hello");
    assert_eq!(job["backend_ref"]["kind"], "fargate");
    assert_ne!(job["usage"]["usd"], "0.00", "{job:#}");
    assert_eq!(ecs.begun().len(), 1);
    let log = node.request(reqwest::Method::GET, &format!("/jobs/{id}/logs"));
    let log = log.send().await.unwrap().text().await.unwrap();
    assert!(log.contains("attempt 1"), "{log}");
    let (_, left) = node.get(&format!("/jobs/{id}/artifacts")).await;
    assert_eq!(left["artifacts"][0]["path"], "echo.log", "{left}\n{log}");
    assert_eq!(node.starts(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_and_started_again_finds_the_task_as_it_is() {
    let (ecs, mut node) = node().await;
    let id = node.submit_spec(echo("3s")).await;
    node.running(&id).await;
    node.kill(Signal::KILL);
    node.restart();
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(1)),
        "{job:#}"
    );
    assert_eq!(ecs.begun().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_cluster_of_ecs_refuses_and_says_what_to_set() {
    let node = Node::start(&[]);
    let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": echo("0s")});
    let (status, said) = node.post("/jobs", &job).await;
    assert_eq!(status, 422, "{said}");
    assert!(
        said.to_string().contains("SANDBOX_FARGATE_CLUSTER"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_in_a_task_is_judged_by_the_checks_of_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let checks = file(
        "checks.toml",
        "[[stack.default]]\nname = 'test'\nargv = ['grep', '-q', 'good', 'a']\n",
    );
    let breaks = file(
        "scenario.yaml",
        "- steps: [{bash: 'echo bad >a; git commit -q -a -m Break'}, {say: Done.}]\n",
    );
    let mut options = Options::of(built("sandbox"));
    let agent = built("scripted-agent");
    let agent = format!("env SCRIPTED_AGENT_SCENARIO={breaks} {}", agent.display());
    options
        .env
        .insert("SANDBOX_AGENT_COMMAND".to_owned(), agent);
    let (_ecs, node) = node_with(options, &[("SANDBOX_CHECKS_FILE", &checks)]).await;
    let repository = Repository::with("echo good >a").await;
    let git = json!({"url": repository.url(), "ref": "main"});
    let farm = json!({"task": "Change a.", "agents": 1, "workspace": {"git": git}});
    let spec = json!({"type": "agent_farm", "backend": {"name": "fargate"}, "agentFarm": farm});
    let id = node.submit_spec(spec).await;
    let job = node.ended(&id).await;
    let told = &job["result"]["checks"][0];
    assert_eq!(
        (&told["name"], &told["before"], &told["after"]),
        (&json!("test"), &json!("passed"), &json!("failed")),
        "{job:#}\n{}",
        node.get(&format!("/jobs/{id}/logs")).await.1
    );
}
