//! The seat's log: what the work says, one line each, bounded, and shown in the pane as well.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

/// Largest log when the settings name none.
const DEFAULT_LIMIT: u64 = 10 * 1024 * 1024;
/// Longest line.
const MAX_LINE: usize = 8 * 1024;

/// Writes to the seat's log. A full log drops lines and says so once.
pub struct Log {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    left: u64,
    full: bool,
}

impl Log {
    /// Opens the log at this path for appending.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        let left = limit.saturating_sub(file.metadata()?.len());
        let inner = Mutex::new(Inner {
            file,
            left,
            full: false,
        });
        Ok(Self { inner })
    }

    /// Writes one line with the time before it.
    pub fn line(&self, text: &str) {
        let text: String = text.chars().take(MAX_LINE).collect();
        let line = format!(
            "{:.3} {}\n",
            Timestamp::now(),
            text.replace(['\n', '\r'], " ")
        );
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.write(&line);
        print!("{line}");
    }
}

impl Inner {
    fn write(&mut self, line: &str) {
        if self.full {
            return;
        }
        let size = line.len() as u64;
        if size > self.left {
            self.full = true;
            // A log that cannot be written must not end the work; the pane still shows the lines.
            let _ = self
                .file
                .write_all(b"the log is full; further lines are dropped\n");
            return;
        }
        self.left -= size;
        let _ = self.file.write_all(line.as_bytes());
    }
}
