//! Server-sent events: order, resume, tenants, and their end.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::StatusCode};
use futures::StreamExt;
use sandbox_core::Outcome;
use tower::ServiceExt;

use super::world::{Ask, World, ask};
use crate::{announce::Announcing, face::http::tests::world::CLIENTS, store::memory::MemoryStore};

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
    let mut heard = Listening::to(&world, ask("GET", "/events?since=0").key("key-b")).await;
    assert_eq!(heard.next().await[0], "id: 2");
    let mut heard = Listening::to(&world, ask("GET", "/events?since=0").key("key-a")).await;
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

/// Numbers and reasons of the next messages.
async fn told(heard: &mut Listening, count: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for _ in 0..count {
        let lines = heard.next().await;
        let part = |name: &str| {
            let line = lines.iter().find_map(|l| l.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        found.push((part("id: "), part("event: ")));
    }
    found
}

fn pair(id: &str, event: &str) -> (String, String) {
    (id.to_owned(), event.to_owned())
}

#[tokio::test]
async fn a_stream_without_a_position_begins_now() {
    let world = World::open();
    world.echo("before").await;
    let mut heard = Listening::to(&world, ask("GET", "/events")).await;
    world.echo("after").await;
    assert_eq!(told(&mut heard, 1).await, [pair("2", "Submitted")]);
    let mut all = Listening::to(&world, ask("GET", "/events?since=0")).await;
    assert_eq!(told(&mut all, 1).await, [pair("1", "Submitted")]);
}

#[tokio::test]
async fn a_client_whose_position_is_forgotten_is_told_of_the_gap_and_goes_on() {
    let world = World::with(|s| {
        let (store, events) = Announcing::new(Arc::new(MemoryStore::keeping(3)));
        (s.store, s.events) = (Arc::new(store), events);
    });
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(world.echo(&n.to_string()).await);
    }
    let from = |path: &str, id: &str| ask("GET", path).header("last-event-id", id);
    let mut heard = Listening::to(&world, from("/events", "2")).await;
    let lines = heard.next().await;
    assert_eq!(lines[..2], ["id: 7", "event: Gap"]);
    assert!(lines[2].contains("\"from\":3,\"to\":7"), "{lines:?}");
    assert_eq!(told(&mut heard, 1).await, [pair("8", "Submitted")]);
    let of_job = format!("/jobs/{}/events", ids[9]);
    let mut heard = Listening::to(&world, from(&of_job, "2")).await;
    let found = told(&mut heard, 2).await;
    assert_eq!(found, [pair("7", "Gap"), pair("10", "Submitted")]);
    let mut kept = Listening::to(&world, from("/events", "9")).await;
    assert_eq!(told(&mut kept, 1).await, [pair("10", "Submitted")]);
    let mut other_log = Listening::to(&world, from("/events", "5000")).await;
    assert_eq!(told(&mut other_log, 1).await, [pair("10", "Gap")]);
}

#[tokio::test]
async fn no_more_is_replayed_than_the_bound() {
    let world = World::with(|s| s.limits.replay = 2);
    for n in 0..10 {
        world.echo(&n.to_string()).await;
    }
    let mut heard = Listening::to(&world, ask("GET", "/events?since=0")).await;
    let found = told(&mut heard, 2).await;
    assert_eq!(found, [pair("8", "Gap"), pair("9", "Submitted")]);
}

#[tokio::test]
async fn where_nothing_is_held_open_a_stream_ends_and_says_when_and_where_to_go_on() {
    let world = World::with(|services| services.limits.again = Some(Duration::from_secs(3)));
    let id = world.echo("x").await;
    let path = format!("/jobs/{id}/events");
    let heard = async |last: Option<&str>| {
        let mut asked = ask("GET", &path);
        if let Some(last) = last {
            asked = asked.header("last-event-id", last);
        }
        asked.to(&world).await.text
    };
    let first = heard(None).await;
    assert!(first.starts_with("retry: 3000\nid: 0\n\n"), "{first}");
    assert!(
        first.ends_with("\n\n") && first.contains("event: Submitted"),
        "{first}"
    );
    assert_eq!(heard(Some("1")).await, "retry: 3000\nid: 1\n\n");
    world
        .post(&format!("/jobs/{id}/cancel"), &serde_json::Value::Null)
        .await;
    let rest = heard(Some("1")).await;
    assert!(
        rest.contains("CancelRequested") && !rest.contains("Submitted"),
        "{rest}"
    );
    // A number of another process, which has written since: nothing is missing there.
    assert_eq!(heard(Some("99")).await, "retry: 3000\nid: 99\n\n");
}

#[tokio::test]
async fn where_nothing_is_held_open_who_follows_a_log_gets_a_piece_and_its_end() {
    let world = World::with(|services| services.limits.again = Some(Duration::from_secs(3)));
    let id = world.echo("x").await;
    let answer = ask("GET", &format!("/jobs/{id}/logs?follow=true"))
        .to(&world)
        .await;
    assert_eq!(
        (
            &*answer.text,
            answer.headers["x-next-cursor"].to_str().unwrap()
        ),
        ("", "0")
    );
    assert_eq!(answer.headers["x-attempt"], "0");
}
