//! `POST /jobs` and reading what became of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use axum::http::StatusCode;
use sandbox_core::port::Answer;
use serde_json::{Value, json};

use super::world::{World, ask, echo};
use crate::face::Intake;

#[tokio::test]
async fn an_echo_is_accepted_and_its_record_has_the_old_fields() {
    let mut world = World::open();
    let told = world.post("/jobs", &echo("hi")).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), "application/json");
    let record = &told.json;
    assert_eq!(record["client_id"], "default");
    assert_eq!(record["job_type"], "echo");
    assert_eq!(record["status"], "QUEUED");
    assert_eq!(record["payload"], json!({"message": "hi"}));
    assert_eq!(record["result"], Value::Null);
    assert_eq!(record["attempt"], 0);
    let created = record["created_at"].as_str().unwrap();
    assert_eq!(
        created.len(),
        "2026-01-31T12:00:00.000000".len(),
        "{created}"
    );
    assert_eq!(created, record["updated_at"]);
    let id = record["job_id"].as_str().unwrap();
    assert_eq!(world.woken.try_recv().unwrap().as_str(), id);
    let read = world.get(&format!("/jobs/{id}")).await;
    assert_eq!(read.json["payload"], json!({"message": "hi"}));
    assert_eq!(read.json["queued_reason"], "waiting for a slot, position 1");
}

#[tokio::test]
async fn a_body_needs_no_content_type() {
    let world = World::open();
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json",
    ] {
        let asked = ask("POST", "/jobs")
            .header("content-type", kind)
            .json(&echo("x"));
        assert_eq!(asked.to(&world).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn what_is_no_submission_is_refused_with_the_field() {
    let world = World::open();
    for (body, field) in [
        (json!({"payload": {}}), "job_type"),
        (json!({"job_type": "echo"}), "payload"),
        (json!({"job_type": "echo", "payload": []}), "payload"),
        (json!({"job_type": 5, "payload": {}}), "job_type"),
        (json!({"job_type": "nope", "payload": {}}), "job_type"),
    ] {
        let told = world.post("/jobs", &body).await;
        told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(told.json["errors"][0]["field"], field, "{}", told.text);
    }
    let unknown = world
        .post("/jobs", &json!({"job_type": "nope", "payload": {}}))
        .await;
    assert!(
        unknown
            .text
            .contains("echo, claude_chat, analytics, agent_farm, dbt_run")
    );
    for body in ["{", "", "[1]", "\"x\"", "\u{0}"] {
        let told = ask("POST", "/jobs").body(body).to(&world).await;
        told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    assert_eq!(world.get("/jobs").await.json["count"], 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let world = World::open();
    let told = world.post("/jobs", &echo(&"x".repeat(1024 * 1024))).await;
    told.is_problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    let announced = ask("POST", "/jobs")
        .header("content-length", "1048577")
        .body(axum::body::Body::from_stream(futures::stream::pending::<
            Result<String, std::io::Error>,
        >()));
    let told = announced.to(&world).await;
    told.is_problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    let world = World::with(|s| s.limits.body = 10);
    let told = world.post("/jobs", &echo("hi")).await;
    told.is_problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
}

fn whole(metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata, "spec": spec})
}

#[tokio::test]
async fn a_whole_agent_job_is_accepted_and_only_what_people_write_is_read() {
    let world = World::open();
    let metadata = json!({
        "name": "fix-lint", "uid": "forged", "resourceVersion": "9",
        "labels": {"team": "a"}, "annotations": {"multiagent.dev/payload": "forged", "note": "kept"}
    });
    let mut body = whole(
        &metadata,
        &json!({"type": "echo", "echo": {"message": "hi"}, "priority": 5}),
    );
    body["status"] = json!({"outcome": "Succeeded"});
    let told = world.post("/jobs", &body).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(told.json["name"], "fix-lint");
    assert_eq!(told.json["status"], "QUEUED");
    assert_eq!(told.json["payload"], json!({"message": "hi"}));
    let id = told.json["job_id"].as_str().unwrap();
    assert_ne!(id, "forged");
    let resource = world.get(&format!("/jobs/{id}?view=resource")).await.json;
    assert_eq!(resource["kind"], "AgentJob");
    assert_eq!(resource["spec"]["priority"], 5);
    assert_eq!(resource["metadata"]["labels"]["team"], "a");
    assert_eq!(resource["metadata"]["annotations"], json!({"note": "kept"}));
    let taken = world.post("/jobs", &body).await;
    taken.is_problem(StatusCode::CONFLICT, "conflict");
}

#[tokio::test]
async fn a_whole_agent_job_that_is_wrong_is_refused_with_the_field() {
    let world = World::open();
    let spec = json!({"type": "echo", "echo": {}});
    let named = |name: &str| whole(&json!({"name": name}), &spec);
    let mut kind = named("a");
    kind["kind"] = json!("Pod");
    for (body, field) in [
        (named("../x"), "metadata.name"),
        (named("UPPER"), "metadata.name"),
        (kind, "kind"),
        (json!({"spec": spec}), "apiVersion"),
        (
            whole(&json!({"annotations": {"a": "x".repeat(5000)}}), &spec),
            "metadata",
        ),
        (
            whole(
                &json!({}),
                &json!({"type": "echo", "echo": {"delay": "48h"}}),
            ),
            "spec.echo.delay",
        ),
        (
            whole(&json!({}), &json!({"type": "echo", "echo": {"nope": 1}})),
            "spec.echo",
        ),
        (
            whole(
                &json!({}),
                &json!({"type": "echo", "echo": {}, "queue": "q"}),
            ),
            "spec.queue",
        ),
    ] {
        let told = world.post("/jobs", &body).await;
        told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        let seen = told.json["errors"][0]["field"].as_str().unwrap();
        assert!(seen.starts_with(field), "{field}: {}", told.text);
    }
    let told = world
        .post("/jobs", &whole(&json!({"namespace": "other"}), &spec))
        .await;
    told.is_problem(StatusCode::FORBIDDEN, "other_tenant");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_job_of_the_first_time() {
    let world = World::open();
    let send = |body: &Value, key: &str| {
        ask("POST", "/jobs")
            .header("idempotency-key", key)
            .json(body)
            .to(&world)
    };
    let first = send(&echo("a"), "k1").await;
    let again = send(&echo("a"), "k1").await;
    assert_eq!(first.json["job_id"], again.json["job_id"]);
    let id = first.json["job_id"].as_str().unwrap();
    world.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(send(&echo("a"), "k1").await.json["job_id"], *id);
    let other = send(&echo("b"), "k1").await;
    other.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    assert_ne!(send(&echo("a"), "k2").await.json["job_id"], *id);
    let long = send(&echo("a"), &"k".repeat(256)).await;
    long.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn a_repeated_submission_gets_its_first_answer_though_the_queue_is_full() {
    let world = World::with(|s| s.limits.queue = 1);
    let send = |message: &str, key: &str| {
        ask("POST", "/jobs")
            .header("idempotency-key", key)
            .json(&echo(message))
            .to(&world)
    };
    let first = send("a", "k1").await;
    assert_eq!(first.status, 200);
    let again = send("a", "k1").await;
    assert_eq!(
        (again.status, &again.json["job_id"]),
        (200, &first.json["job_id"])
    );
    send("b", "k1")
        .await
        .is_problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    send("a", "k2")
        .await
        .is_problem(StatusCode::TOO_MANY_REQUESTS, "queue_full");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again_and_drains() {
    let world = World::with(|s| s.limits.queue = 3);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(world.echo(&n.to_string()).await);
    }
    let told = world.post("/jobs", &echo("late")).await;
    told.is_problem(StatusCode::TOO_MANY_REQUESTS, "queue_full");
    assert_eq!(told.header("retry-after"), "5");
    world.running(&ids[0]).await;
    assert_eq!(world.post("/jobs", &echo("fits")).await.status, 200);
    assert_eq!(world.post("/jobs", &echo("late")).await.status, 429);
}

/// Takes jobs while this holds.
struct While(Arc<AtomicBool>);

#[async_trait]
impl Intake for While {
    async fn closed(&self) -> Answer<Option<String>> {
        let open = self.0.load(Ordering::Relaxed);
        Ok((!open).then(|| "paused; go on with `sandbox cloud resume`".to_owned()))
    }
}

#[tokio::test]
async fn while_no_jobs_are_taken_a_new_one_is_refused_and_one_that_was_taken_is_found() {
    let open = Arc::new(AtomicBool::new(true));
    let world = World::with(|s| s.intake = Some(Arc::new(While(open.clone()))));
    let send = |key: &str| {
        ask("POST", "/jobs")
            .header("idempotency-key", key)
            .json(&echo("a"))
            .to(&world)
    };
    let first = send("k1").await;
    assert_eq!(first.status, 200);
    open.store(false, Ordering::Relaxed);
    let refused = send("k2").await;
    refused.is_problem(StatusCode::SERVICE_UNAVAILABLE, "paused");
    assert!(
        refused.text.contains("sandbox cloud resume"),
        "{}",
        refused.text
    );
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(send("k1").await.json["job_id"], first.json["job_id"]);
    let id = first.json["job_id"].as_str().unwrap();
    assert_eq!(
        world
            .post(&format!("/jobs/{id}/cancel"), &json!({}))
            .await
            .status,
        200
    );
    open.store(true, Ordering::Relaxed);
    assert_eq!(send("k2").await.status, 200);
}
