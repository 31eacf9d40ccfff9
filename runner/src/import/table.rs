//! Reads a SQLite file that must not change, not even by a lock or a log beside it, and whose content is
//! whatever it is: each value is taken as what it can be, each row by itself.

use std::{
    fmt::Write as _,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};

/// An open file.
pub struct Source {
    /// Where it is.
    pub file: PathBuf,
    db: Connection,
}

/// One row; columns that are not there read as empty.
pub struct Cells<'a>(&'a Row<'a>);

impl Source {
    /// Opens the file as one that nobody changes.
    ///
    /// # Errors
    /// It is no database, or somebody was writing to it when it was last closed.
    pub fn open(file: &Path) -> Result<Self> {
        for log in ["-journal", "-wal"] {
            let mut beside = file.as_os_str().to_owned();
            beside.push(log);
            if std::fs::metadata(&beside).is_ok_and(|m| m.len() > 0) {
                bail!(
                    "the older server still writes to it, or was ended in the middle of that: there is {}; \
                     stop that server, and read the database once with it or with sqlite3",
                    Path::new(&beside).display()
                );
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file = std::path::absolute(file)?;
        let db = Connection::open_with_flags(uri(&file), flags)?;
        let read = db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        read.context("read it as a SQLite database")?;
        Ok(Self { file, db })
    }

    /// Whether there is such a table.
    pub fn has(&self, table: &str) -> bool {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let found = self.db.query_row(sql, [table], |_| Ok(()));
        found.is_ok()
    }

    /// Whether there is one of these tables.
    pub fn has_any(&self, tables: &[&str]) -> bool {
        tables.iter().any(|t| self.has(t))
    }

    /// Reads a table of ours to name, row by row; what of it cannot be read is the error at the end.
    ///
    /// # Errors
    /// The table is damaged from some row on.
    pub fn rows<T>(
        &self,
        table: &'static str,
        read: impl Fn(&Cells<'_>) -> T,
    ) -> (Vec<T>, Result<()>) {
        let mut found = Vec::new();
        let mut all = || -> rusqlite::Result<()> {
            let mut statement = self
                .db
                .prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                found.push(read(&Cells(row)));
            }
            Ok(())
        };
        let done = all().with_context(|| format!("read the table {table}"));
        (found, done)
    }
}

/// The file as SQLite takes it, with the promise that nobody changes it.
fn uri(file: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte));
            }
            // Writing to a String cannot fail.
            other => drop(write!(uri, "%{other:02X}")),
        }
    }
    uri + "?mode=ro&immutable=1"
}

impl Cells<'_> {
    /// A text; nothing where there is none.
    ///
    /// # Errors
    /// It is no text, or not in UTF-8.
    pub fn text(&self, column: &str) -> Result<Option<String>, String> {
        match self.0.get_ref(column) {
            Err(_) | Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(format!("its {column} is not in UTF-8")),
            },
            Ok(ValueRef::Integer(n)) => Ok(Some(n.to_string())),
            Ok(ValueRef::Real(n)) => Ok(Some(n.to_string())),
            Ok(ValueRef::Blob(_)) => Err(format!("its {column} is no text")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// As [`Cells::text`], and where there is none.
    pub fn needed(&self, column: &str) -> Result<String, String> {
        let text = self.text(column)?;
        text.ok_or_else(|| format!("it has no {column}"))
    }

    /// A number; nothing where there is none.
    pub fn number(&self, column: &str) -> Option<f64> {
        let text = self.text(column).ok()??;
        text.trim().parse().ok().filter(|n: &f64| n.is_finite())
    }

    /// A number from 0; 0 where there is none.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast keeps within bounds"
    )]
    pub fn count(&self, column: &str) -> u64 {
        self.number(column).unwrap_or_default().max(0.0) as u64
    }

    /// JSON; null where there is none.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self, column: &str) -> Result<serde_json::Value, String> {
        match self.text(column)?.filter(|t| !t.trim().is_empty()) {
            None => Ok(serde_json::Value::Null),
            Some(text) => {
                serde_json::from_str(&text).map_err(|e| format!("its {column} is no JSON: {e}"))
            }
        }
    }

    /// A time: naive UTC as the ancestor wrote it, with a T or a space, or one with a zone.
    ///
    /// # Errors
    /// It is none.
    pub fn time(&self, column: &str) -> Result<Timestamp, String> {
        let text = self.needed(column)?;
        moment(&text).ok_or_else(|| format!("its {column} is no time: {:?}", cut(&text)))
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let zoned = || text.parse::<Timestamp>().ok();
    zoned().or_else(|| {
        let naive: DateTime = text.parse().ok()?;
        Some(naive.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// As much of a text as a line holds.
pub fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_a_t_a_space_or_a_zone_are_the_same_time() {
        let same = moment("2026-01-01T12:00:00.000000");
        assert!(same.is_some());
        assert_eq!(moment("2026-01-01 12:00:00"), same);
        assert_eq!(moment("2026-01-01T13:00:00+01:00"), same);
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn a_path_with_signs_of_a_uri_stays_one_path() {
        let uri = uri(Path::new("/a b/c?d#e%.db"));
        assert_eq!(uri, "file:/a%20b/c%3Fd%23e%25.db?mode=ro&immutable=1");
    }
}
