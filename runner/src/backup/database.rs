//! A whole picture of a SQLite database, also while a server writes to it. Nobody waits for it: with a
//! write-ahead log a reader keeps no writer from its work.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

/// How long another program may keep the database to itself.
const BUSY: Duration = Duration::from_secs(30);

/// Copies the database as it is at one moment into a new file, checks the copy and makes it durable.
///
/// # Errors
/// It cannot be read, is damaged, or there is no room.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(BUSY)?;
    let mut copy = Connection::open(to)?;
    {
        let backup = Backup::new(&source, &mut copy)?;
        // All pages at once: a copy in steps begins anew whenever somebody writes between two of them.
        match backup.step(-1)? {
            StepResult::Done => {}
            _ => bail!("another program has the database to itself; try again"),
        }
    }
    // One file that is whole without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    let seen: String = copy.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    if seen != "ok" {
        bail!("the database is damaged: {seen}; restore it from an older backup");
    }
    copy.close().map_err(|(_, e)| e)?;
    std::fs::File::open(to)?.sync_all().context("synced it")
}

/// Counts what this asks for.
///
/// # Errors
/// The database cannot be read.
pub fn count(file: &Path, sql: &str) -> Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    let found: i64 = db.query_row(sql, [], |r| r.get(0))?;
    Ok(u64::try_from(found).unwrap_or_default())
}
