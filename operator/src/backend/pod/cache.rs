//! Our pods in memory, by their seats: fed by the watch and by our own writes, the newer of two wins. What
//! is gone is remembered for a while, for how it went says whether it is over.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sandbox_core::Seat;
use tokio::sync::watch;

use super::found::Found;

/// How long what is gone is remembered, where nobody reaps it.
const REMEMBERED: Duration = Duration::from_hours(1);
/// From this many seats on, what was remembered too long is looked for.
const MANY: usize = 4096;

/// What is known of a seat's pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// It is there.
    There(Found),
    /// It is gone; this was seen last.
    Gone(Found),
    /// We removed it.
    Reaped(Found),
}

impl Entry {
    fn found(&self) -> &Found {
        match self {
            Self::There(found) | Self::Gone(found) | Self::Reaped(found) => found,
        }
    }
}

/// The pods of all seats.
#[derive(Debug)]
pub(super) struct Cache {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    synced: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    seats: HashMap<Seat, (Entry, Instant)>,
    homes: HashMap<Seat, String>,
}

/// A look at everything that has begun.
pub(super) struct Census {
    began: Instant,
    seen: HashSet<Seat>,
}

impl Census {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            seen: HashSet::new(),
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            synced: watch::Sender::new(false),
        }
    }
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, seat: &Seat) -> Option<Entry> {
        self.lock().seats.get(seat).map(|(entry, _)| entry.clone())
    }

    /// Where the seat's pod is or was to be.
    pub(super) fn home(&self, seat: &Seat) -> Option<String> {
        let state = self.lock();
        let of_pod = state
            .seats
            .get(seat)
            .map(|(e, _)| e.found().namespace.clone());
        of_pod.or_else(|| state.homes.get(seat).cloned())
    }

    /// Remembers where a pod is to be made.
    pub(super) fn settle(&self, seat: &Seat, namespace: &str) {
        let mut state = self.lock();
        state.homes.insert(seat.clone(), namespace.to_owned());
    }

    /// A pod was seen. Gives its seat when that is news.
    pub(super) fn put(&self, found: Found) -> Option<Seat> {
        let seat = found.seat()?;
        let mut state = self.lock();
        let known = state.seats.get(&seat).map(|(entry, _)| entry);
        let known_already = match known {
            Some(Entry::There(old)) => found.version <= old.version,
            Some(Entry::Gone(old) | Entry::Reaped(old)) => {
                found.uid == old.uid || found.version <= old.version
            }
            None => false,
        };
        if known_already {
            return None;
        }
        state.set(seat.clone(), Entry::There(found));
        drop(state);
        self.bump();
        Some(seat)
    }

    /// A pod is gone; this was seen of it last.
    pub(super) fn gone(&self, found: Found) -> Option<Seat> {
        let seat = found.seat()?;
        let mut state = self.lock();
        let known = state.seats.get(&seat).map(|(entry, _)| entry);
        match known {
            Some(Entry::Gone(old) | Entry::Reaped(old)) if old.uid == found.uid => return None,
            Some(Entry::There(old)) if old.uid != found.uid => return None,
            _ => {}
        }
        state.set(seat.clone(), Entry::Gone(found));
        drop(state);
        self.bump();
        Some(seat)
    }

    /// We have removed the seat's pod.
    pub(super) fn reaped(&self, seat: &Seat, found: Found) {
        let mut state = self.lock();
        state.homes.remove(seat);
        state.set(seat.clone(), Entry::Reaped(found));
        drop(state);
        self.bump();
    }

    /// A pod was seen in a look at everything.
    pub(super) fn count(&self, census: &mut Census, found: Found) -> Option<Seat> {
        census.seen.extend(found.seat());
        self.put(found)
    }

    /// The look is over: what was there before it and was not seen is gone.
    pub(super) fn counted(&self, census: &Census, namespace: Option<&str>) -> Vec<Seat> {
        let mut missing = Vec::new();
        for (seat, (entry, at)) in &self.lock().seats {
            let Entry::There(found) = entry else { continue };
            let here = namespace.is_none_or(|n| n == found.namespace);
            if here && *at < census.began && !census.seen.contains(seat) {
                missing.push(found.clone());
            }
        }
        missing.into_iter().filter_map(|f| self.gone(f)).collect()
    }

    /// Everything was looked at once.
    pub(super) fn is_synced(&self) {
        self.synced.send_replace(true);
    }

    /// Waits until everything was looked at once; says whether it was in this time.
    pub(super) async fn synced_within(&self, limit: Duration) -> bool {
        let mut synced = self.synced.subscribe();
        let waited = tokio::time::timeout(limit, synced.wait_for(|is| *is)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Waits for the next change after this moment, or this long.
    pub(super) fn next_change(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let mut changed = self.changed.subscribe();
        async move {
            let _ = tokio::time::timeout(limit, changed.changed()).await;
        }
    }

    fn bump(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }
}

impl State {
    fn set(&mut self, seat: Seat, entry: Entry) {
        if self.seats.len() >= MANY {
            self.seats.retain(|_, (entry, at)| {
                matches!(entry, Entry::There(_)) || at.elapsed() < REMEMBERED
            });
        }
        self.seats.insert(seat, (entry, Instant::now()));
    }
}

#[cfg(test)]
mod tests;
