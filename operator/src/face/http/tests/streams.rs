//! Server-sent events: order, resume, tenants, and their end.

use std::time::Duration;

use axum::{body::Body, http::StatusCode};
use futures::StreamExt;
use sandbox_core::Outcome;
use tower::ServiceExt;

use super::world::{Ask, World, ask};
use crate::face::http::tests::world::CLIENTS;

/// A stream that is being listened to.
struct Listening(axum::body::BodyDataStream, String);

impl Listening {
    async fn to(world: &World, asked: Ask) -> Self {
        let answer = world.router.clone().oneshot(asked.request()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let body: Body = answer.into_body();
        Self(body.into_data_stream(), String::new())
    }

    /// The next message as its lines.
    async fn next(&mut self) -> Vec<String> {
        loop {
            if let Some((message, rest)) = self.1.split_once("\n\n") {
                let lines = message.lines().map(str::to_owned).collect();
                self.1 = rest.to_owned();
                return lines;
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.0.next());
            let piece = piece
                .await
                .expect("a message comes")
                .expect("the stream goes on");
            self.1
                .push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    async fn reasons(&mut self, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..count {
            let lines = self.next().await;
            let reason = lines.iter().find_map(|l| l.strip_prefix("event: "));
            found.push(reason.unwrap().to_owned());
        }
        found
    }
}

#[tokio::test]
async fn a_jobs_events_come_in_order_and_new_ones_as_they_happen() {
    let world = World::open();
    let id = world.echo("x").await;
    world.echo("another").await;
    let mut heard = Listening::to(&world, ask("GET", &format!("/jobs/{id}/events"))).await;
    let first = heard.next().await;
    assert_eq!(first[0], "id: 1");
    assert_eq!(first[1], "event: Submitted");
    let data: serde_json::Value =
        serde_json::from_str(first[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&data["seq"], &data["job_id"]),
        (&1.into(), &id.as_str().into())
    );
    let waits = tokio::spawn(async move { heard.reasons(2).await });
    world
        .post(&format!("/jobs/{id}/cancel"), &serde_json::Value::Null)
        .await;
    world.ended(&id, Outcome::Cancelled).await;
    assert_eq!(waits.await.unwrap(), ["CancelRequested", "Changed"]);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_hears_nothing_twice() {
    let world = World::open();
    for n in 0..250 {
        world.echo(&n.to_string()).await;
    }
    let mut seen = Vec::new();
    let mut last = String::new();
    while seen.len() < 250 {
        let asked = ask("GET", "/events")
            .header("last-event-id", if last.is_empty() { "0" } else { &last });
        let mut heard = Listening::to(&world, asked).await;
        for _ in 0..50 {
            let lines = heard.next().await;
            last = lines[0].strip_prefix("id: ").unwrap().to_owned();
            seen.push(last.parse::<u64>().unwrap());
        }
    }
    assert_eq!(seen, (1..=250).collect::<Vec<u64>>());
    let mut heard = Listening::to(&world, ask("GET", "/events?after=249")).await;
    assert_eq!(heard.next().await[0], "id: 250");
    let wrong = ask("GET", "/events")
        .header("last-event-id", "x")
        .to(&world)
        .await;
    wrong.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn a_tenant_hears_only_its_own() {
    let world = World::locked();
    assert!(CLIENTS.contains("key-a"));
    for key in ["key-a", "key-b", "key-a"] {
        ask("POST", "/jobs")
            .key(key)
            .json(&super::world::echo(key))
            .to(&world)
            .await;
    }
    let mut heard = Listening::to(&world, ask("GET", "/events").key("key-b")).await;
    assert_eq!(heard.next().await[0], "id: 2");
    let mut heard = Listening::to(&world, ask("GET", "/events").key("key-a")).await;
    assert_eq!(heard.next().await[0], "id: 1");
    assert_eq!(heard.next().await[0], "id: 3");
}

#[tokio::test]
async fn streams_are_counted_apart_and_given_back() {
    let world = World::with(|s| s.limits.streams = 1);
    world.echo("x").await;
    let first = Listening::to(&world, ask("GET", "/events")).await;
    let second = world.get("/events").await;
    second.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(world.get("/jobs").await.status, 200);
    drop(first);
    Listening::to(&world, ask("GET", "/events")).await;
}
