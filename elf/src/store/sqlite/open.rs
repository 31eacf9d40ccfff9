//! Opening the file: its settings, its schema, and the refusal of what is not ours.

use std::{io, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// The schema, oldest step first; a step is never changed once it was released.
const STEPS: &[&str] = &[include_str!("schema.sql")];
/// "MElf": marks the file as a memory, so that another database is not written into.
const APPLICATION: i32 = 0x4d45_6c66;
/// Pages of 4 KB after which what was written is moved into the file itself. An end of an attempt writes some
/// eight of them, at places far apart, and whoever writes waits for the move.
const CHECKPOINT: u32 = 8_000;
/// How long a call waits for another program that has the file.
const BUSY: Duration = Duration::from_secs(5);

/// Why the memory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is no database, or damaged.
    #[error(
        "opened the memory {path}: {source}; restore it from a backup, or move it away to begin anew"
    )]
    Database {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file belongs to another program.
    #[error("opened the memory {path}: it is a database of something else; name another file")]
    Foreign {
        /// Which file.
        path: String,
    },
    /// A newer release has been here.
    #[error(
        "opened the memory {path}: it has schema {seen}, this program knows {known}; use the newer release again"
    )]
    Newer {
        /// Which file.
        path: String,
        /// The schema that was seen.
        seen: u32,
        /// The newest that is known.
        known: u32,
    },
    /// The writer's thread could not be started.
    #[error("started memory's writer: {0}")]
    Thread(io::Error),
}

/// A connection that writes, with the schema up to date.
pub(super) fn writing(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| database(path, source);
    let mut db = Connection::open(path).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    // Looked at before any setting, for a setting may already write into a foreign file.
    let seen = version(&db, path)?;
    settings(&db).map_err(failed)?;
    migrate(&mut db, seen).map_err(failed)?;
    Ok(db)
}

/// The schema that is there; 0 for a new file.
fn version(db: &Connection, path: &Path) -> Result<u32, OpenError> {
    let failed = |source| database(path, source);
    let shown = || path.display().to_string();
    let seen: u32 = db
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .map_err(failed)?;
    let owner: i32 = db
        .pragma_query_value(None, "application_id", |r| r.get(0))
        .map_err(failed)?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: u32 = db.query_row(tables, [], |r| r.get(0)).map_err(failed)?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    match owner {
        APPLICATION if seen > known => Err(OpenError::Newer {
            path: shown(),
            seen,
            known,
        }),
        APPLICATION => Ok(seen),
        0 if tables == 0 => Ok(0),
        _ => Err(OpenError::Foreign { path: shown() }),
    }
}

fn settings(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// One transaction for all that is missing: two programs that open a new file at once both find it whole.
fn migrate(db: &mut Connection, seen: u32) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let now: u32 = tx.pragma_query_value(None, "user_version", |r| r.get(0))?;
    for (step, sql) in (1_u32..)
        .zip(STEPS)
        .filter(|(step, _)| *step > seen.max(now))
    {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.commit()
}

/// A connection that only reads.
pub(super) fn reading(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(db)
    });
    opened.map_err(|source| database(path, source))
}

fn database(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.display().to_string();
    OpenError::Database { path, source }
}
