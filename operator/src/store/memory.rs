//! Jobs in this process's memory, with the same promises as on disk but one: everything is gone at
//! its end. For demonstrations and tests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Admission, Answer, Change, Created, Reservation, Store, Write},
    query::{Event, EventQuery, Kept, ListQuery, MAX_PAGE, NewEvent, Page},
};

use super::{
    KEEP_EVENTS,
    rows::{
        Row, cursor, full, gone, name_taken, outdated, parse_cursor, submitted, summed, versioned,
    },
};

/// Keeps jobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: BTreeMap<Uid, (AgentJob, Row)>,
    /// Oldest first.
    order: BTreeSet<(i64, Uid)>,
    names: HashMap<(Tenant, String), Uid>,
    keys: HashMap<(Tenant, String), Uid>,
    holds: BTreeMap<Uid, Vec<Reservation>>,
    /// Oldest first, without gaps in their numbers.
    events: VecDeque<Event>,
    seq: u64,
    /// Most events kept; the others are forgotten, oldest first.
    most_events: Option<usize>,
}

impl MemoryStore {
    /// A store that keeps so many events.
    #[must_use]
    pub fn keeping(events: usize) -> Self {
        let inner = Inner {
            most_events: Some(events),
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// The number of the newest event; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.lock().seq
    }

    // Nothing below panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, job: AgentJob, mut row: Row) -> AgentJob {
        let job = versioned(job, row.version);
        // Its place in lists is that of its submission, whatever a save says.
        if let Some((_, stands)) = self.jobs.get(&row.uid) {
            row.submitted_at = stands.submitted_at;
        }
        self.order.insert((row.submitted_at, row.uid.clone()));
        self.jobs.insert(row.uid.clone(), (job.clone(), row));
        job
    }

    fn create(&mut self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        let mut row = Row::of(&job)?;
        let key = key.map(|key| (row.tenant.clone(), key.to_owned()));
        let known = key.as_ref().and_then(|key| self.keys.get(key));
        if let Some((job, _)) = known.and_then(|uid| self.jobs.get(uid)) {
            return Ok(Created::Existing(job.clone()));
        }
        let name = (row.tenant.clone(), row.name.clone());
        if self.names.contains_key(&name) || self.jobs.contains_key(&row.uid) {
            return Err(name_taken(&row.name));
        }
        row.version = 1;
        self.keys.extend(key.map(|key| (key, row.uid.clone())));
        self.names.insert(name, row.uid.clone());
        self.tell(&row.tenant, &row.uid, vec![submitted(&job)]);
        Ok(Created::New(self.put(job, row)))
    }

    fn stands(&self, uid: &Uid, version: u64) -> Answer<&(AgentJob, Row)> {
        let stands = self.jobs.get(uid).ok_or_else(|| gone(uid))?;
        if stands.1.version == version {
            Ok(stands)
        } else {
            Err(outdated(uid))
        }
    }

    fn held(&self, pool: &str, but: Option<&Uid>) -> u32 {
        let others = self.holds.iter().filter(|(uid, _)| Some(*uid) != but);
        let held = others.flat_map(|(_, held)| held).filter(|r| r.pool == pool);
        held.fold(0, |sum, r| sum.saturating_add(r.units))
    }

    /// Whether what a job wants fits beside what others hold.
    fn fits(&self, uid: &Uid, wanted: &[Reservation]) -> Answer<()> {
        let over =
            |r: &&Reservation| self.held(&r.pool, Some(uid)).saturating_add(r.units) > r.capacity;
        match wanted.iter().find(over) {
            Some(r) => Err(full(&r.pool)),
            None => Ok(()),
        }
    }

    fn tell(&mut self, tenant: &Tenant, uid: &Uid, events: Vec<NewEvent>) {
        for event in events {
            self.seq += 1;
            self.events.push_back(Event {
                seq: self.seq,
                tenant: tenant.clone(),
                uid: uid.clone(),
                reason: event.reason,
                message: event.message,
                at: event.at,
            });
        }
        let most = self.most_events.unwrap_or(KEEP_EVENTS as usize);
        let over = self.events.len().saturating_sub(most);
        self.events.drain(..over);
    }

    /// Looks at everything that may refuse the change, and only then changes anything.
    fn commit(&mut self, change: Change) -> Answer<AgentJob> {
        let (uid, version) = match &change.write {
            Write::Put(job) => (Row::of(job)?.uid, job.version()),
            Write::Remove { uid, version } => (uid.clone(), *version),
        };
        let stands = self.stands(&uid, version)?.clone();
        let holds = change.holds.map(summed);
        self.fits(&uid, holds.as_deref().unwrap_or_default())?;
        let tenant = stands.1.tenant.clone();
        let after = match change.write {
            Write::Put(job) => {
                let mut row = Row::of(&job)?;
                stands.1.stays(&row)?;
                row.version += 1;
                self.holds.extend(holds.map(|holds| (uid.clone(), holds)));
                self.put(*job, row)
            }
            Write::Remove { .. } => self.remove(stands),
        };
        self.tell(&tenant, &uid, change.events);
        Ok(after)
    }

    fn remove(&mut self, (job, row): (AgentJob, Row)) -> AgentJob {
        self.jobs.remove(&row.uid);
        self.holds.remove(&row.uid);
        self.keys.retain(|_, known| *known != row.uid);
        self.names.remove(&(row.tenant, row.name));
        self.order.remove(&(row.submitted_at, row.uid));
        job
    }

    fn list(&self, query: &ListQuery) -> Answer<Page> {
        let before = query.after.as_deref().map(parse_cursor).transpose()?;
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let places = match before {
            Some(before) => self.order.range(..before),
            None => self.order.range::<(i64, Uid), _>(..),
        };
        let rows = places.rev().filter_map(|(_, uid)| self.jobs.get(uid));
        let keyed = |r: &Row| match &query.key {
            Some(key) => self.keys.get(&(r.tenant.clone(), key.clone())) == Some(&r.uid),
            None => true,
        };
        let mut found: Vec<_> = rows
            .filter(|(_, r)| wants(query, r) && keyed(r))
            .take(limit + 1)
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        Ok(Page {
            next: last.map(|(_, r)| cursor(r.submitted_at, &r.uid)),
            jobs: found.into_iter().map(|(job, _)| job.clone()).collect(),
        })
    }

    fn events(&self, query: &EventQuery) -> Vec<Event> {
        let wanted = |e: &&Event| {
            query.tenant.as_ref().is_none_or(|t| e.tenant == *t)
                && query.uid.as_ref().is_none_or(|u| e.uid == *u)
        };
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let seen = self.events.partition_point(|e| e.seq <= query.after);
        let unseen = self.events.range(seen..);
        unseen.filter(wanted).take(limit).cloned().collect()
    }
}

fn wants(query: &ListQuery, r: &Row) -> bool {
    query.tenant.as_ref().is_none_or(|t| r.tenant == *t)
        && query.name.as_ref().is_none_or(|n| r.name == *n)
        && (query.phases.is_empty() || query.phases.contains(&r.phase))
        && query.job_type.is_none_or(|t| r.job_type == t.word())
        && (!query.open_only || r.open)
        && (query.submitted_before).is_none_or(|t| r.submitted_at < t.as_microsecond())
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        self.lock().create(job, key)
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        Ok(self.lock().jobs.get(uid).map(|(job, _)| job.clone()))
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        self.lock().list(query)
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        self.lock().commit(change)
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        Ok(self.lock().events(query))
    }

    async fn kept(&self) -> Answer<Kept> {
        let inner = self.lock();
        let oldest = inner.events.front().map_or(inner.seq + 1, |e| e.seq);
        Ok(Kept {
            forgotten: oldest - 1,
            newest: inner.seq,
        })
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        let inner = self.lock();
        let row = Row::of(job)?;
        let waiting = inner.jobs.values().map(|(_, r)| r);
        let waiting = waiting.filter(|r| r.waiting && r.may_use(pool));
        let ahead = waiting.filter(|r| r.uid != row.uid && r.goes_before(&row));
        let none = Admission {
            held: inner.held(pool, None),
            ..Admission::default()
        };
        Ok(ahead.fold(none, |sum, r| Admission {
            ahead: sum.ahead.saturating_add(1),
            wanted_ahead: sum.wanted_ahead.saturating_add(r.units),
            ..sum
        }))
    }
}
