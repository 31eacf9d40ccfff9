//! The examples beside the chart, for real: policies on a real API server, the health check in a real Lua.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use sandbox_core::status::condition;
use sandbox_tests::{cluster::Cluster, node::PATIENCE};
use serde_json::{Value, json};

use super::plane::{namespace, run, shared, told};

fn example(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kubernetes");
    PathBuf::from(folder).join(name)
}

fn job(namespace: &str, spec: &Value) -> Value {
    let metadata = json!({"generateName": "job-", "namespace": namespace});
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata, "spec": spec})
}

fn chat(more: &Value) -> Value {
    let mut spec = json!({"type": "claude_chat", "claudeChat": {"prompt": "hi"}});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

fn create(cluster: &Cluster, job: &Value) -> Result<(), String> {
    let seen = run(cluster, &["create", "-f", "-"], job);
    if seen.status.success() {
        return Ok(());
    }
    Err(String::from_utf8(seen.stderr).unwrap())
}

#[tokio::test]
async fn policies_hold_where_they_are_bound() {
    // Its own: they hold for the whole cluster.
    let cluster = Cluster::start().await.unwrap();
    let crds = super::plane::list(&sandbox_tests::helm::rendered("sandbox-crds", &[]));
    told(run(&cluster, &["apply", "--server-side", "-f", "-"], &crds));
    let policies = example("policies.yaml");
    let words = ["apply", "-f", policies.to_str().unwrap()];
    told(run(&cluster, &words, &Value::Null));
    namespace(&cluster, "bound");
    namespace(&cluster, "free");
    let label = [
        "label",
        "namespace",
        "free",
        "multiagent.dev/no-budget-needed=true",
    ];
    told(run(&cluster, &label, &Value::Null));
    let bare = job("bound", &chat(&json!({})));
    // A policy holds a moment after it is written.
    let began = Instant::now();
    let said = loop {
        match create(&cluster, &bare) {
            Err(said) => break said,
            Ok(()) => assert!(began.elapsed() < PATIENCE, "the policy never held"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(said.contains("needs spec.budget.usd"), "{said}");
    let much = job("bound", &chat(&json!({"budget": {"usd": "50.01"}})));
    let said = create(&cluster, &much).unwrap_err();
    assert!(said.contains("spec.budget.usd is 50 at most"), "{said}");
    let right = json!({"budget": {"usd": "50"}, "priority": 10});
    create(&cluster, &job("bound", &chat(&right))).unwrap();
    create(
        &cluster,
        &job("bound", &json!({"type": "echo", "echo": {}})),
    )
    .unwrap();
    create(&cluster, &job("free", &chat(&json!({})))).unwrap();
    // Who may do everything may prioritize, too.
    create(&cluster, &job("free", &chat(&json!({"priority": 100})))).unwrap();
    let mut urgent = job("free", &chat(&json!({"priority": 11})));
    urgent["metadata"] = json!({"name": "urgent", "namespace": "free"});
    let grant = [
        "create",
        "clusterrole",
        "submits",
        "--verb=create,get",
        "--resource=agentjobs.multiagent.dev",
    ];
    told(run(&cluster, &grant, &Value::Null));
    let bind = [
        "create",
        "clusterrolebinding",
        "submits",
        "--clusterrole=submits",
        "--user=jane",
    ];
    told(run(&cluster, &bind, &Value::Null));
    let seen = run(&cluster, &["create", "--as=jane", "-f", "-"], &urgent);
    let said = String::from_utf8(seen.stderr).unwrap();
    assert!(said.contains("needs the verb `prioritize`"), "{said}");
}

/// A JSON value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(lua).collect();
            format!("{{{}}}", all.join(", "))
        }
        Value::Object(all) => {
            let all = all
                .iter()
                .map(|(k, v)| format!("[{}] = {}", json!(k), lua(v)));
            format!("{{{}}}", all.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// What Argo CD would show for this object.
fn health(object: &Value) -> (String, String) {
    let script = format!(
        "obj = {}\nlocal health = dofile({})\nprint(health.status)\nprint(health.message)",
        lua(object),
        json!(example("argocd-health.lua"))
    );
    let seen = Command::new("lua5.4").args(["-e", &script]).output();
    let seen =
        seen.unwrap_or_else(|e| panic!("ran lua5.4, which `scripts/setup helm` installs: {e}"));
    assert!(seen.status.success(), "{seen:?}");
    let said = String::from_utf8(seen.stdout).unwrap();
    let (status, message) = said.trim_end().split_once('\n').unwrap();
    (status.to_owned(), message.to_owned())
}

#[test]
fn argo_cd_shows_a_job_as_healthy_only_once_it_has_succeeded() {
    let said = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "because"});
    let object = |spec: &Value, conditions: &[Value]| json!({"spec": spec, "status": {"conditions": conditions}});
    let plain = json!({"type": "echo"});
    let suspended = json!({"type": "echo", "suspend": true});
    let running = said("Succeeded", "Unknown", "Running");
    let finished = said("Finished", "True", "x");
    let good = said("Succeeded", "True", "Succeeded");
    let bad = said("Succeeded", "False", "AgentError");
    let table = [
        (json!({"spec": plain}), "Progressing", "not looked at yet"),
        (
            object(&plain, std::slice::from_ref(&running)),
            "Progressing",
            "Running: because",
        ),
        (
            object(&suspended, std::slice::from_ref(&running)),
            "Suspended",
            "Running: because",
        ),
        (
            object(&plain, &[running, said("Stalled", "True", "x")]),
            "Degraded",
            "because",
        ),
        (
            object(&plain, &[good.clone(), finished.clone()]),
            "Healthy",
            "Succeeded: because",
        ),
        (
            object(&suspended, &[good, finished.clone()]),
            "Healthy",
            "Succeeded: because",
        ),
        (
            object(&plain, &[bad, finished]),
            "Degraded",
            "AgentError: because",
        ),
    ];
    for (object, status, message) in table {
        let wanted = (status.to_owned(), message.to_owned());
        assert_eq!(health(&object), wanted, "{object}");
    }
}

#[tokio::test]
async fn the_conditions_that_the_health_check_reads_are_those_of_the_definition() {
    let text = std::fs::read_to_string(example("argocd-health.lua")).unwrap();
    for name in [
        condition::SUCCEEDED,
        condition::FINISHED,
        condition::STALLED,
    ] {
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
    let cluster = shared().await;
    // What a definition is said to be stands there a moment after it is established.
    let words = ["explain", "agentjob.status.conditions"];
    let began = Instant::now();
    let said = loop {
        let seen = run(&cluster, &words, &Value::Null);
        if seen.status.success() || began.elapsed() > PATIENCE {
            break told(seen);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(said.contains("lastTransitionTime"), "{said}");
}
