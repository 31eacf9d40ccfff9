//! Cancel, remove, retry.

use axum::http::StatusCode;
use sandbox_core::Outcome;
use serde_json::{Value, json};

use super::world::{World, ask};

#[tokio::test]
async fn a_cancel_is_written_once_and_calls_the_reconciler() {
    let mut world = World::open();
    let id = world.echo("x").await;
    world.woken.try_recv().unwrap();
    let path = format!("/jobs/{id}/cancel");
    assert_eq!(world.post(&path, &Value::Null).await.status, 200);
    let job = world.job(&id).await;
    assert!(job.spec.cancel);
    assert_eq!(job.metadata.generation, Some(2));
    assert_eq!(world.woken.try_recv().unwrap().as_str(), id);
    assert_eq!(world.post(&path, &Value::Null).await.status, 200);
    assert_eq!(world.job(&id).await.version(), job.version());
    world.ended(&id, Outcome::Cancelled).await;
    let late = world.post(&path, &Value::Null).await;
    late.is_problem(StatusCode::CONFLICT, "job_finished");
}

#[tokio::test]
async fn a_removed_job_is_cancelled_if_need_be_and_kept_no_longer() {
    let world = World::open();
    let id = world.echo("x").await;
    let path = format!("/jobs/{id}");
    let told = ask("DELETE", &path).to(&world).await;
    assert_eq!(told.status, 202, "{}", told.text);
    let job = world.job(&id).await;
    assert!(job.spec.cancel);
    assert!(job.spec.ttl_after_finished.is_some());
    let over = world.echo("y").await;
    world.ended(&over, Outcome::Succeeded).await;
    assert_eq!(
        ask("DELETE", &format!("/jobs/{over}"))
            .to(&world)
            .await
            .status,
        202
    );
    let job = world.job(&over).await;
    assert!(!job.spec.cancel);
    assert!(job.spec.ttl_after_finished.is_some());
    let gone = ask("DELETE", "/jobs/a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
        .to(&world)
        .await;
    gone.is_problem(StatusCode::NOT_FOUND, "job_not_found");
}

#[tokio::test]
async fn a_retry_is_a_new_job_of_the_same_work_that_names_the_old_one() {
    let world = World::open();
    let id = world.echo("again").await;
    let path = format!("/jobs/{id}/retry");
    let early = world.post(&path, &Value::Null).await;
    early.is_problem(StatusCode::CONFLICT, "job_not_finished");
    world
        .post(&format!("/jobs/{id}/cancel"), &Value::Null)
        .await;
    ask("DELETE", &format!("/jobs/{id}")).to(&world).await;
    world.ended(&id, Outcome::Cancelled).await;
    let told = world.post(&path, &Value::Null).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(told.json["retry_of"], id);
    assert_eq!(told.json["payload"], json!({"message": "again"}));
    let new = told.json["job_id"].as_str().unwrap();
    assert_ne!(new, id);
    let job = world.job(new).await;
    assert!(!job.spec.cancel);
    assert_eq!(job.spec.ttl_after_finished, None);
    assert_eq!(job.status().attempt, 0);
}

#[tokio::test]
async fn a_retry_with_an_idempotency_key_happens_once() {
    let world = World::open();
    let id = world.echo("again").await;
    world.ended(&id, Outcome::Failed).await;
    let again = || {
        ask("POST", &format!("/jobs/{id}/retry"))
            .header("idempotency-key", "r")
            .to(&world)
    };
    assert_eq!(again().await.json["job_id"], again().await.json["job_id"]);
}
