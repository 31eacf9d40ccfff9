//! More time for a job that is at work.

use reqwest::Method;
use sandbox_tests::node::Node;
use serde_json::{Value, json};

async fn patch(node: &Node, id: &str, spec: Value) -> (u16, Value) {
    let path = format!("/jobs/{id}");
    let asked = node
        .request(Method::PATCH, &path)
        .json(&json!({"spec": spec}));
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_job_at_work_that_is_given_more_time_does_not_end_at_its_first_deadline() {
    let node = Node::start(&[]);
    let spec = json!({"type": "echo", "echo": {"delay": "5s"}, "deadline": "3s"});
    let id = node.submit_spec(spec).await;
    node.running(&id).await;
    let (status, job) = patch(&node, &id, json!({"deadline": "10m"})).await;
    assert_eq!(status, 200, "{job}");
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(1)),
        "{job:#}"
    );
}

#[tokio::test]
async fn a_shorter_deadline_or_other_work_is_refused() {
    let node = Node::start(&[]);
    let spec = json!({"type": "echo", "echo": {"delay": "10m"}, "deadline": "1h"});
    let id = node.submit_spec(spec).await;
    node.running(&id).await;
    for (spec, said) in [
        (json!({"deadline": "30m"}), "longer"),
        (json!({"deadline": null}), "longer"),
        (json!({"echo": {"delay": "1s"}}), "cannot be changed"),
        (json!({"deadline": "1h-5m"}), "like 90s, 30m or 2h"),
        (json!({"priority": "high"}), "priority"),
    ] {
        let (status, problem) = patch(&node, &id, spec).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem.to_string().contains(said), "{said}: {problem}");
    }
    let unnamed = node
        .submit_spec(json!({"type": "echo", "echo": {"delay": "10m"}}))
        .await;
    let (status, problem) = patch(&node, &unnamed, json!({"deadline": "1h"})).await;
    assert_eq!(status, 422, "{problem}");
    for id in [&id, &unnamed] {
        patch(&node, id, json!({"cancel": true})).await;
        assert_eq!(node.ended(id).await["outcome"], "Cancelled");
        let (status, _) = patch(&node, id, json!({"deadline": "100h"})).await;
        assert_eq!(status, 409);
    }
}
