//! What every seat register promises. `seats_contract!` makes one test of each promise.
//!
//! A register that keeps seats in the jobs' own records has to have those; it says how one is made.
#![allow(missing_docs, reason = "the name of a promise says what is promised")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{any::Any, ops::Deref, sync::Arc};

use futures::future::join_all;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Heartbeat, Outcome, Register, Report, Seat, Usage,
    port::{PortError, Seats, Store},
};

use super::store::a_stored_job;

/// Seats to try, with what has to live as long as they do.
pub struct Bench {
    seats: Arc<dyn Seats>,
    jobs: Option<Arc<dyn Store>>,
    #[allow(dead_code, reason = "kept for its end")]
    kept: Box<dyn Any + Send + Sync>,
}

impl Bench {
    /// Seats that know nothing of jobs.
    pub fn new(seats: Arc<dyn Seats>, kept: impl Any + Send + Sync) -> Self {
        let kept = Box::new(kept);
        Self {
            seats,
            jobs: None,
            kept,
        }
    }

    /// Seats that stand in the records of this store.
    #[must_use]
    pub fn of_jobs(self, jobs: Arc<dyn Store>) -> Self {
        Self {
            jobs: Some(jobs),
            ..self
        }
    }

    /// The first seat of a job that nobody has seen before.
    pub async fn new_seat(&self) -> Seat {
        let name = uuid::Uuid::new_v4().to_string();
        let uid = match &self.jobs {
            Some(jobs) => a_stored_job(&**jobs, "a", &name).await.uid().unwrap(),
            None => name.parse().unwrap(),
        };
        Seat::new(uid, 1)
    }
}

impl Deref for Bench {
    type Target = dyn Seats;

    fn deref(&self) -> &Self::Target {
        &*self.seats
    }
}

/// One test per promise, on what `$make` gives: the future of a [`Bench`].
#[macro_export]
macro_rules! seats_contract {
    ($name:ident, $make:expr) => {
        $crate::seats_contract!(@each $name, $make,
            nothing_stands_at_a_new_seat,
            one_of_many_claims_at_once_has_the_seat,
            one_of_many_claims_and_closings_has_the_seat,
            a_closed_seat_stays_closed,
            a_claimed_seat_stays_claimed,
            the_same_nonce_may_ask_again,
            a_stale_sender_is_refused,
            the_first_report_stands,
            a_stop_that_comes_before_the_report_stands_beside_it,
            a_report_that_comes_before_the_stop_is_not_stopped,
            of_a_report_and_a_stop_at_once_everybody_sees_the_same_first,
            the_last_heartbeat_stands,
            attempts_have_seats_of_their_own,
            a_discarded_job_has_no_seats,
        );
    };
    (@each $name:ident, $make:expr, $($promise:ident,)*) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() {
                    let made: $crate::contract::seats::Bench = $make.await;
                    $crate::contract::seats::$promise(&made).await;
                }
            )*
        }
    };
}

fn claim(nonce: &str) -> Claim {
    Claim {
        nonce: nonce.to_owned(),
        instance: format!("instance of {nonce}"),
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn report(text: &str) -> Report {
    Report {
        outcome: Outcome::Succeeded,
        failure: None,
        result: serde_json::json!({ "text": text }),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
    }
}

fn beat(progress: &str) -> Heartbeat {
    Heartbeat {
        progress: progress.to_owned(),
        ..Heartbeat::default()
    }
}

fn is_refused<T>(answer: &Result<T, PortError>) -> bool {
    matches!(answer, Err(PortError::Refused(_)))
}

pub async fn nothing_stands_at_a_new_seat(seats: &Bench) {
    let stands = seats.read(&seats.new_seat().await).await.unwrap();
    assert_eq!(stands.register, Register::Open);
    assert_eq!((stands.heartbeat, stands.report), (None, None));
}

pub async fn one_of_many_claims_at_once_has_the_seat(seats: &Bench) {
    let seat = seats.new_seat().await;
    let ask = async |n: usize| seats.claim(&seat, claim(&format!("n{n}"))).await.unwrap();
    let answers = join_all((0..32).map(ask)).await;
    let stands = seats.read(&seat).await.unwrap().register;
    assert!(matches!(stands, Register::Claimed(_)));
    assert!(answers.iter().all(|a| *a == stands), "{answers:?}");
}

pub async fn one_of_many_claims_and_closings_has_the_seat(seats: &Bench) {
    for _ in 0..8 {
        let seat = seats.new_seat().await;
        let ask = async |n: usize| match n % 2 {
            0 => seats.claim(&seat, claim(&format!("n{n}"))).await.unwrap(),
            _ => seats
                .close(&seat, &format!("c{n}"), Timestamp::UNIX_EPOCH)
                .await
                .unwrap(),
        };
        let answers = join_all((0..16).map(ask)).await;
        let stands = seats.read(&seat).await.unwrap().register;
        assert!(stands != Register::Open);
        assert!(answers.iter().all(|a| *a == stands), "{answers:?}");
    }
}

pub async fn a_closed_seat_stays_closed(seats: &Bench) {
    let seat = seats.new_seat().await;
    let closed = seats
        .close(&seat, "too late", Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert!(matches!(&closed, Register::Closed(c) if c.reason == "too late"));
    assert_eq!(seats.claim(&seat, claim("n")).await.unwrap(), closed);
    let again = seats
        .close(&seat, "another reason", Timestamp::UNIX_EPOCH)
        .await;
    assert_eq!(again.unwrap(), closed);
    assert!(is_refused(&seats.report(&seat, "n", report("r")).await));
}

pub async fn a_claimed_seat_stays_claimed(seats: &Bench) {
    let seat = seats.new_seat().await;
    let claimed = seats.claim(&seat, claim("n")).await.unwrap();
    let closed = seats.close(&seat, "too late", Timestamp::UNIX_EPOCH).await;
    assert_eq!(closed.unwrap(), claimed);
    assert_eq!(seats.claim(&seat, claim("other")).await.unwrap(), claimed);
    assert_eq!(seats.read(&seat).await.unwrap().register, claimed);
}

pub async fn the_same_nonce_may_ask_again(seats: &Bench) {
    let seat = seats.new_seat().await;
    let first = seats.claim(&seat, claim("n")).await.unwrap();
    assert_eq!(first, Register::Claimed(claim("n")));
    assert_eq!(seats.claim(&seat, claim("n")).await.unwrap(), first);
}

pub async fn a_stale_sender_is_refused(seats: &Bench) {
    let seat = seats.new_seat().await;
    assert!(
        is_refused(&seats.beat(&seat, "n", beat("x")).await),
        "nobody claimed it"
    );
    seats.claim(&seat, claim("n")).await.unwrap();
    assert!(is_refused(&seats.beat(&seat, "stale", beat("x")).await));
    assert!(is_refused(&seats.report(&seat, "stale", report("x")).await));
    let stands = seats.read(&seat).await.unwrap();
    assert_eq!((stands.heartbeat, stands.report), (None, None));
}

pub async fn the_first_report_stands(seats: &Bench) {
    let seat = seats.new_seat().await;
    seats.claim(&seat, claim("n")).await.unwrap();
    seats.report(&seat, "n", report("first")).await.unwrap();
    seats.report(&seat, "n", report("second")).await.unwrap();
    assert_eq!(
        seats.read(&seat).await.unwrap().report,
        Some(report("first"))
    );
}

pub async fn a_stop_that_comes_before_the_report_stands_beside_it(seats: &Bench) {
    let seat = seats.new_seat().await;
    seats.claim(&seat, claim("n")).await.unwrap();
    let stop = async |why: &str| {
        seats
            .close(&seat, why, Timestamp::UNIX_EPOCH)
            .await
            .unwrap()
    };
    stop("cancelled").await;
    seats.report(&seat, "n", report("late")).await.unwrap();
    stop("again").await;
    let stands = seats.read(&seat).await.unwrap();
    assert_eq!(stands.stopped.unwrap().reason, "cancelled");
    assert_eq!(stands.report, Some(report("late")));
}

pub async fn a_report_that_comes_before_the_stop_is_not_stopped(seats: &Bench) {
    let seat = seats.new_seat().await;
    seats.claim(&seat, claim("n")).await.unwrap();
    seats.report(&seat, "n", report("first")).await.unwrap();
    let stop = seats.close(&seat, "cancelled", Timestamp::UNIX_EPOCH).await;
    assert_eq!(stop.unwrap(), Register::Claimed(claim("n")));
    let stands = seats.read(&seat).await.unwrap();
    assert_eq!(
        (stands.stopped, stands.report),
        (None, Some(report("first")))
    );
}

pub async fn of_a_report_and_a_stop_at_once_everybody_sees_the_same_first(seats: &Bench) {
    for _ in 0..16 {
        let seat = seats.new_seat().await;
        seats.claim(&seat, claim("n")).await.unwrap();
        let stop = async {
            seats
                .close(&seat, "cancelled", Timestamp::UNIX_EPOCH)
                .await
                .unwrap();
            seats.read(&seat).await.unwrap()
        };
        let tell = async {
            seats.report(&seat, "n", report("r")).await.unwrap();
            seats.read(&seat).await.unwrap()
        };
        let (stopper, teller) = futures::join!(stop, tell);
        let stands = seats.read(&seat).await.unwrap();
        assert_eq!(stands.stopped, stopper.stopped);
        assert_eq!(stands.stopped, teller.stopped);
        assert!(stopper.stopped.is_some() || stopper.report.is_some());
        assert_eq!(stands.report, Some(report("r")));
    }
}

pub async fn the_last_heartbeat_stands(seats: &Bench) {
    let seat = seats.new_seat().await;
    seats.claim(&seat, claim("n")).await.unwrap();
    for progress in ["one", "two"] {
        seats.beat(&seat, "n", beat(progress)).await.unwrap();
    }
    let stands = seats.read(&seat).await.unwrap().heartbeat.unwrap();
    // It may count as heard later than it was sent, where one that came after it could be lost.
    assert!(stands.at >= beat("two").at);
    assert_eq!(stands.progress, "two");
}

pub async fn attempts_have_seats_of_their_own(seats: &Bench) {
    let first = seats.new_seat().await;
    let second = Seat::new(first.uid.clone(), 2);
    seats
        .close(&first, "gone", Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let claimed = seats.claim(&second, claim("n")).await.unwrap();
    assert_eq!(claimed, Register::Claimed(claim("n")));
}

pub async fn a_discarded_job_has_no_seats(seats: &Bench) {
    let (first, other) = (seats.new_seat().await, seats.new_seat().await);
    let second = Seat::new(first.uid.clone(), 2);
    for seat in [&first, &second, &other] {
        seats.claim(seat, claim("n")).await.unwrap();
    }
    seats.discard(&first.uid).await.unwrap();
    seats.discard(&first.uid).await.unwrap();
    for seat in [&first, &second] {
        assert_eq!(seats.read(seat).await.unwrap().register, Register::Open);
    }
    let stands = seats.read(&other).await.unwrap().register;
    assert_eq!(
        stands,
        Register::Claimed(claim("n")),
        "another job keeps its seats"
    );
}
