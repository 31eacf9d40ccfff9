//! The shared memory of a cluster, kept where the settings say: what one operator learned is known to the next.

use sandbox_tests::{dynamodb::DynamoServer, operator::Operator, redis::RedisServer};
use serde_json::{Value, json};

use super::{
    cli::Desk,
    fargate::{Stage, echo, lasting},
};

/// One operator is taught a rule and has a job done; the next, which has nothing else of it, knows of both.
async fn outlives_an_operator(stage: Stage, memory: &[&'static str]) {
    let mut desk = Desk::at(stage, memory).await;
    let none = Value::Null;
    desk.stage.apply("hello", &echo("0s", &json!({})));
    desk.stage.ended("hello", &desk.operator);
    // The finalizer is there until memory has the outcome.
    let told = async |_: &Operator| {
        let job = desk.stage.world.object(&["aj", "hello"]);
        job["metadata"]["finalizers"].is_null()
    };
    desk.operator.until("never tells memory of it", told).await;
    desk.done(&["elf", "add", "shell", "Quote every variable."], &none);
    desk.replace_operator().await;
    let rules = desk.done(&["elf", "rules"], &none);
    assert!(rules.contains("Quote every variable."), "{rules}");
    let stats = desk.done(&["elf", "stats", "-o", "json"], &none);
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["successful_jobs"], 1, "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_on_redis_outlives_an_operator() {
    let redis = RedisServer::start().await.unwrap();
    let url = lasting("--elf=unix://", &redis.socket().display().to_string());
    outlives_an_operator(Stage::named("memory-redis").await, &[url]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_on_dynamodb_outlives_an_operator() {
    let server = DynamoServer::shared().await.unwrap();
    let table = server.table().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::named("memory-dynamodb").await;
    stage.env = server.environment(&table);
    let url = lasting("--elf=dynamodb://", &table.table);
    let snapshots = format!("file://{}", folder.path().display());
    let snapshots = lasting("--elf-snapshots=", &snapshots);
    outlives_an_operator(stage, &[url, snapshots]).await;
}
