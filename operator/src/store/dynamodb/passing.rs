//! The store of a process that comes and goes: what happened to a tenant's jobs is read from their items, for what this
//! process has heard of is next to nothing. Everything else is the store's own.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Admission, Answer, Change, Created, Store},
    query::{Event, EventQuery, Kept, ListQuery, MAX_PAGE, Page},
};

use super::{DynamoStore, read, record::events};

/// How many of a tenant's newest jobs are looked at, besides those that are not over.
const NEWEST: u32 = 100;
/// How old an event is before it is told: a number is given before its write, and clocks differ a little.
const SETTLED: SignedDuration = SignedDuration::from_secs(2);

/// Jobs in a table, for a process that holds nothing.
pub struct Passing(Arc<DynamoStore>);

impl Passing {
    /// The same jobs.
    #[must_use]
    pub const fn new(jobs: Arc<DynamoStore>) -> Self {
        Self(jobs)
    }

    async fn of_tenant(&self, tenant: &Tenant, query: &EventQuery) -> Answer<Vec<Event>> {
        let until = settled();
        let mut found = Vec::new();
        for record in read::lately(&self.0, tenant, NEWEST).await? {
            if let Ok(uid) = record.job.uid() {
                found.extend(events(&uid, tenant, &record.events));
            }
        }
        found.retain(|e| e.seq > query.after && e.seq <= until);
        found.sort_by_key(|e| e.seq);
        found.truncate(query.limit.clamp(1, MAX_PAGE) as usize);
        Ok(found)
    }
}

/// The highest number after which no smaller one comes any more.
fn settled() -> u64 {
    let at = Timestamp::now() - SETTLED;
    u64::try_from(at.as_microsecond()).unwrap_or_default()
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Passing {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.0.create(job, key).await
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        self.0.load(uid).await
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.0.list(query).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.0.commit(change).await
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        match (&query.uid, &query.tenant) {
            (None, Some(tenant)) => Box::pin(self.of_tenant(tenant, query)).await,
            _ => self.0.events(query).await,
        }
    }

    async fn kept(&self) -> Answer<Kept> {
        Ok(Kept {
            forgotten: 0,
            newest: settled(),
        })
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        self.0.admission(pool, job).await
    }
}
