//! How long what jobs leave is kept.

use rustix::process::Signal;
use sandbox_tests::node::{Node, PATIENCE};
use serde_json::json;

/// Waits until nothing of the job is there: no record, no seat, no artifact.
async fn gone(node: &Node, id: &str) {
    let seats = node.data().join("seats").join(id);
    let artifacts = node.data().join("artifacts/default").join(id);
    let vanished = async {
        while node.get(&format!("/jobs/{id}")).await.0 != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, vanished).await.unwrap();
    assert!(!seats.exists() && !artifacts.exists());
}

#[tokio::test]
async fn a_removed_job_takes_its_log_and_artifacts_along() {
    let node = Node::start(&[]);
    let id = node.submit("echo", json!({})).await;
    node.ended(&id).await;
    assert_eq!(node.starts(&id).len(), 1);
    let path = format!("/jobs/{id}");
    let asked = node.request(reqwest::Method::DELETE, &path).send().await;
    assert_eq!(asked.unwrap().status(), 202);
    gone(&node, &id).await;
}

#[tokio::test]
async fn a_shorter_time_to_live_after_a_restart_holds_for_jobs_that_were_over_before() {
    let mut node = Node::start(&[("SANDBOX_TTL_AFTER_FINISHED", "keep")]);
    let own = json!({"type": "echo", "echo": {}, "ttlAfterFinished": "100h"});
    let stays = node.submit_spec(own).await;
    let goes = node.submit("echo", json!({})).await;
    for id in [&stays, &goes] {
        node.ended(id).await;
    }
    node.kill(Signal::TERM);
    node.set("SANDBOX_TTL_AFTER_FINISHED", "0s");
    node.restart();
    gone(&node, &goes).await;
    assert_eq!(node.job(&stays).await["status"], "SUCCEEDED");
}
