//! The event log of one process: a ring in memory, oldest first, with numbers that have no gaps.

use std::collections::VecDeque;

use sandbox_core::{
    Tenant, Uid,
    query::{Event, EventQuery, Kept, MAX_PAGE, NewEvent},
};

use super::KEEP_EVENTS;

/// How many events count as told not long ago.
const RECENT: usize = 500;

/// Events in the order in which they were told.
#[derive(Debug)]
pub struct Log {
    events: VecDeque<Event>,
    /// The number of the newest event.
    seq: u64,
    /// Most events kept; the others are forgotten, oldest first.
    most: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self::keeping(KEEP_EVENTS as usize)
    }
}

impl Log {
    /// A log that keeps so many events.
    #[must_use]
    pub const fn keeping(most: usize) -> Self {
        Self {
            events: VecDeque::new(),
            seq: 0,
            most,
        }
    }

    /// An empty log whose next event has the number after this one.
    #[must_use]
    pub fn after(seq: u64) -> Self {
        Self {
            seq,
            ..Self::default()
        }
    }

    /// The number of the newest event, or the one before the first.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.seq
    }

    /// Keeps what happened to a job.
    pub fn tell(&mut self, tenant: &Tenant, uid: &Uid, events: Vec<NewEvent>) {
        for event in events {
            self.seq += 1;
            self.events.push_back(Event {
                seq: self.seq,
                tenant: tenant.clone(),
                uid: uid.clone(),
                reason: event.reason,
                message: event.message,
                at: event.at,
            });
        }
        let over = self.events.len().saturating_sub(self.most);
        self.events.drain(..over);
    }

    /// Whether this was told of the job not long ago.
    #[must_use]
    pub fn has(&self, uid: &Uid, event: &NewEvent) -> bool {
        let same = |e: &Event| {
            e.uid == *uid
                && e.at == event.at
                && e.reason == event.reason
                && e.message == event.message
        };
        self.events.iter().rev().take(RECENT).any(same)
    }

    /// A page of events, oldest first.
    #[must_use]
    pub fn events(&self, query: &EventQuery) -> Vec<Event> {
        let wanted = |e: &&Event| {
            query.tenant.as_ref().is_none_or(|t| e.tenant == *t)
                && query.uid.as_ref().is_none_or(|u| e.uid == *u)
        };
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let seen = self.events.partition_point(|e| e.seq <= query.after);
        let unseen = self.events.range(seen..);
        unseen.filter(wanted).take(limit).cloned().collect()
    }

    /// What is kept.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let oldest = self.events.front().map_or(self.seq + 1, |e| e.seq);
        Kept {
            forgotten: oldest - 1,
            newest: self.seq,
        }
    }
}
