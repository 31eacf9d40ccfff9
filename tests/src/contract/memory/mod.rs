//! What the shared memory promises, whichever ledger it stands on. Each promise is given a ledger
//! that is new.
#![allow(missing_docs, reason = "the name of a promise says what is promised")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test may stop at what it did not expect"
)]

pub mod broken;
pub mod diary;
pub mod follow;
pub mod hostile;
pub mod kinds;
pub mod ledger;
pub mod quarantine;
pub mod recall;
pub mod record;
pub mod rules;
pub mod sources;
pub mod tools;
pub mod trust;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;
use sandbox_core::{
    FailureClass, Outcome, Seat, Tenant, Usage,
    port::{AttemptOutcome, Memory, RecallQuery, Receipt},
};
use sandbox_elf::{Elf, NewRule, entry::Row, store::Ledger};

/// Where promises are tried.
pub type Ground = Arc<dyn Ledger>;

/// When stories begin.
const START: i64 = 1_700_000_000;

/// Memory whose clock stands still until it is moved, and whose key is known: the same story gives
/// the same log.
pub struct World {
    pub elf: Elf,
    pub ledger: Ground,
    clock: Arc<AtomicI64>,
}

impl World {
    pub fn new(ledger: Ground) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let seen = Arc::clone(&clock);
        let now = move || second(seen.load(Ordering::Relaxed));
        let key = || "the key of the tests".to_owned();
        let elf = Elf::with(Arc::clone(&ledger), Arc::new(now), Arc::new(key));
        Self { elf, ledger, clock }
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn now(&self) -> Timestamp {
        second(self.clock.load(Ordering::Relaxed))
    }

    pub async fn ask(&self, seat: &Seat, query: &RecallQuery) -> Receipt {
        self.elf.recall(seat, &tenant("a"), query).await.unwrap()
    }

    pub async fn tell(&self, seat: &Seat, outcome: &AttemptOutcome) {
        self.elf.record(seat, outcome).await.unwrap();
    }

    /// The whole log of tenant `a`.
    pub async fn log(&self) -> Vec<Row> {
        self.ledger.log(&tenant("a"), 0, u32::MAX).await.unwrap()
    }
}

pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn tenant(name: &str) -> Tenant {
    name.parse().unwrap()
}

/// The seat of this try of this job.
pub fn seat(job: u32, attempt: u32) -> Seat {
    let uid = format!("{job:08x}-0000-4000-8000-000000000000");
    Seat::new(uid.parse().unwrap(), attempt)
}

/// A success of tenant `a` with these lessons.
pub fn success(lessons: &[&str]) -> AttemptOutcome {
    AttemptOutcome {
        tenant: tenant("a"),
        job_type: "agent_farm".to_owned(),
        project: None,
        domain: None,
        outcome: Outcome::Succeeded,
        class: None,
        message: None,
        grade: None,
        usage: Usage::default(),
        files: Vec::new(),
        lessons: lessons.iter().map(|l| (*l).to_owned()).collect(),
        at: second(START),
    }
}

/// A failure of tenant `a`.
pub fn failure(class: FailureClass, message: &str) -> AttemptOutcome {
    AttemptOutcome {
        outcome: Outcome::Failed,
        class: Some(class),
        message: Some(message.to_owned()),
        ..success(&[])
    }
}

pub fn about(text: &str) -> RecallQuery {
    RecallQuery {
        text: text.to_owned(),
        ..RecallQuery::default()
    }
}

pub fn rule(domain: &str, text: &str) -> NewRule {
    NewRule {
        domain: domain.to_owned(),
        text: text.to_owned(),
        ..NewRule::default()
    }
}

/// The texts that a receipt puts into the prompt.
pub fn texts(receipt: &Receipt) -> Vec<&str> {
    receipt.injected.iter().map(|l| l.text.as_str()).collect()
}
