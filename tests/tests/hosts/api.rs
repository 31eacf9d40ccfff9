//! The seat API as anybody meets it who reaches its port.

use std::time::Duration;

use sandbox_core::{JobType, Seat, spec::BackendName};
use sandbox_tests::{
    contract::backend::new_brief,
    tower::{Kept, Machine, Tower},
};
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_mins(10);

/// Whoever takes any certificate.
struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    fn of(machine: &Machine) -> Self {
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
        Self {
            http: http.build().unwrap(),
            url: format!("https://{}", machine.address),
            token: machine.token(),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}?owner=me", self.url);
        let request = self.http.post(url).bearer_auth(&self.token).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn start(&self, seat: &Seat, ticket: &Value) -> (u16, Value) {
        let mut brief = new_brief(BackendName::Vps);
        brief.seat = seat.clone();
        assert_eq!(brief.spec.job_type, JobType::Echo);
        let start = json!({"ticket": ticket, "brief": brief, "leaseMs": 60_000});
        self.post(&format!("/v1/seats/{seat}/start"), &start).await
    }

    async fn ticket(&self, seat: &Seat) -> Value {
        let (_, told) = self
            .post(&format!("/v1/seats/{seat}/ticket"), &json!({}))
            .await;
        told["Ok"]["ticket"].clone()
    }
}

fn seat() -> Seat {
    new_brief(BackendName::Vps).seat
}

#[tokio::test]
async fn whoever_has_no_token_is_told_nothing() {
    let machine = Machine::start();
    let mut caller = Caller::of(&machine);
    assert_eq!(
        caller.post("/v1/host/poll", &json!({"waitMs": 0})).await.0,
        200
    );
    caller.token = "0".repeat(64);
    for path in [
        "/v1/host/poll",
        "/v1/host/replies",
        "/v1/seats/x/1/start",
        "/other",
    ] {
        assert_eq!(
            caller.post(path, &json!({})).await,
            (401, Value::Null),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_starts_without_a_ticket_of_its_own_seat_from_this_very_process() {
    let mut machine = Machine::start();
    let caller = Caller::of(&machine);
    let (mine, other) = (seat(), seat());
    let refused = |told: &Value| {
        told["Err"]["unknown"]
            .as_str()
            .unwrap_or_default()
            .contains("ticket")
    };
    for ticket in [json!("made-up"), caller.ticket(&other).await] {
        let (_, told) = caller.start(&mine, &ticket).await;
        assert!(refused(&told), "{told}");
    }
    let ticket = caller.ticket(&mine).await;
    machine.kill(rustix::process::Signal::KILL);
    machine.restart();
    let caller = Caller::of(&machine);
    let (_, told) = caller.start(&mine, &ticket).await;
    assert!(refused(&told), "a ticket outlived its process: {told}");
    assert!(!machine.keeps(&mine.uid));
    let ticket = caller.ticket(&mine).await;
    assert_eq!(caller.start(&mine, &ticket).await.1, json!({"Ok": null}));
    assert!(machine.keeps(&mine.uid));
}

#[tokio::test]
async fn a_start_that_comes_after_its_stop_starts_nothing() {
    let machine = Machine::start();
    let caller = Caller::of(&machine);
    let mine = seat();
    let ticket = caller.ticket(&mine).await;
    let stop = format!("/v1/seats/{mine}/stop");
    assert_eq!(
        caller.post(&stop, &json!({"all": true})).await.1,
        json!({"Ok": null})
    );
    let (_, told) = caller.start(&mine, &ticket).await;
    assert!(told["Err"]["unknown"].is_string(), "{told}");
    assert!(machine.processes(&mine).is_empty());
}

#[tokio::test]
async fn a_seat_is_its_owners_alone_and_a_full_machine_starts_no_more() {
    let machine = Machine::start();
    let caller = Caller::of(&machine);
    let seats = [seat(), seat(), seat()];
    for seat in &seats[..2] {
        let ticket = caller.ticket(seat).await;
        assert_eq!(caller.start(seat, &ticket).await.1, json!({"Ok": null}));
    }
    let ticket = caller.ticket(&seats[2]).await;
    let (_, told) = caller.start(&seats[2], &ticket).await;
    let words = told["Err"]["unknown"].as_str().unwrap();
    assert!(words.contains("2 of 2 slots"), "{words}");
    let url = format!("{}/v1/seats/{}/stop?owner=other", caller.url, seats[0]);
    let request = caller.http.post(url).bearer_auth(&caller.token);
    let told: Value = request
        .json(&json!({"all": true}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(told["Err"]["refused"].is_object(), "{told}");
    assert!(machine.keeps(&seats[0].uid));
}

#[tokio::test]
async fn a_certificate_that_is_not_the_pinned_one_and_a_wrong_token_are_told_apart() {
    let machine = Machine::start();
    let pin = "A".repeat(43) + "=";
    let (right, token) = (machine.pin(), machine.token());
    for (papers, reason) in [
        ((&*pin, &*token), "CertificateMismatch"),
        (
            (&*right, "0123456789abcdef0123456789abcdef"),
            "TokenRefused",
        ),
    ] {
        let tower = Tower::with(Kept::new(LEASE), &machine.address, papers);
        let told = |h: &Result<_, sandbox_operator::backend::remote::Unready>| {
            h.as_ref().err().is_some_and(|u| u.reason == reason)
        };
        drop(tower.health(told).await);
    }
    let tower = Tower::with(Kept::new(LEASE), "127.0.0.1:1", (&right, &token));
    let health = tower.health(|h| h.as_ref().err().is_some_and(|u| u.reason == "Unreachable"));
    let message = health.await.unwrap_err().message;
    assert!(message.contains("SANDBOX_HOST_LISTEN"), "{message}");
}
