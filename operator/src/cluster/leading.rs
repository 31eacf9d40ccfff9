//! What the leader does, and that nobody else does it: calls reach its control loop alone, and what it decides is
//! written only while it leads.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, FailureClass, Uid,
    port::{Admission, Answer, Change, Created, PortError, Store},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};
use tokio::sync::mpsc;

use crate::{control::Waker, lead::Term};

/// Passes calls on to the control loop, where there is one; who leads later looks at every job by itself.
#[derive(Clone, Default)]
pub struct Switch(Arc<Mutex<Option<Waker>>>);

impl Switch {
    /// Passes calls on until the last waker is gone.
    pub async fn pass(self, mut calls: mpsc::UnboundedReceiver<Uid>) {
        while let Some(uid) = calls.recv().await {
            let to = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(to) = to {
                to.wake(&uid);
            }
        }
    }

    /// Passes calls on to here, or to nobody.
    pub fn set(&self, to: Option<Waker>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

/// The store of a leader: a term that is over writes nothing, also where its process was frozen and does not know. A write
/// under way when it ends is given up: what is not sent by then never is, and others wait for a third of the lease more.
pub struct Led {
    inner: Arc<dyn Store>,
    term: Term,
}

impl Led {
    /// The store as this term has it.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, term: Term) -> Self {
        Self { inner, term }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Led {
    async fn create(&self, _: AgentJob, _: Option<&str>) -> Answer<Created> {
        let text = "a leader creates no jobs";
        Err(PortError::refused(FailureClass::Infrastructure, text))
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        self.inner.load(uid).await
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.inner.list(query).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        let text = "leads no more: another operator decides now";
        let over = || PortError::Unknown(text.to_owned());
        let done = self.term.during(self.inner.commit(change)).await;
        done.ok_or_else(over)?
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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::time::Duration;

    use sandbox_core::{port::Write, spec::AgentJobSpec};
    use tokio::sync::watch;

    use super::*;
    use crate::{lead::now, store::memory::MemoryStore};

    fn job() -> AgentJob {
        let mut job = AgentJob::new("job", AgentJobSpec::default());
        job.metadata.uid = Some(uuid::Uuid::now_v7().to_string());
        job.metadata.namespace = Some("a".to_owned());
        job
    }

    #[tokio::test]
    async fn a_term_that_is_over_writes_nothing_though_it_can_still_read() {
        let store = Arc::new(MemoryStore::default());
        let Created::New(job) = store.create(job(), None).await.unwrap() else {
            panic!("it was there before");
        };
        let term = Term::new(1, watch::channel(false).1);
        term.lasts_until(Some(now() + Duration::from_mins(1)));
        let led = Led::new(store.clone(), term.clone());
        let put = |job: &AgentJob| Change {
            write: Write::Put(Box::new(job.clone())),
            holds: None,
            events: Vec::new(),
        };
        let written = led.commit(put(&job)).await.unwrap();
        term.lasts_until(Some(now()));
        let refused = led.commit(put(&written)).await.unwrap_err();
        assert!(matches!(refused, PortError::Unknown(_)), "{refused}");
        let stands = led.load(&job.uid().unwrap()).await.unwrap().unwrap();
        assert_eq!(stands.version(), written.version());
        assert!(led.create(job, None).await.is_err());
    }

    #[tokio::test]
    async fn calls_reach_the_leaders_loop_and_nobody_where_there_is_none() {
        let switch = Switch::default();
        let (waker, calls) = Waker::new();
        let passing = tokio::spawn(switch.clone().pass(calls));
        let uid = |n: u128| uuid::Uuid::from_u128(n).to_string().parse::<Uid>().unwrap();
        let (leader, mut heard) = Waker::new();
        switch.set(Some(leader));
        waker.wake(&uid(1));
        assert_eq!(heard.recv().await, Some(uid(1)));
        switch.set(None);
        waker.wake(&uid(2));
        drop(waker);
        passing.await.unwrap();
        assert_eq!(heard.recv().await, None);
    }
}
