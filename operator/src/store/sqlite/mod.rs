//! Jobs in one SQLite file: one writer thread that groups what is queued into one commit, and a few
//! readers. A write that was acknowledged is on the disk (`synchronous=FULL`). It makes no backups.

mod open;
mod read;
mod readers;
mod told;
mod write;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, Change, Created, PortError, Store},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};

pub use open::OpenError;
use open::Opening;
use readers::Readers;
use writer::Writer;

use super::rows::Row;

/// How long a call waits for another program that has the file.
const BUSY: Duration = Duration::from_secs(5);

/// Jobs in a file. Dropped, it finishes what is queued and settles the write-ahead log.
pub struct SqliteStore {
    // The readers go first: the last connection to close settles the log, and must be able to write.
    readers: Arc<Readers>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file, makes it where it is missing, and brings an older one up to date.
    ///
    /// # Errors
    /// It is no database of ours, is damaged, comes from a newer release, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_within(path, BUSY)
    }

    fn open_within(path: &Path, busy: Duration) -> Result<Self, OpenError> {
        let opening = Opening { path, busy };
        let db = opening.writing()?;
        let readers = Readers::open(&opening)?;
        Ok(Self {
            readers: Arc::new(readers),
            writer: Writer::start(db).map_err(OpenError::Thread)?,
        })
    }

    /// The number of the newest event; 0 before the first.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be read.
    pub fn last_seq(&self) -> Answer<u64> {
        self.readers.point(read::last_seq)
    }

    /// Reads away from the async threads: a scan may take its time.
    async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let readers = Arc::clone(&self.readers);
        let done = tokio::task::spawn_blocking(move || readers.scan(work)).await;
        done.unwrap_or_else(|e| {
            Err(PortError::Unknown(format!(
                "read the store: {e}; try again"
            )))
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.writer.create(job, key.map(str::to_owned)).await
    }

    /// One row by its key: some ten microseconds, less than handing it to another thread.
    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        let body = self.readers.point(|db| read::body(db, uid))?;
        body.map(|body| read::parse(&body)).transpose()
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        let query = query.clone();
        self.scan(move |db| read::list(db, &query)).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.writer.commit(change).await
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        let query = query.clone();
        self.scan(move |db| read::events(db, &query)).await
    }

    async fn kept(&self) -> Answer<Kept> {
        self.readers.point(read::kept)
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        let (pool, row) = (pool.to_owned(), Row::of(job)?);
        self.scan(move |db| read::admission(db, &pool, &row)).await
    }
}

#[cfg(test)]
mod tests;
