//! Backups of a data folder: what is in one, and what stays out of it.
//!
//! | file | what it is |
//! |---|---|
//! | `database` | a whole picture of a SQLite file that somebody else writes to |
//! | `folder` | reads what stands beneath the data folder, and follows no link out of it |
//! | `pack` | from a data folder to one file |
//! | `unpack` | from one file to a new folder, checked |
//! | `revive` | what becomes of jobs that were not over |
//! | `place` | puts the new folder where the data folder is, in one step |
//!
//! In a backup: jobs with their events, the memory, registers, reports and logs of seats, artifacts, and
//! with keys the folder `secrets`. Not in it: workspaces, sockets, settings, what agents had in their
//! homes. Knows nothing of HTTP, and starts nothing.

mod database;
pub mod folder;
mod pack;
mod place;
mod revive;
mod unpack;

use std::{io, path::Path};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use pack::make;
pub(crate) use unpack::create;
pub use unpack::{Asked, restore};

/// The form of a backup that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The first file of a backup.
const HEAD: &str = "backup.json";
/// The last one: without it the backup is not whole.
const MANIFEST: &str = "manifest.json";
/// The jobs.
const JOBS: &str = "sandbox.db";
/// The memory.
const MEMORY: &str = "elf.db";
/// Registers, reports and logs.
const SEATS: &str = "seats";
/// What jobs made.
const ARTIFACTS: &str = "artifacts";
/// Keys.
const SECRETS: &str = "secrets";

/// What a backup says of itself before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The form.
    pub format: u32,
    /// The release that made it.
    pub version: String,
    /// When it was begun.
    pub at: Timestamp,
    /// How many jobs it has.
    pub jobs: u64,
    /// How many of them were not over.
    pub unfinished: u64,
    /// How many rules it has.
    pub rules: u64,
    /// Whether it has the folder of keys.
    pub keys: bool,
}

/// Everything that is in a backup, in its order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    files: Vec<Listed>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Copies the databases of a data folder, which may be at work or not be there, into another one.
///
/// # Errors
/// One cannot be read, is damaged, or there is no room.
pub fn copy_of(data: &Path, to: &Path) -> anyhow::Result<()> {
    for name in [JOBS, MEMORY] {
        let from = data.join(name);
        if from.is_file() {
            let copied = database::copy(&from, &to.join(name));
            copied.with_context(|| format!("copied {}", from.display()))?;
        }
    }
    Ok(())
}

/// The digits of a digest.
pub(crate) fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a person can do about an error of the disk.
fn remedy(e: &anyhow::Error) -> &'static str {
    let io = e.chain().find_map(|c| c.downcast_ref::<io::Error>());
    let sqlite = e.chain().find_map(|c| c.downcast_ref::<rusqlite::Error>());
    let full = sqlite.and_then(rusqlite::Error::sqlite_error_code);
    if full == Some(rusqlite::ErrorCode::DiskFull)
        || io.is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
    {
        return "; the disk is full: make room, or use another one; nothing was changed";
    }
    ""
}

/// The error with what to do about it, where that is known.
pub fn told(e: anyhow::Error) -> anyhow::Error {
    match remedy(&e) {
        "" => e,
        remedy => anyhow::anyhow!("{e:#}{remedy}"),
    }
}
