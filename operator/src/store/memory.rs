//! Jobs in this process's memory: for tests and demonstrations. Everything is gone at its end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Admission, Answer, Change, Created, Reservation, Store, Write},
    query::{Event, EventQuery, ListQuery, MAX_PAGE, NewEvent, Page},
};

use super::rows::{Row, cursor, full, gone, name_taken, outdated, parse_cursor, versioned};

/// Keeps jobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: BTreeMap<Uid, AgentJob>,
    rows: BTreeMap<(i64, Uid), Row>,
    keys: HashMap<(Tenant, String), Uid>,
    holds: BTreeMap<Uid, Vec<Reservation>>,
    events: Vec<Event>,
    seq: u64,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, job: AgentJob, version: u64) -> Answer<AgentJob> {
        let job = versioned(job, version);
        let row = Row::of(&job)?;
        self.rows.retain(|_, r| r.uid != row.uid);
        self.jobs.insert(row.uid.clone(), job.clone());
        self.rows.insert((row.submitted_at, row.uid.clone()), row);
        Ok(job)
    }

    fn create(&mut self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        let row = Row::of(&job)?;
        let key = key.map(|key| (row.tenant.clone(), key.to_owned()));
        let known = key.as_ref().and_then(|key| self.keys.get(key));
        if let Some(job) = known.and_then(|uid| self.jobs.get(uid)) {
            return Ok(Created::Existing(job.clone()));
        }
        let same = |r: &Row| r.tenant == row.tenant && r.name == row.name;
        if self.rows.values().any(same) || self.jobs.contains_key(&row.uid) {
            return Err(name_taken(&row.name));
        }
        if let Some(key) = key {
            self.keys.insert(key, row.uid.clone());
        }
        Ok(Created::New(self.put(job, 1)?))
    }

    fn stands(&self, uid: &Uid, version: u64) -> Answer<AgentJob> {
        let job = self.jobs.get(uid).ok_or_else(|| gone(uid))?;
        if job.version() == version {
            Ok(job.clone())
        } else {
            Err(outdated(uid))
        }
    }

    fn held(&self, pool: &str, but: Option<&Uid>) -> u32 {
        let others = self.holds.iter().filter(|(uid, _)| Some(*uid) != but);
        let held = others.flat_map(|(_, held)| held).filter(|r| r.pool == pool);
        held.map(|r| r.units).sum()
    }

    fn hold(&mut self, uid: &Uid, wanted: Vec<Reservation>) -> Answer<()> {
        let over =
            |r: &&Reservation| self.held(&r.pool, Some(uid)).saturating_add(r.units) > r.capacity;
        if let Some(r) = wanted.iter().find(over) {
            return Err(full(&r.pool));
        }
        self.holds.insert(uid.clone(), wanted);
        Ok(())
    }

    fn tell(&mut self, tenant: &Tenant, uid: &Uid, events: Vec<NewEvent>) {
        for event in events {
            self.seq += 1;
            self.events.push(Event {
                seq: self.seq,
                tenant: tenant.clone(),
                uid: uid.clone(),
                reason: event.reason,
                message: event.message,
                at: event.at,
            });
        }
    }

    fn commit(&mut self, change: Change) -> Answer<AgentJob> {
        let (uid, version) = match &change.write {
            Write::Put(job) => (Row::of(job)?.uid, job.version()),
            Write::Remove { uid, version } => (uid.clone(), *version),
        };
        let stands = self.stands(&uid, version)?;
        if let Some(wanted) = change.holds {
            self.hold(&uid, wanted)?;
        }
        let tenant = Row::of(&stands)?.tenant;
        let after = match change.write {
            Write::Put(job) => self.put(*job, version + 1)?,
            Write::Remove { .. } => self.remove(stands, &uid),
        };
        self.tell(&tenant, &uid, change.events);
        Ok(after)
    }

    fn remove(&mut self, job: AgentJob, uid: &Uid) -> AgentJob {
        self.jobs.remove(uid);
        self.holds.remove(uid);
        self.keys.retain(|_, known| known != uid);
        self.rows.retain(|_, r| r.uid != *uid);
        job
    }

    fn list(&self, query: &ListQuery) -> Answer<Page> {
        let before = query.after.as_deref().map(parse_cursor).transpose()?;
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let wanted = |r: &&Row| {
            query.tenant.as_ref().is_none_or(|t| r.tenant == *t)
                && query.name.as_ref().is_none_or(|n| r.name == *n)
                && (query.phases.is_empty() || query.phases.contains(&r.phase))
                && query.job_type.is_none_or(|t| r.job_type == t.word())
                && (!query.open_only || r.open)
        };
        let rows = self.rows.iter().rev();
        let rows = rows.filter(|(at, _)| before.as_ref().is_none_or(|before| *at < before));
        let found: Vec<&Row> = rows
            .map(|(_, r)| r)
            .filter(wanted)
            .take(limit + 1)
            .collect();
        let next = (found.len() > limit)
            .then(|| cursor(found[limit - 1].submitted_at, &found[limit - 1].uid));
        let jobs = found.into_iter().take(limit);
        Ok(Page {
            jobs: jobs
                .filter_map(|r| self.jobs.get(&r.uid).cloned())
                .collect(),
            next,
        })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        let mut inner = self.lock();
        let made = inner.create(job, key)?;
        if let Created::New(job) = &made {
            let row = Row::of(job)?;
            inner.tell(&row.tenant, &row.uid, vec![submitted(job)]);
        }
        Ok(made)
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        Ok(self.lock().jobs.get(uid).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.lock().list(query)
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.lock().commit(change)
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        let wanted = |e: &&Event| {
            e.seq > query.after
                && query.tenant.as_ref().is_none_or(|t| e.tenant == *t)
                && query.uid.as_ref().is_none_or(|u| e.uid == *u)
        };
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        Ok(self
            .lock()
            .events
            .iter()
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        let inner = self.lock();
        let row = Row::of(job)?;
        let ahead = inner
            .rows
            .values()
            .filter(|r| r.waiting && r.uid != row.uid && r.goes_before(&row));
        Ok(Admission {
            held: inner.held(pool, None),
            ahead: u32::try_from(ahead.count()).unwrap_or(u32::MAX),
        })
    }
}

/// The first event of every job.
pub(super) fn submitted(job: &AgentJob) -> NewEvent {
    NewEvent {
        reason: "Submitted".to_owned(),
        message: format!("a job of type {}", job.spec.job_type.word()),
        at: job.submitted_at(),
    }
}
