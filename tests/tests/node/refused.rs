//! What is typed wrong is refused at the door, in words, and nothing is lost by it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::Method;
use sandbox_tests::node::Node;
use serde_json::json;

#[tokio::test]
async fn wrong_bodies_are_refused_with_the_field_and_the_server_goes_on() {
    let node = Node::start(&[]);
    let wrong = [
        (json!({"payload": {}}), "job_type"),
        (json!({"job_type": "nosuch", "payload": {}}), "agent_farm"),
        (
            json!({"job_type": "agent_farm", "payload": {"path": "p", "agent_count": "three"}}),
            "agent_count",
        ),
        (
            json!({"job_type": "agent_farm", "payload": {"path": "p", "claude_cmd": "sh"}}),
            "claude_cmd",
        ),
        (
            json!({"job_type": "agent_farm", "payload": {"repo_url": "--upload-pack=x"}}),
            "url",
        ),
        (
            json!({"job_type": "agent_farm", "payload": {"repo_url": "ext::sh -c x"}}),
            "url",
        ),
        (
            json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": {"type": "echo", "echo": {}, "dependsOn": [{"name": "x"}]}}),
            "not supported yet",
        ),
    ];
    for (body, word) in wrong {
        let (status, said) = node.post("/jobs", &body).await;
        assert_eq!(status, 422, "{body}: {said}");
        assert!(said.to_string().contains(word), "{body}: {said}");
    }
    let text = node
        .request(Method::POST, "/jobs")
        .body("{\"job_type\":")
        .send()
        .await
        .unwrap();
    assert!(text.status().is_client_error());
    assert!(refusal_of_a_large_body(&node).starts_with("HTTP/1.1 413"));
    let id = node.submit("echo", json!({})).await;
    assert_eq!(node.ended(&id).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_page_on_the_web_cannot_submit_to_this_machine() {
    let node = Node::start(&[]);
    let body = "{\"job_type\": \"echo\", \"payload\": {}}";
    for (name, value) in [("origin", "https://example.org"), ("host", "example.org")] {
        let request = node
            .request(Method::POST, "/jobs")
            .header(name, value)
            .body(body);
        assert_eq!(request.send().await.unwrap().status(), 403, "{name}");
    }
    let plain = node
        .request(Method::POST, "/jobs")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 200);
}

#[tokio::test]
async fn a_server_without_tmux_says_what_to_install() {
    let node = Node::prepare(&[("PATH", "/nowhere")]);
    let ended = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains("tmux") && said.contains("install"), "{said}");
}

#[tokio::test]
async fn a_tmux_that_is_too_old_is_refused_by_server_and_doctor_alike() {
    for old in ["tmux 3.2a", "tmux 2.9", "tmux next-3.2"] {
        let (_folder, path) = tmux_that_says(old);
        let node = Node::prepare(&[("PATH", &path)]);
        let ended = node.command().output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success(), "{old}");
        assert!(said.contains(old) && said.contains("tmux 3.3"), "{said}");
        let said = doctor(&node, &path);
        assert!(said.contains("MISSING  tmux: "), "{said}");
        assert!(said.contains(old) && said.contains("tmux 3.3"), "{said}");
    }
}

#[tokio::test]
async fn a_tmux_of_another_numbering_is_taken_by_server_and_doctor_alike() {
    for new in ["tmux next-3.4", "tmux openbsd-7.4", "tmux master"] {
        let (_folder, path) = tmux_that_says(new);
        let node = Node::start(&[("PATH", &path)]);
        let id = node.submit("echo", json!({})).await;
        assert_eq!(node.ended(&id).await["status"], "SUCCEEDED", "{new}");
        let said = doctor(&node, &path);
        assert!(said.contains(&format!("ok       tmux: {new}")), "{said}");
    }
}

/// A folder with a `tmux` that says this version, and is the real one otherwise; and a PATH that
/// begins with it.
fn tmux_that_says(version: &str) -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let file = folder.path().join("tmux");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = -V ] && {{ echo '{version}'; exit; }}\n\
         PATH='{path}' exec tmux \"$@\"\n"
    );
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", folder.path().display());
    (folder, path)
}

fn doctor(node: &Node, path: &str) -> String {
    let mut command = std::process::Command::new(sandbox_tests::node::built("sandbox"));
    command.args(["doctor", "--data-dir"]).arg(node.data());
    let ended = command.env("PATH", path).output().unwrap();
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[tokio::test]
async fn attaching_to_a_job_that_is_over_says_where_to_look() {
    let node = Node::start(&[]);
    let id = node.submit("echo", json!({})).await;
    node.ended(&id).await;
    let mut command = std::process::Command::new(sandbox_tests::node::built("sandbox"));
    command.args(["attach", &id, "--data-dir"]).arg(node.data());
    let ended = command.env("SANDBOX_SERVER", node.url()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains(&format!("sandbox logs {id}")), "{said}");
}

#[tokio::test]
async fn a_damaged_store_is_refused_with_a_remedy_and_left_as_it_is() {
    let node = Node::prepare(&[]);
    std::fs::create_dir_all(node.data()).unwrap();
    let file = node.data().join("sandbox.db");
    std::fs::write(
        &file,
        "this is no database, and long enough to be read as one".repeat(40),
    )
    .unwrap();
    let ended = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains("restore it from a backup"), "{said}");
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("this is no database")
    );
}

#[tokio::test]
async fn a_public_address_without_keys_is_refused() {
    let node = Node::prepare(&[]);
    let mut command = node.command();
    let ended = command.args(["--listen", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains("AUTH_ENABLED"), "{said}");
}

#[tokio::test]
async fn a_tenant_never_sees_anothers_job() {
    let keys = json!({"key-of-a": "client-a", "key-of-b": "client-b"}).to_string();
    let node = Node::start(&[("AUTH_ENABLED", "true"), ("API_KEYS", &keys)]);
    let body = json!({"job_type": "echo", "payload": {}});
    let job: serde_json::Value = node
        .request(Method::POST, "/jobs")
        .header("x-api-key", "key-of-a")
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let path = format!("/jobs/{}", job["job_id"].as_str().unwrap());
    let seen = async |key: &str| {
        node.request(Method::GET, &path)
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        (
            seen("key-of-a").await,
            seen("key-of-b").await,
            seen("wrong").await
        ),
        (200, 404, 403)
    );
    assert_eq!(node.get(&path).await.0, 401);
}

/// A body that is announced as too large is refused before it is sent.
fn refusal_of_a_large_body(node: &Node) -> String {
    let address = node.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("POST /jobs HTTP/1.1\r\nhost: {address}\r\ncontent-length: 2097152\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 64];
    let size = stream.read(&mut first).unwrap();
    String::from_utf8_lossy(&first[..size]).into_owned()
}
