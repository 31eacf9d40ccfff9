//! Jobs in one SQLite file: one writer thread that groups what is queued into one commit, and a few
//! readers. A write that was acknowledged is on the disk (`synchronous=FULL`).

mod open;
mod read;
mod write;
mod writer;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, Change, Created, PortError, Store},
    query::{Event, EventQuery, ListQuery, Page},
};

pub use open::OpenError;
use read::Readers;
use writer::Writer;

/// Jobs in a file.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
}

impl SqliteStore {
    /// Opens the file, makes it where it is missing, and brings an older one up to date.
    ///
    /// # Errors
    /// It is no database of ours, is damaged, comes from a newer release, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = open::writing(path)?;
        let readers = Readers::open(path)?;
        Ok(Self {
            writer: Writer::start(writer).map_err(OpenError::Thread)?,
            readers: Arc::new(readers),
        })
    }

    /// Reads away from the async threads: a scan may take its time.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let readers = Arc::clone(&self.readers);
        let done = tokio::task::spawn_blocking(move || readers.with(work)).await;
        done.unwrap_or_else(|e| Err(PortError::Unknown(format!("read the store: {e}"))))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.writer.create(job, key.map(str::to_owned)).await
    }

    /// One row by its key: some ten microseconds, less than handing it to another thread.
    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        self.readers.with(|db| read::load(db, uid))
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        let query = query.clone();
        self.read(move |db| read::list(db, &query)).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.writer.commit(change).await
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        let query = query.clone();
        self.read(move |db| read::events(db, &query)).await
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        let (pool, row) = (pool.to_owned(), super::rows::Row::of(job)?);
        self.readers
            .with(move |db| read::admission(db, &pool, &row))
    }
}

/// What SQLite said, as an answer: whether it was done is not known.
fn unknown(what: &str, e: &rusqlite::Error) -> PortError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    let remedy = match e.sqlite_error_code() {
        Some(DiskFull) => "; the disk is full: make room, nothing that was acknowledged is lost",
        Some(DatabaseBusy | DatabaseLocked) => "; another program has the database: close it",
        _ => "",
    };
    PortError::Unknown(format!("{what}: {e}{remedy}"))
}
