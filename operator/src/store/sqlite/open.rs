//! Opening the file: its settings, its schema, and the refusal of what is not ours. Knows nothing of
//! jobs.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::told::remedy;

/// The schema, oldest step first; a step is never changed once it was released.
const STEPS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];
/// Stands in the header of every file of ours ("MASB").
const APPLICATION: i32 = 0x4d41_5342;
/// Settles what stands in the WAL at this size, in bytes, so that it does not keep its largest.
const WAL_KEPT: u32 = 64 * 1024 * 1024;
/// Statements kept prepared by each connection.
const PREPARED: usize = 64;
/// How soon a file that is just being made is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite refused: missing folder, damage, a lock, a full disk.
    #[error("opened the database {path}: {source}; {remedy}")]
    Database {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
        /// What a person can do.
        remedy: &'static str,
    },
    /// It is the database of another program.
    #[error("opened the database {path}: another program made it; name another file")]
    Foreign {
        /// Which file.
        path: String,
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
    /// Its disk cannot keep a write-ahead log.
    #[error(
        "opened the database {path}: its journal stays {seen:?} where \"wal\" is needed; put it on a local disk"
    )]
    Journal {
        /// Which file.
        path: String,
        /// The journal mode that was seen.
        seen: String,
    },
    /// The writer's thread could not be started.
    #[error("started the store's writer: {0}; see how many threads this user may have")]
    Thread(io::Error),
}

/// One file that is to be opened.
pub(super) struct Opening<'a> {
    pub(super) path: &'a Path,
    /// How long a call waits for another program that has the file.
    pub(super) busy: Duration,
}

impl Opening<'_> {
    /// A connection that writes, with the schema up to date.
    pub(super) fn writing(&self) -> Result<Connection, OpenError> {
        let mut db = Connection::open(self.path).map_err(|e| self.failed(e))?;
        db.busy_timeout(self.busy).map_err(|e| self.failed(e))?;
        self.check(&db)?;
        settings(&db).map_err(|e| self.failed(e))?;
        let journal = self.logged_ahead(&db).map_err(|e| self.failed(e))?;
        if journal != "wal" {
            let (path, seen) = (self.shown(), journal);
            return Err(OpenError::Journal { path, seen });
        }
        migrate(&mut db).map_err(|e| self.failed(e))?;
        Ok(db)
    }

    /// Has the file keep a write-ahead log; gives the journal mode that came of it. Where two
    /// programs do this to a new file at once, SQLite refuses one at once instead of waiting.
    fn logged_ahead(&self, db: &Connection) -> rusqlite::Result<String> {
        let until = Instant::now() + self.busy;
        loop {
            match db.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get(0)) {
                Err(e) if is_busy(&e) && Instant::now() < until => thread::sleep(AGAIN),
                answer => return answer,
            }
        }
    }

    /// A connection that only reads.
    pub(super) fn reading(&self) -> Result<Connection, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(self.path, flags).and_then(|db| {
            db.busy_timeout(self.busy)?;
            db.set_prepared_statement_cache_capacity(PREPARED);
            Ok(db)
        });
        opened.map_err(|e| self.failed(e))
    }

    /// Refuses what is not ours, before anything of it is changed.
    fn check(&self, db: &Connection) -> Result<(), OpenError> {
        let (application, seen, tables) = header(db).map_err(|e| self.failed(e))?;
        if application != APPLICATION && (application, seen, tables) != (0, 0, 0) {
            return Err(OpenError::Foreign { path: self.shown() });
        }
        let (path, known) = (self.shown(), known());
        if seen > known {
            return Err(OpenError::Newer { path, seen, known });
        }
        Ok(())
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn failed(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Database {
            path: self.shown(),
            remedy: remedy(&source),
            source,
        }
    }
}

/// The newest schema that this program knows.
fn known() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

fn is_busy(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Whose file it is, its schema, and how many tables and indices it has, all of the same moment:
/// another program may just be making it.
fn header(db: &Connection) -> rusqlite::Result<(i32, u32, u32)> {
    let tx = db.unchecked_transaction()?;
    let tables = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    let application = tx.pragma_query_value(None, "application_id", |r| r.get(0))?;
    Ok((application, version(&tx)?, tables))
}

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |r| r.get(0))
}

fn settings(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    db.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}

/// Brings the schema up to date in one transaction. Of two programs that open a new file at the same
/// time, the second waits and then finds it done.
fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    if version(db)? == known() {
        return Ok(());
    }
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    let seen = version(&tx)?;
    for (step, sql) in (1_u32..).zip(STEPS).filter(|(step, _)| *step > seen) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.commit()
}
