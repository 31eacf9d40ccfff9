//! Jobs in this process's memory, with the same promises as on disk but one: everything is gone at
//! its end. For demonstrations and tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, Change, Created, Store, Write},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};

use super::{
    log::Log,
    rows::{Row, gone, name_taken, outdated, submitted, summed, versioned},
    shelf::{self, Shelf},
};

/// Keeps jobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shelf: Shelf,
    log: Log,
}

impl MemoryStore {
    /// A store that keeps so many events.
    #[must_use]
    pub fn keeping(events: usize) -> Self {
        let inner = Inner {
            log: Log::keeping(events),
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// The number of the newest event; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.lock().log.newest()
    }

    // Nothing below panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, job: AgentJob, row: Row, key: Option<String>) -> AgentJob {
        let job = versioned(job, row.version);
        self.shelf.put(job.clone(), row, key);
        job
    }

    fn create(&mut self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        let mut row = Row::of(&job)?;
        let known = key.and_then(|key| self.shelf.keyed(&row.tenant, key));
        if let Some(known) = known {
            return Ok(Created::Existing(known.job.clone()));
        }
        let named = self.shelf.named(&row.tenant, &row.name);
        if named.or_else(|| self.shelf.get(&row.uid)).is_some() {
            return Err(name_taken(&row.name));
        }
        row.version = 1;
        self.log.tell(&row.tenant, &row.uid, vec![submitted(&job)]);
        let key = key.map(str::to_owned);
        Ok(Created::New(self.put(job, row, key)))
    }

    fn stands(&self, uid: &Uid, version: u64) -> Answer<&shelf::Kept> {
        let stands = self.shelf.get(uid).ok_or_else(|| gone(uid))?;
        if stands.row.version == version {
            Ok(stands)
        } else {
            Err(outdated(uid))
        }
    }

    /// Looks at everything that may refuse the change, and only then changes anything.
    fn commit(&mut self, change: Change) -> Answer<AgentJob> {
        let (uid, version) = match &change.write {
            Write::Put(job) => (Row::of(job)?.uid, job.version()),
            Write::Remove { uid, version } => (uid.clone(), *version),
        };
        let stands = self.stands(&uid, version)?.row.clone();
        let holds = change.holds.map(summed);
        self.shelf
            .fits(&uid, holds.as_deref().unwrap_or_default())?;
        let after = match change.write {
            Write::Put(job) => {
                let mut row = Row::of(&job)?;
                stands.stays(&row)?;
                row.version += 1;
                if let Some(holds) = holds {
                    self.shelf.hold(&uid, holds);
                }
                self.put(*job, row, None)
            }
            Write::Remove { .. } => self.shelf.remove(&uid).ok_or_else(|| gone(&uid))?.job,
        };
        self.log.tell(&stands.tenant, &uid, change.events);
        Ok(after)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.lock().create(job, key)
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        Ok(self.lock().shelf.get(uid).map(|k| k.job.clone()))
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.lock().shelf.list(query)
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.lock().commit(change)
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        Ok(self.lock().log.events(query))
    }

    async fn kept(&self) -> Answer<Kept> {
        Ok(self.lock().log.kept())
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        Ok(self.lock().shelf.admission(pool, &Row::of(job)?))
    }
}
