//! Who is let in at a door with passes, and what the claimant is told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod checkpoint;
mod secrets;

use async_trait::async_trait;
use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use object_store::memory::InMemory;
use sandbox_core::{Tenant, port::Answer as Told, status::Intent};
use sandbox_elf::{Elf, store::memory::MemoryLedger};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    artifacts::{LARGEST, by_tenant},
    seats::{REPORT_LIMIT, files::FileSeats, memory::MemorySeats},
    store::memory::MemoryStore,
    tokens::Tokens,
};

const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
const OTHER: &str = "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

/// Tokens of one test, `namespace/pod-name/uid`; the API server's part is played by whoever writes them.
struct Readable;

#[async_trait]
impl Passes for Readable {
    async fn read(&self, token: &str) -> Told<Pass> {
        let parts: Vec<&str> = token.split('/').collect();
        let [tenant, name, uid] = parts[..] else {
            return Err(PortError::refused(FailureClass::Infrastructure, "unknown"));
        };
        Ok(Pass {
            tenant: tenant.parse().unwrap(),
            seat: Seat::of_object_name(name).unwrap(),
            instance: Whom::One(format!("pod:{uid}")),
        })
    }
}

/// One secret, of `team-a`.
struct Held;

#[async_trait]
impl Secrets for Held {
    async fn read(&self, tenant: &Tenant, name: &str) -> Told<SecretString> {
        self.find(tenant, name).await?;
        Ok(SecretString::from("the-token"))
    }

    async fn find(&self, tenant: &Tenant, name: &str) -> Told<()> {
        let text = || format!("make it with: create-secret {tenant}/{name}");
        let is = tenant.as_str() == "team-a" && name == "github";
        is.then_some(()).ok_or_else(|| PortError::NotFound(text()))
    }
}

fn job(uid: &str, spec: &Value) -> AgentJob {
    let job = json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
        "metadata": {
            "name": format!("job-{uid}"), "namespace": "team-a", "uid": uid,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": spec,
    });
    let mut job: AgentJob = serde_json::from_value(job).unwrap();
    let now = Timestamp::now();
    let mut status = job.status().into_owned();
    status.attempt = 1;
    status.started_at = Some(now);
    let capacity = |name: &str, usd: &str| json!({"name": name, "usdPerHour": usd});
    let launch = json!({
        "definition": "d:1", "cpuUnits": 1, "memoryMib": 1,
        "capacities": [capacity("SPOT", "0.10"), capacity("DEMAND", "0.30")],
    });
    let place = spec["backend"]["name"].as_str().unwrap_or("pod");
    let intent =
        json!({"backend": place, "at": now, "deadlineAt": now, "choice": 1, "launch": launch});
    status.intent = Some(serde_json::from_value::<Intent>(intent).unwrap());
    job.status = Some(status);
    job
}

async fn door() -> (Router, Arc<dyn Seats>) {
    let echo = json!({"type": "echo", "echo": {"message": "hi"}, "deadline": "720h"});
    door_of(echo, Checks::default()).await
}

async fn door_of(spec: Value, checks: Checks) -> (Router, Arc<dyn Seats>) {
    let seats: Arc<dyn Seats> = Arc::new(MemorySeats::default());
    (door_over(&seats, spec, checks).await, seats)
}

async fn door_over(seats: &Arc<dyn Seats>, spec: Value, checks: Checks) -> Router {
    let store = MemoryStore::default();
    for uid in [UID, OTHER] {
        store.create(job(uid, &spec), None).await.unwrap();
    }
    door_at(seats, Arc::new(store), checks)
}

fn door_at(seats: &Arc<dyn Seats>, store: Arc<MemoryStore>, checks: Checks) -> Router {
    let door = SeatDoor {
        store,
        seats: seats.clone(),
        memory: Arc::new(Elf::new(Arc::new(MemoryLedger::default()))),
        tools: None,
        waker: Waker::new().0,
        deadline: Duration::from_hours(1),
        claimed: Arc::new(|_, _| {}),
        may_claim: true,
        artifacts: Some(Artifacts::new(Arc::new(InMemory::new()), by_tenant)),
        passes: Some(Arc::new(Ours::or(own(), Arc::new(Readable)))),
        lease: Some(Duration::from_mins(10)),
        checks: Arc::new(checks),
        secrets: Some(Arc::new(Held)),
    };
    router(door)
}

/// What makes the tokens that no API server knows.
fn own() -> Tokens {
    Tokens::new(b"a secret of tests")
}

fn token(namespace: &str, uid: &str, pod: &str) -> String {
    format!("{namespace}/aj-{uid}-1/{pod}")
}

async fn call(door: &Router, verb: &str, token: Option<&str>, body: &Value) -> (u16, String) {
    let mut request = Request::post(format!("/v1/seats/{UID}/1/{verb}"))
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = door.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

fn claim_of(pod: &str) -> Value {
    json!({"nonce": "n", "instance": format!("pod:{pod}"), "at": "2020-01-01T00:00:00Z"})
}

#[tokio::test]
async fn a_token_opens_its_own_seat_and_no_other() {
    let (door, seats) = door().await;
    let mine = token("team-a", UID, "u-1");
    let claim = claim_of("u-1");
    assert_eq!(call(&door, "claim", None, &claim).await.0, 401);
    assert_eq!(call(&door, "claim", Some("nonsense"), &claim).await.0, 401);
    for stranger in [
        token("team-a", OTHER, "u-1"),
        token("team-b", UID, "u-1"),
        token("team-a", UID, "u-2"),
    ] {
        let (status, words) = call(&door, "claim", Some(&stranger), &claim).await;
        assert_eq!(status, 403, "{stranger}: {words}");
        assert!(!words.contains(&stranger), "{words}");
    }
    let seat: Seat = format!("{UID}/1").parse().unwrap();
    assert_eq!(seats.read(&seat).await.unwrap().register, Register::Open);
    let (status, words) = call(&door, "claim", Some(&mine), &claim).await;
    assert_eq!(status, 200, "{words}");
    let Register::Claimed(stands) = seats.read(&seat).await.unwrap().register else {
        panic!("not claimed");
    };
    // By our clock, and not by the runner's.
    assert!(
        stands.at > "2025-01-01T00:00:00Z".parse().unwrap(),
        "{stands:?}"
    );
}

#[tokio::test]
async fn the_claimant_is_told_its_brief_its_time_and_its_lease() {
    let (door, _) = door().await;
    let mine = token("team-a", UID, "u-1");
    let signed = json!({"nonce": "n", "body": null});
    assert_eq!(call(&door, "brief", Some(&mine), &signed).await.0, 403);
    call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    let (status, words) = call(&door, "brief", Some(&mine), &signed).await;
    assert_eq!(status, 200, "{words}");
    let told: super::Told = serde_json::from_str(&words).unwrap();
    assert_eq!(told.brief.name, format!("job-{UID}"));
    assert_eq!(told.lease_ms, Some(600_000));
    assert!(told.left_ms > 3_600_000, "{}", told.left_ms);
    let forged = json!({"nonce": "other", "body": null});
    assert_eq!(call(&door, "brief", Some(&mine), &forged).await.0, 403);
}

#[tokio::test]
async fn a_farm_is_told_the_servers_checks_and_other_jobs_are_not() {
    let checks =
        Checks::parse("[[stack.default]]\nname = 'test'\nargv = ['make', 'test']").unwrap();
    let farm = json!({"type": "agent_farm", "deadline": "720h",
        "agentFarm": {"task": "mend it", "workspace": {"git": {"url": "https://example.org/a.git"}}}});
    let echo = json!({"type": "echo", "echo": {"message": "hi"}, "deadline": "720h"});
    for (spec, told, of) in [
        (farm.clone(), Some(&checks), &checks),
        (echo, None, &checks),
        (farm, None, &Checks::default()),
    ] {
        let (door, _) = door_of(spec, of.clone()).await;
        let mine = token("team-a", UID, "u-1");
        call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
        let signed = json!({"nonce": "n", "body": null});
        let (status, words) = call(&door, "brief", Some(&mine), &signed).await;
        assert_eq!(status, 200, "{words}");
        let heard: super::Told = serde_json::from_str(&words).unwrap();
        assert_eq!(heard.checks.as_ref(), told);
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_for_what_it_says_is_not_read() {
    let (door, _) = door().await;
    let mine = token("team-a", UID, "u-1");
    let mut claim = claim_of("u-1");
    claim["nonce"] = json!("n".repeat(WORD));
    assert_eq!(call(&door, "claim", Some(&mine), &claim).await.0, 413);
}

#[tokio::test]
async fn a_report_that_is_too_large_to_be_kept_is_no_reason_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let seats: Arc<dyn Seats> = Arc::new(FileSeats::new(folder.path()));
    let echo = json!({"type": "echo", "echo": {"message": "hi"}});
    let door = door_over(&seats, echo, Checks::default()).await;
    let mine = token("team-a", UID, "u-1");
    call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    let report = |result: &str| {
        json!({"nonce": "n", "body": {
            "outcome": "Succeeded", "result": result,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z",
        }})
    };
    let large = report(&"x".repeat(REPORT_LIMIT));
    assert_eq!(call(&door, "report", Some(&mine), &large).await.0, 413);
    let small = report("without");
    assert_eq!(call(&door, "report", Some(&mine), &small).await.0, 200);
}

#[tokio::test]
async fn times_of_a_runner_whose_clock_is_wrong_are_not_believed() {
    let (door, seats) = door().await;
    let mine = token("team-a", UID, "u-1");
    call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    let beat = json!({"nonce": "n", "body": {"at": "2020-01-01T00:00:00Z"}});
    assert_eq!(call(&door, "heartbeat", Some(&mine), &beat).await.0, 200);
    let report = json!({"nonce": "n", "body": {
        "outcome": "Succeeded", "startedAt": "2090-01-01T00:00:00Z", "finishedAt": "2099-01-01T00:00:00Z",
    }});
    assert_eq!(call(&door, "report", Some(&mine), &report).await.0, 200);
    let record = seats
        .read(&format!("{UID}/1").parse().unwrap())
        .await
        .unwrap();
    let now = Timestamp::now();
    let beat = record.heartbeat.unwrap();
    assert!(now.duration_since(beat.at).as_secs() < 60, "{beat:?}");
    let report = record.report.unwrap();
    assert!(report.finished_at <= now && report.started_at <= report.finished_at);
}

#[tokio::test]
async fn a_token_of_our_own_is_for_any_task_of_its_seat_and_for_nothing_else() {
    let (door, _) = door().await;
    let issued = |uid: &str, tenant: &str, until: &str| {
        let seat: Seat = format!("{uid}/1").parse().unwrap();
        own().issue(&seat, &tenant.parse().unwrap(), until.parse().unwrap())
    };
    let (soon, past) = ("2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    let claim = json!({"nonce": "n", "instance": "task:arn:1", "at": "2020-01-01T00:00:00Z"});
    let late = issued(UID, "team-a", past);
    assert_eq!(call(&door, "claim", Some(&late), &claim).await.0, 401);
    for stranger in [issued(OTHER, "team-a", soon), issued(UID, "team-b", soon)] {
        assert_eq!(call(&door, "claim", Some(&stranger), &claim).await.0, 403);
    }
    let mine = issued(UID, "team-a", soon);
    let as_pod = call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    assert_eq!(as_pod.0, 403, "{}", as_pod.1);
    assert_eq!(call(&door, "claim", Some(&mine), &claim).await.0, 200);
    // Whoever has the token and not the claimant's secret speaks in vain.
    let forged = json!({"nonce": "other", "body": null});
    assert_eq!(call(&door, "brief", Some(&mine), &forged).await.0, 403);
}

#[tokio::test]
async fn a_claimant_in_a_place_that_costs_something_is_told_what_an_hour_costs() {
    let (door, _) = door().await;
    let mine = token("team-a", UID, "u-1");
    call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    let signed = json!({"nonce": "n", "body": null});
    let (_, words) = call(&door, "brief", Some(&mine), &signed).await;
    let told: super::Told = serde_json::from_str(&words).unwrap();
    assert_eq!(
        told.usd_per_hour.map(|u| u.to_string()).as_deref(),
        Some("0.30")
    );
}

/// Sends a file; gives the status.
async fn leave(door: &Router, path: &str, nonce: &str, bytes: usize) -> u16 {
    let request = Request::put(format!("/v1/seats/{UID}/1/artifacts/{path}"))
        .header(
            "authorization",
            format!("Bearer {}", token("team-a", UID, "u-1")),
        )
        .header(NONCE, nonce)
        .body(Body::from(vec![b'x'; bytes]));
    let answer = door.clone().oneshot(request.unwrap()).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn the_claimant_leaves_files_until_its_report_and_nobody_else_does() {
    let (door, _) = door().await;
    let mine = token("team-a", UID, "u-1");
    assert_eq!(leave(&door, "a", "n", 1).await, 403, "nobody has claimed");
    call(&door, "claim", Some(&mine), &claim_of("u-1")).await;
    assert_eq!(leave(&door, "logs/a%20b.txt", "n", 4 << 20).await, 200);
    assert_eq!(leave(&door, "a", "other", 1).await, 403);
    for path in ["../a", "a/%2e%2e/b", "a//b"] {
        assert_eq!(leave(&door, path, "n", 1).await, 422, "{path}");
    }
    let large = usize::try_from(LARGEST).unwrap() + 1;
    assert_eq!(leave(&door, "large", "n", large).await, 422);
    let report = json!({"nonce": "n", "body": {
        "outcome": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z",
    }});
    assert_eq!(call(&door, "report", Some(&mine), &report).await.0, 200);
    assert_eq!(leave(&door, "b", "n", 1).await, 409);
}
