//! Reading jobs: lists, records, results, the whole resource.

use axum::http::StatusCode;
use sandbox_core::{Outcome, Report, Usage, status::JobResult};
use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages_and_by_filter() {
    let world = World::open();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.echo(&n.to_string()).await);
    }
    world.running(&ids[4]).await;
    world.ended(&ids[4], Outcome::Succeeded).await;
    let page = world.get("/jobs?limit=2").await.json;
    assert_eq!(page["count"], 2);
    assert_eq!(page["jobs"][0]["job_id"], ids[4]);
    assert_eq!(page["jobs"][1]["queued_reason"], "waiting");
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = world
        .get(&format!("/jobs?limit=500&cursor={cursor}"))
        .await
        .json;
    assert_eq!(next["count"], 3);
    assert_eq!(next["next_cursor"], Value::Null);
    assert_eq!(next["jobs"][2]["job_id"], ids[0]);
    let count =
        async |query: &str| world.get(&format!("/jobs?{query}")).await.json["count"].clone();
    assert_eq!(count("status=succeeded").await, 1);
    assert_eq!(count("status=QUEUED,RUNNING").await, 4);
    assert_eq!(count("type=echo&limit=100000").await, 5);
    assert_eq!(count("type=dbt_run").await, 0);
    assert_eq!(count(&format!("name=job-{}", ids[1])).await, 1);
    for bad in [
        "limit=x",
        "limit=-1",
        "limit=0",
        "status=NOPE",
        "type=nope",
        "cursor=%00",
    ] {
        let told = world.get(&format!("/jobs?{bad}")).await;
        told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_not_found() {
    let world = World::open();
    for id in [
        "nope",
        "..%2f..%2fetc",
        "%ff",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    ] {
        let told = world.get(&format!("/jobs/{id}")).await;
        told.is_problem(StatusCode::NOT_FOUND, "job_not_found");
        assert_eq!(told.json["detail"], "Job not found");
    }
}

#[tokio::test]
async fn a_result_stands_in_the_record_wherever_it_is_kept() {
    let world = World::open();
    let id = world.echo("hi").await;
    let none = world.get(&format!("/jobs/{id}/result")).await;
    none.is_problem(StatusCode::CONFLICT, "job_not_finished");
    let seat = world.running(&id).await.seat().unwrap();
    let now = jiff::Timestamp::now();
    let report = Report {
        outcome: Outcome::Succeeded,
        failure: None,
        result: json!({"large": "yes"}),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: now,
        finished_at: now,
    };
    let seats = &world.services.seats;
    seats.report(&seat, "secret-nonce", report).await.unwrap();
    world.ended(&id, Outcome::Succeeded).await;
    let missing = world.get(&format!("/jobs/{id}/result")).await;
    missing.is_problem(StatusCode::NOT_FOUND, "not_found");
    let elsewhere = JobResult {
        inline: Value::Null,
        reference: Some("report/1".to_owned()),
    };
    world.status(&id, |s| s.result = Some(elsewhere)).await;
    assert_eq!(
        world.get(&format!("/jobs/{id}/result")).await.json["large"],
        "yes"
    );
    assert_eq!(
        world.get(&format!("/jobs/{id}")).await.json["result"]["large"],
        "yes"
    );
    let row = world.get("/jobs").await.json["jobs"][0].clone();
    assert_eq!(
        (&row["result"], &row["result_ref"]),
        (&Value::Null, &json!(format!("/jobs/{id}/result")))
    );
    let inline = JobResult {
        inline: json!({"small": 1}),
        reference: None,
    };
    world.status(&id, |s| s.result = Some(inline)).await;
    assert_eq!(
        world.get(&format!("/jobs/{id}/result")).await.json,
        json!({"small": 1})
    );
}

#[tokio::test]
async fn a_failed_job_reads_as_the_old_api_told_failures_with_its_class_added() {
    let world = World::open();
    let id = world.echo("hi").await;
    world.running(&id).await;
    assert_eq!(
        world.get(&format!("/jobs/{id}")).await.json["status"],
        "RUNNING"
    );
    world.ended(&id, Outcome::Failed).await;
    let record = world.get(&format!("/jobs/{id}")).await.json;
    assert_eq!(record["status"], "FAILED");
    assert_eq!(record["outcome"], "Failed");
    assert_eq!(record["failure"]["class"], "AgentError");
    assert_eq!(record["result"]["error_type"], "AgentError");
    assert!(
        record["failure"]["remedy"]
            .as_str()
            .is_some_and(|r| !r.is_empty())
    );
    world.ended(&id, Outcome::Cancelled).await;
    let record = world.get(&format!("/jobs/{id}")).await.json;
    assert_eq!(
        (&record["status"], &record["outcome"]),
        (&json!("FAILED"), &json!("Cancelled"))
    );
}

#[tokio::test]
async fn the_whole_resource_does_not_tell_the_runners_nonce() {
    let world = World::open();
    let id = world.echo("hi").await;
    world.running(&id).await;
    let told = world.get(&format!("/jobs/{id}?view=resource")).await;
    assert_eq!(told.json["status"]["attempt"], 1);
    assert!(!told.text.contains("secret-nonce"), "{}", told.text);
    let wrong = world.get(&format!("/jobs/{id}?view=other")).await;
    wrong.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn why_a_job_waits_is_told() {
    let world = World::open();
    let first = world.echo("1").await;
    let second = world.echo("2").await;
    let reason =
        async |id: &str| world.get(&format!("/jobs/{id}")).await.json["queued_reason"].clone();
    assert_eq!(reason(&second).await, "waiting for a slot, position 2");
    world
        .status(&first, |s| s.retry_at = Some(jiff::Timestamp::UNIX_EPOCH))
        .await;
    let told = reason(&first).await;
    assert!(told.as_str().unwrap().starts_with("backing off"), "{told}");
    world
        .status(&first, |s| {
            s.queued_reason = Some("said by the reconciler".to_owned());
        })
        .await;
    assert_eq!(reason(&first).await, "said by the reconciler");
}
