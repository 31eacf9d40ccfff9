//! The connections that read. Those for one row are apart from those for scans, so that a long list
//! never keeps an async thread waiting. Knows no queries.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use rusqlite::Connection;

use super::open::{OpenError, Opening};

/// Connections of each kind.
const EACH: usize = 4;

/// A few connections that read.
pub(super) struct Readers {
    points: Pool,
    scans: Pool,
}

impl Readers {
    pub(super) fn open(opening: &Opening<'_>) -> Result<Self, OpenError> {
        Ok(Self {
            points: Pool::open(opening)?,
            scans: Pool::open(opening)?,
        })
    }

    /// Reads one row or so, on this thread.
    pub(super) fn point<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        self.points.with(work)
    }

    /// Reads many rows; not for an async thread.
    pub(super) fn scan<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        self.scans.with(work)
    }
}

/// Each connection serves one caller at a time.
struct Pool {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Pool {
    fn open(opening: &Opening<'_>) -> Result<Self, OpenError> {
        let opened = (0..EACH).map(|_| opening.reading().map(Mutex::new));
        Ok(Self {
            connections: opened.collect::<Result<_, _>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// Works with the first connection that is free, or waits for one.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        for connection in &self.connections {
            if let Ok(db) = connection.try_lock() {
                return work(&db);
            }
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let db = self.connections[turn].lock();
        work(&db.unwrap_or_else(PoisonError::into_inner))
    }
}
