//! Where jobs are written down. Each store keeps the same promises; the contract tests run them on
//! every entry of [`all`].

pub mod dynamodb;
pub mod kube;
pub mod log;
pub mod memory;
pub mod redis;
pub mod rows;
pub mod shelf;
pub mod sqlite;

use std::{path::Path, sync::Arc};

use sandbox_core::port::Store;

/// Events kept; older ones are forgotten, so that the log does not grow without end.
pub(crate) const KEEP_EVENTS: u32 = 100_000;

/// A store with its word.
pub type Named = (&'static str, Arc<dyn Store>);

/// Every store, opened new beneath this folder: what the contract tests run on.
///
/// # Errors
/// A store could not be opened.
pub fn all(folder: &Path) -> Result<Vec<Named>, sqlite::OpenError> {
    let sqlite = sqlite::SqliteStore::open(&folder.join("sandbox.db"))?;
    Ok(vec![
        ("memory", Arc::new(memory::MemoryStore::default())),
        ("sqlite", Arc::new(sqlite)),
    ])
}
