//! What goes wrong with engines and registries: it is told in words, nothing is lost, and nothing
//! starts twice.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::Command,
};

use axum::http::StatusCode;
use sandbox_tests::{engine::Engine, node::Node};
use serde_json::{Value, json};

use crate::{echo, node_on, registry};

/// Why the job's attempt is being stopped, as its status says it.
fn stopping(job: &Value) -> &str {
    job["status"]["stop"]["failure"]["message"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_job_waits_for_an_engine_that_is_not_there_and_runs_once_when_it_comes() {
    let folder = tempfile::tempdir().unwrap().keep();
    let host = format!("unix://{}/docker.sock", folder.display());
    let node = Node::start(&[("DOCKER_HOST", host.as_str())]);
    let id = node.submit_spec(echo("0s", &json!({}))).await;
    let told = |job: &Value| stopping(job).contains("reach the container engine");
    let job = node.until_resource(&id, told).await;
    assert!(stopping(&job).contains("DOCKER_HOST"), "{job:#}");
    let engine = Engine::start_in(folder, &[]);
    engine.load();
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!(node.starts(&id).len(), 1);
}

#[tokio::test]
async fn a_socket_that_the_server_may_not_use_is_told_with_the_remedy() {
    let engine = Engine::shared();
    let Some(folder) = &engine.folder else { return };
    let mode = |bits| fs::set_permissions(folder, fs::Permissions::from_mode(bits)).unwrap();
    mode(0o755);
    let shut = tempfile::tempdir().unwrap();
    fs::set_permissions(shut.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let socket = shut.path().join("docker.sock");
    // A way to the same engine that this server may not use yet.
    let outer = tokio::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let inner = folder.join("docker.sock");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = outer.accept().await {
            let mut far = tokio::net::UnixStream::connect(&inner).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let host = format!("unix://{}", socket.display());
    let mut node = Node::prepare(&[("DOCKER_HOST", host.as_str())]).as_user(12345);
    node.restart();
    let id = node.submit_spec(echo("0s", &json!({}))).await;
    let told = |job: &Value| stopping(job).contains("usermod -aG docker");
    node.until_resource(&id, told).await;
    chown(&socket, Some(12345), None).unwrap();
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    // What a server of a plain user begins, runs as that user.
    let attempt = u32::try_from(job["attempt"].as_u64().unwrap()).unwrap();
    let report = fs::metadata(node.seat(&id, attempt).join("report.json"));
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&report.unwrap()), 12345);
}

async fn not_pulled(image: &str) -> Value {
    let engine = Engine::shared();
    let node = node_on(engine, &[("SANDBOX_CONTAINER_IMAGE", image)]);
    let id = node.submit_spec(echo("0s", &json!({}))).await;
    node.ended(&id).await;
    node.resource(&id).await["status"].clone()
}

#[tokio::test]
async fn an_image_that_no_registry_has_fails_at_once_and_is_not_tried_again() {
    let port = registry::refusing(StatusCode::NOT_FOUND).await;
    let status = not_pulled(&format!("127.0.0.1:{port}/none:1")).await;
    assert_eq!(status["failure"]["class"], "InvalidSpec", "{status:#}");
    assert_eq!(status["attempt"], 1);
    let text = status["failure"]["message"].as_str().unwrap_or_default();
    assert!(
        text.contains("pull image 127.0.0.1") && text.contains("SANDBOX_CONTAINER_IMAGE"),
        "{text}"
    );
}

#[tokio::test]
async fn a_registry_that_is_down_is_asked_again_and_then_told() {
    let port = registry::refusing(StatusCode::INTERNAL_SERVER_ERROR).await;
    let status = not_pulled(&format!("127.0.0.1:{port}/none:1")).await;
    assert_eq!(status["failure"]["class"], "Infrastructure", "{status:#}");
    assert_eq!(status["attempt"], 3);
}

#[tokio::test]
async fn an_image_is_pulled_with_progress_and_its_digest_stands_in_the_status() {
    let registry = registry::serving().await;
    let engine = Engine::start(&[]);
    let image = format!("127.0.0.1:{}/runner:1", registry.port);
    let node = node_on(&engine, &[("SANDBOX_CONTAINER_IMAGE", &image)]);
    let id = node.submit_spec(echo("0s", &json!({}))).await;
    let pulling = format!("pulling image {image}");
    let told = |job: &Value| {
        let reason = job["status"]["queuedReason"].as_str();
        reason.is_some_and(|r| r.starts_with(&pulling))
    };
    node.until_resource(&id, told).await;
    registry.gate.add_permits(100);
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["outcome"], &job["attempt"]),
        (&json!("Succeeded"), &json!(1)),
        "{job:#}"
    );
    let exact = format!("127.0.0.1:{}/runner@{}", registry.port, registry.digest);
    let job = node.resource(&id).await;
    assert_eq!(job["status"]["backendRef"]["image"], exact);
}

/// A file system of this size that a test may fill.
struct Small(tempfile::TempDir);

impl Small {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let words = ["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"];
        let done = Command::new("mount").args(words).arg(dir.path()).status();
        assert!(done.unwrap().success());
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_of_the_engine_is_told_and_the_job_runs_once_there_is_room() {
    let disk = Small::new("1500m");
    let engine = Engine::start_in(disk.0.path().join("engine"), &[]);
    engine.load();
    let node = node_on(&engine, &[]);
    let filler = disk.0.path().join("filler");
    let script = ["-c", "cat /dev/zero >\"$0\" 2>/dev/null"];
    let full = Command::new("sh")
        .args(script)
        .arg(&filler)
        .status()
        .unwrap();
    assert!(!full.success());
    let mut spec = echo("0s", &json!({}));
    spec["retry"]["limit"] = json!(10);
    let id = node.submit_spec(spec).await;
    let told = |job: &Value| {
        job["status"]["failure"]["message"]
            .to_string()
            .contains("no space left")
    };
    let job = node.until_resource(&id, told).await;
    assert_eq!(job["status"]["failure"]["class"], "Infrastructure");
    fs::remove_file(&filler).unwrap();
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!(node.starts(&id).len(), 1);
}

#[tokio::test]
async fn work_goes_on_while_the_daemon_is_killed_and_is_found_when_it_is_back() {
    let mut engine = Engine::start(&["--live-restore"]);
    engine.load();
    let node = node_on(&engine, &[]);
    let id = node.submit_spec(echo("5s", &json!({}))).await;
    node.running(&id).await;
    node.until(&id, |_| node.starts(&id).len() == 1).await;
    engine.tell("kill");
    let report = node.seat(&id, 1).join("report.json");
    node.until(&id, |_| report.exists()).await;
    engine.tell("start");
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["outcome"], &job["attempt"]),
        (&json!("Succeeded"), &json!(1)),
        "{job:#}"
    );
    assert_eq!(node.starts(&id).len(), 1);
}

#[tokio::test]
async fn a_daemon_that_stops_its_containers_makes_their_jobs_run_again_once_it_is_back() {
    let mut engine = Engine::start(&[]);
    engine.load();
    let node = node_on(&engine, &[]);
    let id = node.submit_spec(echo("5s", &json!({}))).await;
    node.running(&id).await;
    node.until(&id, |_| node.starts(&id).len() == 1).await;
    engine.tell("stop");
    engine.tell("start");
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["outcome"], &job["attempt"]),
        (&json!("Succeeded"), &json!(2)),
        "{job:#}"
    );
    assert_eq!(node.starts(&id).len(), 2);
}
