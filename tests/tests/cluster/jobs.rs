//! Whole jobs: the runner in its pod claims, works, beats and reports at the door.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::api::core::v1::EnvVar;
use sandbox_core::{Outcome, port::Backend};
use sandbox_tests::{
    cluster::whole::shared,
    contract::pod::Pods,
    model_server::{ModelServer, Script},
};
use serde_json::{Value, json};

use super::desk::Desk;

const LEASE: Duration = Duration::from_mins(10);

fn echo(delay: &str) -> Value {
    json!({"type": "echo", "echo": {"message": "hi", "delay": delay}, "backend": {"name": "pod"}})
}

#[tokio::test]
async fn a_job_runs_in_a_pod_and_leaves_its_result_and_its_log() {
    let desk = Desk::new(LEASE).await;
    let job = desk.submit(&echo("0s"));
    let status = desk.finished(&job).await;
    assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
    assert_eq!(status.attempt, 1);
    assert!(status.result.is_some());
    let seat = format!("{}/1", job.uid().unwrap()).parse().unwrap();
    let log = desk.backend.logs(&seat, 0, 4096).await.unwrap().text;
    assert!(log.contains("begins") && log.contains("Succeeded"), "{log}");
    let pods = desk
        .pods
        .pods()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    assert_eq!(pods.items.len(), 0, "{pods:?}");
}

#[tokio::test]
async fn a_model_is_asked_from_a_pod_with_the_key_of_a_secret() {
    let whole = shared().await.unwrap();
    let script = Script::parse(
        "[{reply: {text: from the model}, when: {header: {x-api-key: sk-of-the-secret}}}]",
    );
    let script = script.unwrap();
    let address = (whole.address(), 0).into();
    let server = ModelServer::start_at(address, script).await.unwrap();
    let url = server.base_url();
    let desk = Desk::new(LEASE).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "model", "namespace": desk.pods.namespace}, "stringData": {"key": "sk-of-the-secret"},
    });
    desk.pods.whole.apply(&secret).unwrap();
    let from = json!({"secretKeyRef": {"name": "model", "key": "key"}});
    let env = json!([
        {"name": "ANTHROPIC_BASE_URL", "value": url}, {"name": "ANTHROPIC_API_KEY", "valueFrom": from},
    ]);
    let job = desk.submit(&json!({
        "type": "claude_chat", "claudeChat": {"prompt": "say it"},
        "backend": {"name": "pod", "pod": {"env": env}},
    }));
    let status = desk.finished(&job).await;
    assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
    let result = serde_json::to_string(&status.result).unwrap();
    assert!(result.contains("from the model"), "{result}");
    let asked = server.requests();
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_its_pod_in_good_order() {
    let desk = Desk::new(LEASE).await;
    let job = desk.submit(&echo("10m"));
    desk.until(&job, "at work", |s| {
        s.intent.as_ref().is_some_and(|i| i.claim.is_some())
    })
    .await;
    desk.patch(&job, &json!({"cancel": true}));
    let status = desk.finished(&job).await;
    assert_eq!(status.outcome, Some(Outcome::Cancelled), "{status:#?}");
    let seat = format!("{}/1", job.uid().unwrap()).parse().unwrap();
    let log = desk.backend.logs(&seat, 0, 4096).await.unwrap().text;
    assert!(log.contains("SIGTERM"), "{log}");
}

#[tokio::test]
async fn a_pod_that_is_drained_away_is_tried_again() {
    let desk = Desk::new(LEASE).await;
    let mut spec = echo("20s");
    spec["retry"] = json!({"limit": 1, "on": {"Preempted": {"base": "1s"}}});
    let job = desk.submit(&spec);
    let working =
        |s: &sandbox_core::AgentJobStatus| s.intent.as_ref().is_some_and(|i| i.claim.is_some());
    desk.until(&job, "at work", working).await;
    let name = format!("aj-{}-1", job.uid().unwrap());
    let gently = kube::api::EvictParams::default();
    desk.pods.pods().evict(&name, &gently).await.unwrap();
    let status = desk.finished(&job).await;
    assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
    assert_eq!((status.attempt, status.failures), (2, 1));
}

const BOTH_COMMIT: &str = "\
- when: {agent: '1'}
  steps:
    - write: {path: first, content: 'by the first'}
    - bash: git add -A && git commit -q -m 'Add the first file'
    - say: Done.
- steps:
    - write: {path: second, content: 'by the second'}
    - bash: git add -A && git commit -q -m 'Add the second file'
    - say: Done.
";

fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_farm_works_in_one_pod_on_a_volume_that_stays() {
    let pods = Pods::new("").await;
    let repo = pods.file("repo");
    std::fs::create_dir(&repo).unwrap();
    std::fs::write(pods.file("scenario.yaml"), BOTH_COMMIT).unwrap();
    let script = "git init -q -b main . && echo one >a && git add a \
        && git -c user.name=t -c user.email=t@t.invalid commit -q -m First && chown -R 10001:10001 .";
    sh(&repo, script);
    let command = format!(
        "env SCRIPTED_AGENT_SCENARIO=/workspace/{}/scenario.yaml scripted-agent",
        pods.namespace
    );
    let agents = EnvVar {
        name: "SANDBOX_AGENT_COMMAND".to_owned(),
        value: Some(command),
        value_from: None,
    };
    let desk = Desk::with(pods, LEASE, vec![agents]).await;
    let job = desk.submit(&json!({
        "type": "agent_farm",
        "agentFarm": {"task": "Add files.", "agents": 2, "workspace": {"path": "repo"}},
        "backend": {"name": "pod", "pod": {"workspace": {"claimName": "kept"}}},
    }));
    let status = desk.finished(&job).await;
    let seat = format!("{}/1", job.uid().unwrap()).parse().unwrap();
    let log = desk.backend.logs(&seat, 0, 1 << 16).await;
    assert_eq!(
        status.outcome,
        Some(Outcome::Succeeded),
        "{status:#?}\n{log:?}"
    );
    let landed = format!(
        "git -c safe.directory='*' log --format=%s farm/{}",
        job.name()
    );
    let landed = sh(&repo, &landed);
    for commit in ["Add the first file", "Add the second file"] {
        assert!(landed.contains(commit), "{landed}");
    }
}
