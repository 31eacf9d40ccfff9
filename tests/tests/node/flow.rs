//! What a user does with jobs, and what becomes of them.

use reqwest::Method;
use sandbox_tests::node::Node;
use serde_json::json;

#[tokio::test]
async fn a_job_runs_once_and_its_result_log_and_events_can_be_read() {
    let node = Node::start(&[]);
    let id = node.submit("echo", json!({"message": "hello"})).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED");
    assert_eq!(job["result"]["echoed_message"], "hello");
    assert_eq!(node.starts(&id), [format!("{id}/1 began")]);
    let (_, log) = node.get(&format!("/jobs/{id}/logs")).await;
    assert!(log.as_str().unwrap().contains("Succeeded"), "{log}");
    let (_, resource) = node.get(&format!("/jobs/{id}?view=resource")).await;
    assert_eq!(resource["status"]["outcome"], "Succeeded", "{resource:#}");
    let recorded = resource["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .any(|c| c["type"] == "Recorded" && c["status"] == "True");
    assert!(recorded, "{resource:#}");
    assert_eq!(node.seat_processes(), [0; 0]);
}

#[tokio::test]
async fn a_cancelled_job_ends_and_nothing_of_it_lives() {
    let node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"delay": "10m"}}))
        .await;
    node.running(&id).await;
    let (status, _) = node.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["outcome"]),
        (&json!("FAILED"), &json!("Cancelled"))
    );
    assert_eq!(node.seat_processes(), [0; 0]);
}

#[tokio::test]
async fn a_job_that_outlives_its_deadline_is_timed_out() {
    let node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"delay": "10m"}, "deadline": "1s"}))
        .await;
    let job = node.ended(&id).await;
    assert_eq!(job["outcome"], "TimedOut", "{job:#}");
    assert_eq!(job["failure"]["class"], "Deadline");
    assert_eq!(node.seat_processes(), [0; 0]);
}

#[tokio::test]
async fn a_job_beyond_the_slots_says_its_place_and_starts_when_one_is_free() {
    let node = Node::start(&[("SANDBOX_SLOTS", "1")]);
    let first = node
        .submit_spec(json!({"type": "echo", "echo": {"delay": "10m"}}))
        .await;
    node.running(&first).await;
    let second = node.submit("echo", json!({})).await;
    let third = node.submit("echo", json!({})).await;
    let waits = |place: &str| format!("waiting for a slot, position {place}");
    node.until(&second, |j| j["queued_reason"] == waits("1"))
        .await;
    node.until(&third, |j| j["queued_reason"] == waits("2"))
        .await;
    node.post(&format!("/jobs/{first}/cancel"), &json!({}))
        .await;
    assert_eq!(node.ended(&second).await["status"], "SUCCEEDED");
    assert_eq!(node.ended(&third).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_repeated_submission_with_the_same_key_is_the_same_job() {
    let node = Node::start(&[]);
    let body = json!({"job_type": "echo", "payload": {}});
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = node
            .request(Method::POST, "/jobs")
            .header("idempotency-key", "k1")
            .json(&body);
        let job: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        ids.push(job["job_id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    node.ended(ids[0].as_str().unwrap()).await;
    assert_eq!(node.starts(ids[0].as_str().unwrap()).len(), 1);
}

#[tokio::test]
async fn a_finished_job_is_retried_as_a_new_one() {
    let node = Node::start(&[]);
    let id = node.submit("echo", json!({"message": "again"})).await;
    node.ended(&id).await;
    let (status, job) = node.post(&format!("/jobs/{id}/retry"), &json!({})).await;
    assert_eq!(status, 200, "{job}");
    let again = job["job_id"].as_str().unwrap();
    assert_ne!(again, id);
    assert_eq!(node.ended(again).await["result"]["echoed_message"], "again");
}

#[tokio::test]
async fn many_jobs_at_once_all_end_and_each_begins_once() {
    let node = Node::start(&[]);
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(node.submit("echo", json!({"message": n.to_string()})).await);
    }
    for id in &ids {
        assert_eq!(node.ended(id).await["status"], "SUCCEEDED");
        assert_eq!(node.starts(id).len(), 1);
    }
    assert_eq!(node.seat_processes(), [0; 0]);
}
