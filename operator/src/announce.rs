//! A store that tells everybody in this process after each write, so that nobody has to poll.

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, Change, Created, Store},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};
use std::sync::Arc;
use tokio::sync::watch;

/// Wraps a store; the number rises with each write that was acknowledged.
pub struct Announcing {
    inner: Arc<dyn Store>,
    writes: watch::Sender<u64>,
}

impl Announcing {
    /// The store, and what its writes are told to.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> (Self, watch::Receiver<u64>) {
        let (writes, told) = watch::channel(0);
        (Self { inner, writes }, told)
    }

    /// What rings also for what others have written.
    #[must_use]
    pub fn bell(&self) -> watch::Sender<u64> {
        self.writes.clone()
    }

    fn tell<T>(&self, answer: Answer<T>) -> Answer<T> {
        if answer.is_ok() {
            self.writes.send_modify(|n| *n += 1);
        }
        answer
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Announcing {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.tell(self.inner.create(job, key).await)
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        self.inner.load(uid).await
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.inner.list(query).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.tell(self.inner.commit(change).await)
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        self.inner.events(query).await
    }

    async fn kept(&self) -> Answer<Kept> {
        self.inner.kept().await
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        self.inner.admission(pool, job).await
    }
}
