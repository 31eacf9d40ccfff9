//! Opening the file: its settings, its schema, and the refusal of what is not ours.

use std::{io, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// The schema, oldest step first; a step is never changed once it was released.
const STEPS: &[&str] = &[include_str!("schema.sql")];
/// How long a call waits for another program that has the file.
const BUSY: Duration = Duration::from_secs(5);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is no database, or damaged.
    #[error(
        "opened the database {path}: {source}; restore it from a backup, or move it away to begin anew"
    )]
    Database {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer release has been here.
    #[error(
        "opened the database {path}: it has schema {seen}, this program knows {known}; use the newer release again"
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
    #[error("started the store's writer: {0}")]
    Thread(io::Error),
}

/// A connection that writes, with the schema up to date.
pub(super) fn writing(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Database {
        path: path.display().to_string(),
        source,
    };
    let mut db = Connection::open(path).map_err(failed)?;
    settings(&db).map_err(failed)?;
    let seen: u32 = db
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .map_err(failed)?;
    if seen > known() {
        return Err(OpenError::Newer {
            path: path.display().to_string(),
            seen,
            known: known(),
        });
    }
    migrate(&mut db, seen).map_err(failed)?;
    Ok(db)
}

/// The newest schema that this program knows.
fn known() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

fn settings(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(db: &mut Connection, seen: u32) -> rusqlite::Result<()> {
    for (step, sql) in (1_u32..).zip(STEPS).filter(|(step, _)| *step > seen) {
        let tx = db.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step)?;
        tx.commit()?;
    }
    Ok(())
}

/// A connection that only reads.
pub(super) fn reading(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    });
    opened.map_err(|source| OpenError::Database {
        path: path.display().to_string(),
        source,
    })
}
