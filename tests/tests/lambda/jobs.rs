//! A job from its request to its end: by events alone, and by a runner that comes in by the API.

use reqwest::Method;
use sandbox_tests::lambda::{Account, Plan};
use serde_json::{Value, json};

fn echo(delay: &str) -> Value {
    json!({"type": "echo", "echo": {"message": "hello", "delay": delay}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_when_the_job_is_written_down_and_starts_nothing_itself() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let id = account.submit(&echo("0s")).await;
    account.cold().await;
    let job = account.job(&id).await;
    assert_eq!(job["status"], "QUEUED", "{job:#}");
    assert_eq!(account.ecs.asked("RunTask"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_starts_a_job_a_task_does_it_and_its_log_is_there() {
    let account = Account::new().await;
    let id = account.submit(&echo("0s")).await;
    let job = account.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(job["result"]["echoed_message"], "hello");
    assert_eq!(job["backend_ref"]["kind"], "fargate");
    assert_eq!(account.ecs.begun().len(), 1);
    let variables =
        account.ecs.launches()[0]["overrides"]["containerOverrides"][0]["environment"].clone();
    assert!(
        !variables.to_string().contains("SANDBOX_SEAT_CA"),
        "{variables}"
    );
    let (_, log) = account.get(&format!("/jobs/{id}/logs")).await;
    assert!(log.contains("attempt 1"), "{log}");
    let (_, files) = account.get(&format!("/jobs/{id}/artifacts")).await;
    assert!(files.contains("echo.log"), "{files}");
    let file = account.get(&format!("/jobs/{id}/artifacts/echo.log")).await;
    assert!(file.0 == 200 && !file.1.is_empty(), "{file:?}");
    let recorded = |job: &Value| job["status"]["conditions"].to_string().contains("Recorded");
    let resource = account.get(&format!("/jobs/{id}?view=resource")).await.1;
    assert!(
        recorded(&serde_json::from_str(&resource).unwrap()),
        "{resource}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_a_task_at_work_is_shown_in_pieces() {
    let account = Account::new().await;
    let id = account.submit(&echo("20s")).await;
    account.until(&id, |job| job["status"] == "RUNNING").await;
    let path = format!("/jobs/{id}/logs?follow=true");
    let from = std::time::Instant::now();
    let next = loop {
        let answer = account.request(Method::GET, &path).send().await.unwrap();
        let next = answer.headers()["x-next-cursor"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = answer.text().await.unwrap();
        if text.contains("attempt 1") {
            break next;
        }
        assert!(
            from.elapsed() < sandbox_tests::node::PATIENCE,
            "no log: {text}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_ne!(next, "0");
    let cancelled = account
        .request(Method::POST, &format!("/jobs/{id}/cancel"))
        .send()
        .await;
    assert_eq!(cancelled.unwrap().status(), 200);
    let job = account.ended(&id).await;
    assert_eq!(job["outcome"], "Cancelled", "{job:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_follows_a_log_though_no_answer_is_held_open() {
    let account = Account::new().await;
    let id = account.submit(&echo("1s")).await;
    let followed = account
        .command()
        .args(["logs", "-f", &id])
        .output()
        .await
        .unwrap();
    let log = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert!(followed.status.success(), "{followed:?}");
    let job = account.job(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let (_, whole) = account.get(&format!("/jobs/{id}/logs")).await;
    assert_eq!(log, whole);
    assert!(log.contains("attempt 1"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_killed_is_tried_again_when_its_pause_is_over() {
    let account = Account::new().await;
    let id = account.submit(&echo("3s")).await;
    account.until(&id, |job| job["status"] == "RUNNING").await;
    let first = account.ecs.begun()[0].clone();
    account.ecs.kills(&first);
    let job = account.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}"
    );
    assert_eq!(account.ecs.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_given_back_goes_to_the_first_that_waits() {
    let account = Account::with(Plan::default().set("SANDBOX_SLOTS", "1")).await;
    let first = account.submit(&echo("1s")).await;
    account
        .until(&first, |job| job["status"] == "RUNNING")
        .await;
    let second = account.submit(&echo("0s")).await;
    let third = account.submit(&echo("0s")).await;
    for id in [&first, &second, &third] {
        let job = account.ended(id).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    }
    assert_eq!(account.ecs.begun().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_asked_for_and_a_tenant_sees_its_own_jobs() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let id = account.submit(&echo("0s")).await;
    let status = async |key: Option<&str>, path: &str| {
        let mut asked = account.open(Method::GET, path);
        if let Some(key) = key {
            asked = asked.header("x-api-key", key);
        }
        asked.send().await.unwrap().status().as_u16()
    };
    let path = format!("/jobs/{id}");
    assert_eq!(status(None, &path).await, 401);
    assert_eq!(status(Some("sk-wrong"), &path).await, 403);
    let other = sandbox_tests::lambda::account::OTHER_KEY;
    assert_eq!(status(Some(other), &path).await, 404);
    assert_eq!(status(None, "/health").await, 200);
    let brief = account.open(Method::POST, &format!("/v1/seats/{id}/1/brief"));
    let brief = brief
        .json(&json!({"nonce": "n", "body": null}))
        .send()
        .await
        .unwrap();
    assert_eq!(brief.status(), 401, "a runner needs the token of its seat");
}
