//! Our tasks in memory, by their seats: fed by answers of the API, by events and by the sweep; the newer of two wins.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sandbox_core::Seat;

use super::task::Found;

/// For how long an answer is believed without asking again.
const FRESH: Duration = Duration::from_secs(20);
/// For how long a task counts as started though ECS does not tell of it: its API is consistent only in the end.
const YOUNG: Duration = Duration::from_mins(1);
/// How long what is over or reaped is remembered: ECS forgets it after an hour.
const REMEMBERED: Duration = Duration::from_hours(2);
/// From this many tasks on, what was remembered too long is looked for.
const MANY: usize = 5000;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    seat: Seat,
    found: Found,
    first: Instant,
    asked: Option<Instant>,
    reaped: bool,
}

/// What is known of one task.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// This, and it need not be asked for.
    Seen(Found),
    /// It has to be asked for. Whether it is so young that ECS may not tell of it yet; what was known.
    Ask { young: bool, found: Found },
}

impl Known {
    /// Which task it is.
    pub(super) fn arn(self) -> String {
        let (Self::Seen(found) | Self::Ask { found, .. }) = self;
        found.arn
    }
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was told of a task; gives its seat where that is news. Whether it was asked for just now: an event
    /// says nothing about what came after it.
    pub(super) fn put(&self, found: Found, asked: bool) -> Option<Seat> {
        let seat = found.seat()?;
        let now = Instant::now();
        let mut all = self.lock();
        if all.len() >= MANY {
            all.retain(|_, e| !(e.reaped || e.found.is_over()) || e.first.elapsed() < REMEMBERED);
        }
        let Some(entry) = all.get_mut(&found.arn) else {
            let entry = Entry {
                seat: seat.clone(),
                first: now,
                asked: asked.then_some(now),
                reaped: false,
                found,
            };
            all.insert(entry.found.arn.clone(), entry);
            return Some(seat);
        };
        if asked {
            entry.asked = Some(now);
        }
        if !found.is_newer_than(&entry.found) {
            return None;
        }
        entry.found = found;
        Some(seat)
    }

    /// What is known of the seat's tasks that were not reaped.
    pub(super) fn of_seat(&self, seat: &Seat) -> Vec<Known> {
        let all = self.lock();
        let mine = all.values().filter(|e| e.seat == *seat && !e.reaped);
        mine.map(Entry::known).collect()
    }

    /// What is known of this task; nothing where it was reaped.
    pub(super) fn of_arn(&self, arn: &str) -> Option<Known> {
        self.lock().get(arn).filter(|e| !e.reaped).map(Entry::known)
    }

    /// Whether this task was reaped.
    pub(super) fn is_reaped(&self, arn: &str) -> bool {
        self.lock().get(arn).is_some_and(|e| e.reaped)
    }

    /// Something was done to the seat's tasks: what is known of them is old.
    pub(super) fn doubt(&self, seat: &Seat) {
        for entry in self.lock().values_mut().filter(|e| e.seat == *seat) {
            entry.asked = None;
        }
    }

    /// The seat's tasks are over and nobody asks for them any more.
    pub(super) fn reaped(&self, seat: &Seat) {
        for entry in self.lock().values_mut().filter(|e| e.seat == *seat) {
            entry.reaped = true;
        }
    }

    /// Everything that may still run.
    pub(super) fn live(&self) -> Vec<String> {
        let all = self.lock();
        let live = all.values().filter(|e| !e.reaped && !e.found.is_over());
        live.map(|e| e.found.arn.clone()).collect()
    }
}

impl Entry {
    fn known(&self) -> Known {
        let fresh = self.asked.is_some_and(|at| at.elapsed() < FRESH);
        if self.found.is_over() || fresh {
            return Known::Seen(self.found.clone());
        }
        Known::Ask {
            young: self.first.elapsed() < YOUNG,
            found: self.found.clone(),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    const NAME: &str = "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-1";

    fn task(version: i64, status: &str) -> Found {
        Found {
            arn: "arn".to_owned(),
            version,
            started_by: NAME.to_owned(),
            last_status: status.to_owned(),
            ..Found::default()
        }
    }

    fn seat() -> Seat {
        Seat::of_object_name(NAME).unwrap()
    }

    fn status(cache: &Cache) -> String {
        match cache.of_arn("arn").unwrap() {
            Known::Seen(found) | Known::Ask { found, .. } => found.last_status,
        }
    }

    #[test]
    fn events_may_come_late_twice_and_in_any_order() {
        let cache = Cache::default();
        assert_eq!(cache.put(task(4, "RUNNING"), true), Some(seat()));
        assert_eq!(cache.put(task(2, "PENDING"), false), None);
        assert_eq!(cache.put(task(4, "RUNNING"), false), None);
        assert_eq!(status(&cache), "RUNNING");
        assert_eq!(cache.put(task(7, "STOPPED"), false), Some(seat()));
        assert_eq!(cache.put(task(6, "DEPROVISIONING"), true), None);
        assert_eq!(status(&cache), "STOPPED");
    }

    #[test]
    fn what_was_told_just_now_is_not_asked_for_unless_something_was_done_to_it() {
        let cache = Cache::default();
        cache.put(task(1, "RUNNING"), true);
        assert!(matches!(cache.of_seat(&seat())[..], [Known::Seen(_)]));
        cache.doubt(&seat());
        assert!(matches!(
            cache.of_seat(&seat())[..],
            [Known::Ask { young: true, .. }]
        ));
    }

    #[test]
    fn an_event_of_a_task_that_lives_does_not_make_what_is_known_of_it_fresh() {
        let cache = Cache::default();
        cache.put(task(1, "RUNNING"), false);
        assert!(matches!(cache.of_seat(&seat())[..], [Known::Ask { .. }]));
    }

    #[test]
    fn what_was_reaped_is_not_seen_again() {
        let cache = Cache::default();
        cache.put(task(1, "RUNNING"), true);
        cache.reaped(&seat());
        cache.put(task(2, "STOPPED"), false);
        assert!(cache.of_seat(&seat()).is_empty());
        assert!(cache.live().is_empty());
        assert!(cache.is_reaped("arn"));
    }

    #[test]
    fn a_task_of_somebody_else_is_nothing_to_us() {
        let cache = Cache::default();
        let other = Found {
            started_by: "ecs-svc/1".to_owned(),
            ..task(1, "RUNNING")
        };
        assert_eq!(cache.put(other, true), None);
        assert!(cache.live().is_empty());
    }
}
