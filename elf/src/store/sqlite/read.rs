//! What is read: the log, one item, items of a kind, a picture of a tenant.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, Result, params};
use sandbox_core::Tenant;

use super::{OpenError, open};
use crate::store::{Item, Kind, Snapshot};

/// Connections that read side by side.
const READERS: usize = 4;

/// A few connections that read; each serves one caller at a time.
pub(super) struct Readers {
    path: PathBuf,
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> std::result::Result<Self, OpenError> {
        let opened: std::result::Result<Vec<Connection>, OpenError> =
            (0..READERS).map(|_| open::reading(path)).collect();
        Ok(Self {
            path: path.to_owned(),
            connections: opened?.into_iter().map(Mutex::new).collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// One more connection, for work that would keep others waiting.
    pub(super) fn another(&self) -> std::result::Result<Connection, OpenError> {
        open::reading(&self.path)
    }

    /// Reads with the first connection that is free, or waits for one.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        for connection in &self.connections {
            if let Ok(mut db) = connection.try_lock() {
                return work(&mut db);
            }
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let mut db = self.connections[turn]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut db)
    }
}

/// The place of the log's last entry.
pub(super) fn head(db: &Connection, tenant: &Tenant) -> Result<u64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM log WHERE tenant = ?1";
    db.prepare_cached(sql)?
        .query_row([tenant.as_str()], |r| r.get(0).map(unsigned))
}

pub(super) fn log(db: &Connection, tenant: &Tenant, after: u64, limit: u32) -> Result<Vec<String>> {
    let sql = "SELECT body FROM log WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found =
        statement.query_map(params![tenant.as_str(), signed(after), limit], |r| r.get(0))?;
    found.collect()
}

/// Both reads see the same commit, for they share a transaction.
pub(super) fn snapshot(db: &mut Connection, tenant: &Tenant) -> Result<Snapshot> {
    let tx = db.transaction()?;
    let head = head(&tx, tenant)?;
    let mut items = Vec::new();
    for kind in Kind::HELD {
        let sql = "SELECT id, seq, body FROM items WHERE tenant = ?1 AND kind = ?2 ORDER BY id";
        let mut statement = tx.prepare_cached(sql)?;
        let found = statement.query_map([tenant.as_str(), kind.word()], |r| made(r, kind))?;
        items.extend(found.collect::<Result<Vec<Item>>>()?);
    }
    Ok(Snapshot { head, items })
}

pub(super) fn item(db: &Connection, tenant: &Tenant, kind: Kind, id: &str) -> Result<Option<Item>> {
    let sql = "SELECT id, seq, body FROM items WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let mut statement = db.prepare_cached(sql)?;
    statement
        .query_row([tenant.as_str(), kind.word(), id], |r| made(r, kind))
        .optional()
}

pub(super) fn items(
    db: &Connection,
    tenant: &Tenant,
    asked: (Kind, Option<u64>, u32),
) -> Result<Vec<Item>> {
    let (kind, before, limit) = asked;
    let sql = "SELECT id, seq, body FROM items WHERE tenant = ?1 AND kind = ?2 AND seq < ?3
        ORDER BY seq DESC, id LIMIT ?4";
    let mut statement = db.prepare_cached(sql)?;
    let before = before.map_or(i64::MAX, signed);
    let values = params![tenant.as_str(), kind.word(), before, limit];
    let found = statement.query_map(values, |r| made(r, kind))?;
    found.collect()
}

pub(super) fn made(r: &rusqlite::Row<'_>, kind: Kind) -> Result<Item> {
    Ok(Item {
        kind,
        id: r.get(0)?,
        seq: unsigned(r.get(1)?),
        body: r.get(2)?,
    })
}

/// SQLite's numbers have a sign; places of a log stay far below its end.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}
