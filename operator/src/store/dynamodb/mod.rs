//! Jobs in one DynamoDB table, for any number of processes that come and go. Nothing holds all jobs, and nothing scans.
//!
//! | `pk` | `sk` | what it is |
//! |---|---|---|
//! | `job#UID` | TENANT | a job with its seat, its holds and its events; for a while after its removal the events alone |
//! | `name#TENANT#NAME` | `name` | the uid of the job that has a name which somebody chose |
//! | `key#TENANT#HASH` | `key` | the uid of the job that came with an idempotency key |
//! | `pool#POOL` | `pool`, `pool#N` | a page of a pool: how much is held of it, and by whom; that nothing is given of it now |
//! | `tenants` | TENANT | that there is, or was, a tenant of this name |
//! | `sites` | SITE | when a site was last heard of, or that it is gone for good |
//!
//! The index `list` has a tenant's jobs by their submission; `due`, in a few shards, those that are not over by the time
//! at which they have to be looked at, with what they wait for. Indexes are read a little late: they say what to look
//! at, and what is decided is decided by conditional writes of the items.

mod agenda;
mod calls;
mod counted;
mod create;
mod feed;
mod follow;
mod keys;
mod large;
mod open;
mod pages;
mod passing;
pub mod paused;
mod pools;
mod read;
mod record;
mod save;
pub mod sites;
mod squeeze;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::ObjectStore;
use sandbox_core::{
    AgentJob, AgentJobStatus, Tenant, Uid,
    port::{Admission, Answer, Change, Created, Store, Write},
    query::{Event, EventQuery, Kept, ListQuery, NewEvent, Page},
};
use sandbox_elf::store::dynamodb::table::{Consumed, Table};
use uuid::Uuid;

pub use agenda::{Agenda, job_of};
pub use follow::Follower;
pub use open::make_table;
pub use passing::Passing;

use self::{
    feed::{Feed, Ticket},
    large::Large,
    pools::Known,
    record::{Found, Record},
};

/// Records that are remembered, so that a save need not read what it was decided on.
const REMEMBERED: usize = 1024;

/// Keeps jobs in a DynamoDB table.
pub struct DynamoStore {
    table: Table,
    large: Large,
    feed: Feed,
    pools: Known,
    /// What was read and written last, for the versions that are saved next.
    seen: Mutex<HashMap<Uid, Record>>,
    tenants: Mutex<HashSet<Tenant>>,
    /// What every write of this process is named after.
    process: String,
}

impl DynamoStore {
    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table.name
    }

    /// What DynamoDB has counted of this store's calls so far.
    #[must_use]
    pub fn consumed(&self) -> Consumed {
        self.table.consumed()
    }

    /// Where what is too large for the table stands.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.large.store()
    }

    /// Writes a status, on condition that this version of the job still stands.
    pub(crate) async fn put_status(
        &self,
        stands: &AgentJob,
        status: AgentJobStatus,
        events: Vec<NewEvent>,
    ) -> Answer<AgentJob> {
        Box::pin(save::status(self, stands, status, events)).await
    }

    /// Forgets what stands at the seat of a job, which keeps its version: nobody decides on what is forgotten.
    pub(crate) async fn forget_seat(&self, uid: &Uid) -> Answer<()> {
        Box::pin(save::forget_seat(self, uid)).await
    }

    /// A new name for a write, by which it is known again when its answer is lost.
    fn by(&self) -> String {
        let fields = Uuid::new_v4();
        format!("{}{:08x}", self.process, fields.as_fields().0)
    }

    /// Numbers for so many events, higher than this one and than the time: those of several processes stand in the order
    /// of their clocks.
    fn numbers(&self, after: u64, many: usize) -> Ticket<'_> {
        let now = Timestamp::now().as_microsecond();
        self.feed
            .begin(after.max(u64::try_from(now).unwrap_or_default()), many)
    }

    fn remember(&self, uid: &Uid, record: &Record) {
        let mut seen = self.lock();
        if seen.len() >= REMEMBERED && !seen.contains_key(uid) {
            seen.clear();
        }
        seen.insert(uid.clone(), record.clone());
    }

    fn remembered(&self, uid: &Uid, version: u64) -> Option<Record> {
        let seen = self.lock();
        seen.get(uid).filter(|r| r.version() == version).cloned()
    }

    fn forget(&self, uid: &Uid) {
        self.lock().remove(uid);
    }

    // Nothing that holds it panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, Record>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        Box::pin(create::create(self, job, key)).await
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        match self.read(uid).await? {
            Found::Job(record) => Ok(Some(record.job)),
            Found::Gone(_) | Found::Nothing => Ok(None),
        }
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        Box::pin(read::list(self, query)).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        match change.write {
            Write::Put(job) => Box::pin(save::save(self, *job, change.holds, change.events)).await,
            Write::Remove { uid, version } => {
                Box::pin(save::remove(self, &uid, version, change.events)).await
            }
        }
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        match &query.uid {
            Some(uid) => read::events_of(self, uid, query).await,
            None => Ok(self.feed.events(query)),
        }
    }

    async fn kept(&self) -> Answer<Kept> {
        Ok(self.feed.kept())
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        Box::pin(read::admission(self, pool, job)).await
    }
}
