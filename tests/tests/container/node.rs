//! Whole nodes whose jobs run in containers: the built binaries, HTTP, a real engine.

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use sandbox_tests::{
    engine::{Engine, IMAGE},
    node::Node,
    redis::RedisServer,
};
use serde_json::{Value, json};

use crate::{echo, node_on};

/// No container of this job is there; otherwise the state and the end of what it printed are shown.
fn nothing_is_left(engine: &Engine, id: &str) {
    let ours = ["ps", "-aq", "--filter", &format!("name=aj-{id}")];
    let left = engine.done(&ours);
    if let Some(first) = left.lines().next() {
        let state = engine.docker(&["inspect", "-f", "{{.Created}} {{json .State}}", first]);
        let printed = engine.docker(&["logs", "--tail", "20", first]);
        panic!("left: {left}\n{state:?}\n{printed:?}");
    }
}

#[tokio::test]
async fn an_echo_runs_in_a_container_claims_as_it_and_leaves_nothing() {
    let engine = Engine::shared();
    let node = node_on(engine, &[]);
    let id = node.submit_spec(echo("0s", &json!({}))).await;
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!(node.starts(&id).len(), 1);
    let job = node.resource(&id).await;
    let place = &job["status"]["backendRef"];
    assert_eq!(place["kind"], "container");
    assert_eq!(place["name"], format!("aj-{id}-1"));
    // Podman gives an image that was built here the digest that a registry would.
    let exact = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}";
    let exact = engine.done(&["image", "inspect", "-f", exact, IMAGE]);
    assert_eq!(place["image"], exact);
    let claim = fs::read_to_string(node.seat(&id, 1).join("register.json")).unwrap();
    assert!(claim.contains("\"instance\":\"container:"), "{claim}");
    let (_, log) = node.get(&format!("/jobs/{id}/logs")).await;
    assert!(log.to_string().contains("begins"), "{log}");
    nothing_is_left(engine, &id);
}

#[tokio::test]
async fn a_runner_reports_while_the_server_is_dead_and_is_found_again() {
    let engine = Engine::shared();
    let mut node = node_on(engine, &[]);
    let id = node.submit_spec(echo("3s", &json!({}))).await;
    node.running(&id).await;
    node.kill(Signal::KILL);
    engine.done(&["wait", &format!("aj-{id}-1")]);
    node.restart();
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!((node.starts(&id).len(), &job["attempt"]), (1, &json!(1)));
}

#[tokio::test]
async fn work_in_a_container_is_taken_over_by_the_other_node_of_the_folder_when_one_dies() {
    let (engine, redis) = (Engine::shared(), RedisServer::start().await.unwrap());
    let url = format!("unix://{}", redis.socket().display());
    let mut first = node_on(engine, &[("SANDBOX_STORE", &url)]);
    let second = first.beside();
    let ends = first.submit_spec(echo("4s", &json!({}))).await;
    let cancelled = first.submit_spec(echo("10m", &json!({}))).await;
    for id in [&ends, &cancelled] {
        second.running(id).await;
    }
    first.kill(Signal::KILL);
    let job = second.ended(&ends).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    second
        .post(&format!("/jobs/{cancelled}/cancel"), &json!({}))
        .await;
    let job = second.ended(&cancelled).await;
    assert_eq!(job["outcome"], "Cancelled", "{job:#}");
    for id in [&ends, &cancelled] {
        assert_eq!(second.starts(id).len(), 1);
        nothing_is_left(engine, id);
    }
}

#[tokio::test]
async fn a_cancelled_job_ends_its_container() {
    let engine = Engine::shared();
    let node = node_on(engine, &[]);
    let id = node
        .submit_spec(echo("10m", &json!({"network": "none"})))
        .await;
    node.running(&id).await;
    node.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Cancelled", "{job:#}");
    nothing_is_left(engine, &id);
}

#[tokio::test]
async fn a_container_that_is_killed_from_outside_is_tried_again_and_both_starts_are_known() {
    let engine = Engine::shared();
    let node = node_on(engine, &[]);
    let id = node.submit_spec(echo("4s", &json!({}))).await;
    node.running(&id).await;
    node.until(&id, |_| node.starts(&id).len() == 1).await;
    engine.done(&["kill", &format!("aj-{id}-1")]);
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!((node.starts(&id).len(), &job["attempt"]), (2, &json!(2)));
}

#[tokio::test]
async fn twenty_containers_at_once_all_succeed_with_one_start_each() {
    let node = node_on(Engine::shared(), &[("SANDBOX_SLOTS", "20")]);
    let small = json!({"resources": {"cpu": "200m", "memory": "128Mi"}});
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(node.submit_spec(echo("1s", &small)).await);
    }
    for id in &ids {
        let job = node.ended(id).await;
        assert_eq!(job["outcome"], "Succeeded", "{job:#}");
        assert_eq!((node.starts(id).len(), &job["attempt"]), (1, &json!(1)));
    }
}

#[tokio::test]
async fn what_a_job_says_of_its_container_is_checked_at_the_door() {
    let node = node_on(Engine::shared(), &[]);
    let spec = |backend: Value| json!({"type": "echo", "echo": {}, "backend": backend});
    for (backend, field) in [
        (json!({"name": "vps", "container": {}}), "name: container"),
        (
            json!({"name": "container", "container": {"image": "else/else:1"}}),
            "SANDBOX_CONTAINER_IMAGES",
        ),
        (
            json!({"name": "container", "container": {"image": "--privileged"}}),
            "image must be a name",
        ),
        (
            json!({"name": "container", "container": {"network": "host"}}),
            "network",
        ),
        (
            json!({"name": "container", "container": {"resources": {"memory": "1Ki"}}}),
            "memory must be",
        ),
        (
            json!({"name": "container", "container": {"resources": {"cpu": "0"}}}),
            "cpu must be",
        ),
        (
            json!({"name": "container", "container": {"privileged": true}}),
            "privileged",
        ),
    ] {
        let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec(backend)});
        let (status, said) = node.post("/jobs", &job).await;
        assert_eq!(status, 422, "{said}");
        assert!(said.to_string().contains(field), "{field}: {said}");
    }
}

/// A tenant's folder with a repository and a scenario, owned by the user of containers.
fn workspace(scenario: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let tenant = dir.path().join("default");
    fs::create_dir_all(tenant.join("repo")).unwrap();
    fs::write(tenant.join("scenario.yaml"), scenario).unwrap();
    let script = "git init -q -b main . && echo one >a && git add a \
        && git -c user.name=t -c user.email=t@t.invalid commit -q -m First && chown -R 10001:10001 ..";
    sh(&tenant.join("repo"), script);
    dir
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
const AGENT: &str = "env SCRIPTED_AGENT_SCENARIO=/workspace/default/scenario.yaml scripted-agent";

#[tokio::test]
async fn a_farm_works_in_one_container_with_tmux_inside() {
    let engine = Engine::shared();
    let dir = workspace(BOTH_COMMIT);
    let root = dir.path().to_str().unwrap();
    let node = node_on(
        engine,
        &[("SANDBOX_AGENT_COMMAND", AGENT), ("WORKSPACE_DIR", root)],
    );
    let farm = json!({"type": "agent_farm", "backend": {"name": "container"},
        "agentFarm": {"task": "Add files.", "agents": 2, "workspace": {"path": "repo"}}});
    let id = node.submit_spec(farm).await;
    let job = node.ended(&id).await;
    assert_eq!(
        job["outcome"],
        "Succeeded",
        "{job:#}\n{:#}",
        node.resource(&id).await
    );
    let repo = dir.path().join("default/repo");
    let name = job["name"].as_str().unwrap_or_default().to_owned();
    let landed = format!(
        "git -c safe.directory='*' log --format=%s farm/{}",
        if name.is_empty() {
            format!("job-{id}")
        } else {
            name
        }
    );
    let landed = sh(&repo, &landed);
    for commit in ["Add the first file", "Add the second file"] {
        assert!(landed.contains(commit), "{landed}");
    }
    nothing_is_left(engine, &id);
}

#[tokio::test]
async fn a_farms_terminal_is_reached_through_the_engine_while_it_works() {
    let engine = Engine::shared();
    let dir = workspace("- steps: [{hang: true}]\n");
    let root = dir.path().to_str().unwrap();
    let node = node_on(
        engine,
        &[("SANDBOX_AGENT_COMMAND", AGENT), ("WORKSPACE_DIR", root)],
    );
    let farm = json!({"type": "agent_farm", "backend": {"name": "container"},
        "agentFarm": {"task": "Wait.", "agents": 1, "workspace": {"path": "repo"}}});
    let id = node.submit_spec(farm).await;
    node.until(&id, |job| job["agents"]["total"] == 1).await;
    // The words of `sandbox attach`, but for what needs a terminal.
    let socket = format!("/sandbox/seats/{id}/1/agents.sock");
    let name = format!("aj-{id}-1");
    let seen = [
        "exec",
        &name,
        "tmux",
        "-S",
        &socket,
        "list-sessions",
        "-F",
        "#{session_name}",
    ];
    assert_eq!(engine.done(&seen), "farm");
    node.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(node.ended(&id).await["outcome"], "Cancelled");
}

/// A program in dbt's place that asks a server, by the proxy and directly, and prints what it got.
const PROBE: &str = "#!/bin/bash
ask() { exec 3<>\"/dev/tcp/$1/$2\" && printf \"GET http://127.0.0.1:$3/ HTTP/1.1\\r\\n\\r\\n\" >&3 && timeout 10 cat <&3; exec 3>&-; }
echo \"allowed: $(ask 127.0.0.1 3128 ALLOWED 2>&1 | tail -1)\"
echo \"other: $(ask 127.0.0.1 3128 OTHER 2>&1 | head -1)\"
echo \"direct: $(ask HOST ALLOWED ALLOWED 2>&1 | head -1)\"
echo \"proxy: $HTTPS_PROXY\"
";

/// What a job in this network is told by a server of this machine.
async fn probed(network: &str) -> String {
    let engine = Engine::shared();
    let server = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let app = axum::Router::new().fallback(|| async { "here\n" });
    tokio::spawn(async move { axum::serve(server, app).await });
    let dir = workspace("");
    let tenant = dir.path().join("default");
    let probe = PROBE
        .replace("ALLOWED", &port.to_string())
        .replace("OTHER", "1");
    fs::write(tenant.join("probe"), probe.replace("HOST", &address())).unwrap();
    sh(
        &tenant,
        "chmod 755 probe && echo 'name: p' >repo/dbt_project.yml && chown -R 10001:10001 .",
    );
    let hosts = format!("127.0.0.1:{port}");
    let env = [
        ("SANDBOX_DBT_COMMAND", "/workspace/default/probe"),
        ("WORKSPACE_DIR", dir.path().to_str().unwrap()),
        ("SANDBOX_CONTAINER_HOSTS", &hosts),
    ];
    let node = node_on(engine, &env);
    let spec = json!({"type": "dbt_run", "dbtRun": {"projectPath": "repo"},
        "backend": {"name": "container", "container": {"network": network}}});
    let id = node.submit_spec(spec).await;
    node.ended(&id).await;
    format!(
        "{}\n{}",
        node.get(&format!("/jobs/{id}/logs")).await.1,
        node.job(&id).await
    )
}

/// An address of this machine that is not loopback.
fn address() -> String {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let routed = socket
        .connect("192.0.2.77:9")
        .and_then(|()| socket.local_addr());
    routed.map_or_else(|_| "127.0.0.1".to_owned(), |a| a.ip().to_string())
}

#[tokio::test]
async fn a_restricted_container_reaches_listed_hosts_through_the_proxy_and_nothing_else() {
    let said = probed("restricted").await;
    assert!(said.contains("allowed: here"), "{said}");
    assert!(said.contains("other: HTTP/1.1 403"), "{said}");
    assert!(!said.contains("direct: HTTP"), "{said}");
    assert!(said.contains("proxy: http://127.0.0.1:3128"), "{said}");
}

#[tokio::test]
async fn a_container_without_network_reaches_nothing() {
    let said = probed("none").await;
    assert!(
        said.contains("allowed: ") && said.contains("direct: "),
        "{said}"
    );
    assert!(
        !said.contains("here") && !said.contains("HTTP/1.1"),
        "{said}"
    );
}

#[tokio::test]
async fn a_container_with_all_of_the_network_reaches_this_machine() {
    let said = probed("full").await;
    assert!(said.contains("direct: HTTP/1.1 200"), "{said}");
}

#[tokio::test]
async fn where_no_engine_is_a_container_job_is_refused_with_the_remedy() {
    if sandbox_operator::backend::container::engine_host(None).is_some() {
        return;
    }
    let node = Node::start(&[]);
    let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {},
        "spec": echo("0s", &json!({}))});
    let (status, said) = node.post("/jobs", &job).await;
    assert_eq!(status, 422, "{said}");
    assert!(
        said.to_string().contains("start Docker or Podman"),
        "{said}"
    );
}

#[tokio::test]
async fn nobody_takes_anothers_seat_through_the_socket_that_containers_see() {
    let node = node_on(Engine::shared(), &[]);
    let socket = node.data().join("run/c/node.sock");
    let client = reqwest::Client::builder().unix_socket(socket).build();
    let seat = uuid::Uuid::new_v4();
    let claim = json!({"nonce": "n", "instance": "container:x", "at": "2026-01-01T00:00:00Z"});
    let path = format!("http://node/v1/seats/{seat}/1/claim");
    let answer = client
        .unwrap()
        .post(path)
        .json(&claim)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), "open");
    assert!(!node.seat(&seat.to_string(), 1).exists());
    let inside: Vec<_> = fs::read_dir(node.data().join("run/c")).unwrap().collect();
    assert_eq!(
        inside.len(),
        2,
        "only the two sockets are seen inside: {inside:?}"
    );
}
