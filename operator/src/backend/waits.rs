//! Seats that could not be launched yet, and need not be asked for again for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sandbox_core::Seat;

/// How long after a refusal that may not last a seat is not asked for again.
const AGAIN: Duration = Duration::from_secs(4);

/// What each seat waits for.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<HashMap<Seat, Wait>>);

#[derive(Clone, Debug)]
struct Wait {
    since: Instant,
    asked: Instant,
    text: String,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, HashMap<Seat, Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a seat waits for, while it need not be asked for again.
    pub(super) fn pending(&self, seat: &Seat) -> Option<String> {
        let wait = self.lock().get(seat).cloned()?;
        (wait.asked.elapsed() < AGAIN).then_some(wait.text)
    }

    pub(super) fn forget(&self, seat: &Seat) {
        self.lock().remove(seat);
    }

    /// Notes a refusal; gives how long there have been such.
    pub(super) fn note(&self, seat: &Seat, text: String) -> Duration {
        let now = Instant::now();
        let mut all = self.lock();
        let wait = all.entry(seat.clone()).or_insert_with(|| Wait {
            since: now,
            asked: now,
            text: String::new(),
        });
        wait.asked = now;
        wait.text = text;
        wait.since.elapsed()
    }
}
