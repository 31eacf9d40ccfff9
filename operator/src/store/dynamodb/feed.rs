//! What this process has heard of all jobs, in an order that its readers can follow. A job's own events stand in its
//! item; this is for who follows many, and begins with the process, as it does where jobs are objects.
//!
//! A number is given before its write, for it is written with it, and told after; until then nobody is shown a higher one.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use sandbox_core::query::{Event, EventQuery, Kept, MAX_PAGE};

use crate::store::KEEP_EVENTS;

/// Events of this process and of those it has heard of.
pub(super) struct Feed(Mutex<Inner>);

struct Inner {
    events: VecDeque<Event>,
    last: u64,
    flying: BTreeSet<u64>,
}

/// Numbers of events that are being written. Given back when it is dropped.
pub(super) struct Ticket<'a> {
    feed: &'a Feed,
    /// The first of them.
    pub(super) first: u64,
    many: u64,
}

impl Feed {
    /// Numbers begin at the time, so that those of an earlier process are smaller.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Inner {
            events: VecDeque::new(),
            last: u64::try_from(now.as_microsecond()).unwrap_or_default(),
            flying: BTreeSet::new(),
        }))
    }

    // Nothing below panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many numbers, higher than any before and than this one.
    pub(super) fn begin(&self, after: u64, many: usize) -> Ticket<'_> {
        let mut inner = self.lock();
        inner.last = inner.last.max(after);
        let first = inner.last + 1;
        let many = many as u64;
        inner.last += many;
        if many > 0 {
            inner.flying.insert(first);
        }
        Ticket {
            feed: self,
            first,
            many,
        }
    }

    /// What others have done, under numbers of our own.
    pub(super) fn hear(&self, events: Vec<Event>) {
        let ticket = self.begin(0, events.len());
        let numbered = (ticket.first..)
            .zip(events)
            .map(|(seq, e)| Event { seq, ..e });
        ticket.land(numbered.collect());
    }

    /// A page of events, oldest first.
    pub(super) fn events(&self, query: &EventQuery) -> Vec<Event> {
        let inner = self.lock();
        let shown = inner.shown();
        let seen = inner.events.partition_point(|e| e.seq <= query.after);
        if seen >= shown {
            return Vec::new();
        }
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let ours = |e: &&Event| query.tenant.as_ref().is_none_or(|t| e.tenant == *t);
        let unseen = inner.events.range(seen..shown);
        unseen.filter(ours).take(limit).cloned().collect()
    }

    /// What is kept.
    pub(super) fn kept(&self) -> Kept {
        let inner = self.lock();
        let shown = inner.shown();
        let before = inner.events.front().map_or(inner.last, |e| e.seq - 1);
        let newest = shown.checked_sub(1).and_then(|n| inner.events.get(n));
        Kept {
            forgotten: before,
            newest: newest.map_or(before, |e| e.seq),
        }
    }
}

impl Inner {
    /// How many of the events may be shown.
    fn shown(&self) -> usize {
        match self.flying.first() {
            Some(first) => self.events.partition_point(|e| e.seq < *first),
            None => self.events.len(),
        }
    }
}

impl Ticket<'_> {
    /// They are written.
    pub(super) fn land(self, events: Vec<Event>) {
        let mut inner = self.feed.lock();
        for event in events {
            let at = inner.events.partition_point(|e| e.seq < event.seq);
            inner.events.insert(at, event);
        }
        let over = inner.events.len().saturating_sub(KEEP_EVENTS as usize);
        inner.events.drain(..over);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.many > 0 {
            self.feed.lock().flying.remove(&self.first);
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

    fn event(seq: u64) -> Event {
        Event {
            seq,
            tenant: "a".parse().unwrap(),
            uid: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap(),
            reason: "Running".to_owned(),
            message: String::new(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn shown(feed: &Feed) -> Vec<u64> {
        let query = EventQuery {
            limit: 10,
            ..EventQuery::default()
        };
        feed.events(&query).iter().map(|e| e.seq).collect()
    }

    #[test]
    fn nobody_sees_what_came_after_an_event_that_may_still_come() {
        let feed = Feed::new(Timestamp::UNIX_EPOCH);
        let (slow, fast) = (feed.begin(0, 1), feed.begin(0, 1));
        fast.land(vec![event(2)]);
        assert_eq!((shown(&feed), feed.kept().newest), (vec![], 1));
        slow.land(vec![event(1)]);
        assert_eq!((shown(&feed), feed.kept().newest), (vec![1, 2], 2));
        drop(feed.begin(7, 2));
        feed.hear(vec![event(0)]);
        assert_eq!(shown(&feed), [1, 2, 10]);
    }
}
