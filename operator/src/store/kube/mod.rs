//! Jobs as objects of a Kubernetes API server.
//!
//! Reads are answered from memory, which a watch keeps at what the API server has; writes carry the version they were
//! decided on, so that a decision made on something old loses. What the job asks is its spec, what happened its status;
//! what it holds and what stands at its seat are parts of the status, so that one conditional write covers them.
//!
//! Only one process at a time may start jobs (see the lease): two would each see what the other holds a moment late.

mod ask;
mod create;
mod errors;
mod follow;
mod held;
pub mod object;
mod objects;
mod remove;
mod save;

pub use ask::SEAT;
pub use objects::{Objects, Recorder, Scope, Told};

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, Change, Created, Store, Write},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};
use tokio::sync::{Mutex, MutexGuard};

use super::rows::Row;

/// Submissions with a key go one after another where their keys share one of so many turns.
const TURNS: usize = 64;

/// Keeps jobs as objects.
pub struct KubeStore {
    objects: Arc<Objects>,
    turns: [Mutex<()>; TURNS],
}

impl KubeStore {
    /// A store over these objects, which somebody else has follow the API server.
    #[must_use]
    pub fn new(objects: Arc<Objects>) -> Self {
        Self {
            objects,
            turns: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    async fn turn(&self, key: &str) -> MutexGuard<'_, ()> {
        let sum = key.bytes().map(usize::from).sum::<usize>();
        self.turns[sum % TURNS].lock().await
    }
}

#[async_trait]
impl Store for KubeStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        Box::pin(create::create(self, job, key)).await
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        self.objects.known()?;
        Ok(self.objects.get(uid))
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.objects.known()?;
        let mut query = query.clone();
        query.key = query.key.as_deref().map(object::hashed);
        self.objects.look(|shelf| shelf.list(&query))
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        match change.write {
            Write::Put(job) => Box::pin(save::save(self, *job, change.holds, change.events)).await,
            Write::Remove { uid, version } => {
                remove::remove(self, &uid, version, change.events).await
            }
        }
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        Ok(self.objects.events(query))
    }

    async fn kept(&self) -> Answer<Kept> {
        Ok(self.objects.kept())
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        self.objects.known()?;
        let row = Row::of(job)?;
        Ok(self.objects.look(|shelf| shelf.admission(pool, &row)))
    }
}
