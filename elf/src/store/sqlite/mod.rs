//! Memory in one SQLite file: one writer thread that groups what is queued into one commit, and a
//! few readers. A commit that was answered is on the disk (`synchronous=FULL`).

mod open;
mod pieces;
mod read;
mod writer;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use sandbox_core::Tenant;

pub use open::OpenError;
use read::Readers;
use writer::Writer;

use super::{Appending, Commit, Item, Kept, Kind, Ledger, LedgerError, Snapshot, Taking, row};
use crate::entry::Row;

/// Logs and items in a file.
pub struct SqliteLedger {
    writer: Writer,
    readers: Arc<Readers>,
}

impl SqliteLedger {
    /// Opens the file, makes it where it is missing, and brings an older one up to date.
    ///
    /// # Errors
    /// It is no memory of ours, is damaged, comes from a newer release, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = open::writing(path)?;
        let readers = Readers::open(path)?;
        Ok(Self {
            writer: Writer::start(writer).map_err(OpenError::Thread)?,
            readers: Arc::new(readers),
        })
    }

    /// Reads away from the async threads: a picture of a large tenant takes its time.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Kept<T> {
        let readers = Arc::clone(&self.readers);
        let done = tokio::task::spawn_blocking(move || readers.with(work)).await;
        let done = done.map_err(|e| LedgerError::Unavailable(format!("read memory: {e}")))?;
        done.map_err(|e| unavailable("read memory", &e))
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        self.writer.append(tenant.clone(), commit)
    }

    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        let tenant = tenant.clone();
        let bodies = self
            .read(move |db| read::log(db, &tenant, after, limit))
            .await?;
        bodies.iter().map(|body| row(body)).collect()
    }

    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot> {
        let tenant = tenant.clone();
        self.read(move |db| read::snapshot(db, &tenant)).await
    }

    async fn pieces(&self, tenant: &Tenant, take: Taking) -> Kept<u64> {
        let (tenant, readers) = (tenant.clone(), Arc::clone(&self.readers));
        self.read(move |db| pieces::read(db, &readers, (&tenant, &take)))
            .await
    }

    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.read(move |db| read::item(db, &tenant, kind, &id))
            .await
    }

    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        let tenant = tenant.clone();
        self.read(move |db| read::items(db, &tenant, (kind, before, limit)))
            .await
    }
}

/// What SQLite said, as an answer: whether it was done is not known.
fn unavailable(what: &str, e: &rusqlite::Error) -> LedgerError {
    use rusqlite::ErrorCode::{
        DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, SystemIoFailure,
    };
    let remedy = match e.sqlite_error_code() {
        Some(DiskFull) => "; the disk is full: make room, nothing that was acknowledged is lost",
        Some(DatabaseBusy | DatabaseLocked) => "; another program has the database: close it",
        Some(DatabaseCorrupt | NotADatabase) => {
            "; the file is damaged: restore it from a backup, or move it away to begin anew"
        }
        Some(SystemIoFailure) => "; see that the disk is healthy and has room",
        _ => "",
    };
    LedgerError::Unavailable(format!("{what}: {e}{remedy}"))
}
