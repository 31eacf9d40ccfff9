//! Jobs in this process's memory with what lists, lines and reservations need of them, in order. It decides nothing
//! about versions and writes nothing anywhere: a store says what is put and what is taken.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Admission, Answer, Reservation},
    query::{ListQuery, MAX_PAGE, Page},
};

use super::rows::{Row, cursor, full, parse_cursor};

/// Where a job stands among those that wait: the smallest goes first.
type Turn = (i32, i64, Uid);

/// A job with all that is known of it.
#[derive(Debug)]
pub struct Kept {
    /// The job.
    pub job: AgentJob,
    /// What lists and lines need of it.
    pub row: Row,
    /// The idempotency key that it came with.
    key: Option<String>,
    holds: Vec<Reservation>,
}

/// Jobs in order.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Apart from the table, whose places are a third empty and are all made twice when it grows.
    jobs: HashMap<Uid, Box<Kept>>,
    /// Oldest first.
    order: BTreeSet<(i64, Uid)>,
    names: HashMap<(Tenant, String), Uid>,
    keys: HashMap<(Tenant, String), Uid>,
    /// What all hold together.
    pools: HashMap<String, u32>,
    /// Who waits: for which pool, and for how many units of it.
    line: BTreeMap<Turn, (String, u32)>,
}

fn turn(row: &Row) -> Turn {
    (-row.priority, row.submitted_at, row.uid.clone())
}

impl Shelf {
    /// This job.
    #[must_use]
    pub fn get(&self, uid: &Uid) -> Option<&Kept> {
        self.jobs.get(uid).map(Box::as_ref)
    }

    /// Every job, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Kept> {
        self.jobs.values().map(Box::as_ref)
    }

    /// The tenant's job of this name.
    #[must_use]
    pub fn named(&self, tenant: &Tenant, name: &str) -> Option<&Kept> {
        let uid = self.names.get(&(tenant.clone(), name.to_owned()))?;
        self.get(uid)
    }

    /// The tenant's job that came with this key.
    #[must_use]
    pub fn keyed(&self, tenant: &Tenant, key: &str) -> Option<&Kept> {
        let uid = self.keys.get(&(tenant.clone(), key.to_owned()))?;
        self.get(uid)
    }

    /// Puts a job in its place. One that is there keeps its place in lists, its key and what it holds.
    pub fn put(&mut self, job: AgentJob, mut row: Row, key: Option<String>) {
        let before = self.jobs.remove(&row.uid);
        let (key, holds) = match before {
            Some(before) => {
                row.submitted_at = before.row.submitted_at;
                self.line.remove(&turn(&before.row));
                (before.key, before.holds)
            }
            None => (key, Vec::new()),
        };
        let owned = |text: &str| (row.tenant.clone(), text.to_owned());
        self.names.insert(owned(&row.name), row.uid.clone());
        if let Some(key) = &key {
            self.keys.insert(owned(key), row.uid.clone());
        }
        self.order.insert((row.submitted_at, row.uid.clone()));
        if row.waiting {
            let wants = (row.pool.clone(), row.units);
            self.line.insert(turn(&row), wants);
        }
        let uid = row.uid.clone();
        let kept = Kept {
            job,
            row,
            key,
            holds,
        };
        self.jobs.insert(uid, Box::new(kept));
    }

    /// Takes a job away, with its name, its key and what it held.
    pub fn remove(&mut self, uid: &Uid) -> Option<Kept> {
        self.hold(uid, Vec::new());
        let kept = self.jobs.remove(uid)?;
        let row = &kept.row;
        let owned = |text: &str| (row.tenant.clone(), text.to_owned());
        forget(&mut self.names, &owned(&row.name), uid);
        if let Some(key) = &kept.key {
            forget(&mut self.keys, &owned(key), uid);
        }
        self.order.remove(&(row.submitted_at, uid.clone()));
        self.line.remove(&turn(row));
        Some(*kept)
    }

    /// What all jobs hold of a pool.
    #[must_use]
    pub fn held(&self, pool: &str) -> u32 {
        self.pools.get(pool).copied().unwrap_or_default()
    }

    /// What this job holds.
    #[must_use]
    pub fn holds(&self, uid: &Uid) -> &[Reservation] {
        self.jobs.get(uid).map_or(&[], |k| &k.holds)
    }

    /// Whether what a job wants fits beside what others hold; each pool is named once.
    ///
    /// # Errors
    /// `Conflict` with the pool that is full.
    pub fn fits(&self, uid: &Uid, wanted: &[Reservation]) -> Answer<()> {
        let own = self.holds(uid);
        let over = |r: &&Reservation| {
            let mine = own.iter().find(|o| o.pool == r.pool).map_or(0, |o| o.units);
            let others = self.held(&r.pool).saturating_sub(mine);
            others.saturating_add(r.units) > r.capacity
        };
        match wanted.iter().find(over) {
            Some(r) => Err(full(&r.pool)),
            None => Ok(()),
        }
    }

    /// Replaces all that a job holds; each pool is named once.
    pub fn hold(&mut self, uid: &Uid, holds: Vec<Reservation>) {
        let Some(kept) = self.jobs.get_mut(uid) else {
            return;
        };
        for r in &kept.holds {
            let all = self.pools.entry(r.pool.clone()).or_default();
            *all = all.saturating_sub(r.units);
        }
        for r in &holds {
            let all = self.pools.entry(r.pool.clone()).or_default();
            *all = all.saturating_add(r.units);
        }
        kept.holds = holds;
        self.pools.retain(|_, all| *all > 0);
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// `Refused` for a cursor that no page gave.
    pub fn list(&self, query: &ListQuery) -> Answer<Page> {
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let mut found: Vec<&Kept> = self
            .places(query)?
            .filter(|k| wants(query, k))
            .take(limit + 1)
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        Ok(Page {
            next: last.map(|k| cursor(k.row.submitted_at, &k.row.uid)),
            jobs: found.into_iter().map(|k| k.job.clone()).collect(),
        })
    }

    /// Every job that may be on a page, newest first.
    fn places(&self, query: &ListQuery) -> Answer<Box<dyn Iterator<Item = &Kept> + '_>> {
        let before = query.after.as_deref().map(parse_cursor).transpose()?;
        if let (Some(tenant), Some(name)) = (&query.tenant, &query.name) {
            let at = move |k: &&Kept| (k.row.submitted_at, k.row.uid.clone());
            let named = self.named(tenant, name).into_iter();
            return Ok(Box::new(
                named.filter(move |k| before.as_ref().is_none_or(|b| at(k) < *b)),
            ));
        }
        let until = match before {
            Some(before) => Bound::Excluded(before),
            None => Bound::Unbounded,
        };
        let places = self.order.range((Bound::Unbounded, until)).rev();
        Ok(Box::new(places.filter_map(|(_, uid)| self.get(uid))))
    }

    /// How full a pool is, and who goes before this job.
    #[must_use]
    pub fn admission(&self, pool: &str, row: &Row) -> Admission {
        let none = Admission {
            held: self.held(pool),
            ..Admission::default()
        };
        let ahead = self.line.range(..turn(row)).map(|(_, wants)| wants);
        let ahead = ahead.filter(|(line, _)| line.is_empty() || line == pool);
        ahead.fold(none, |sum, (_, units)| Admission {
            ahead: sum.ahead.saturating_add(1),
            wanted_ahead: sum.wanted_ahead.saturating_add(*units),
            ..sum
        })
    }
}

/// Whether a list asks for this job.
fn wants(query: &ListQuery, kept: &Kept) -> bool {
    let r = &kept.row;
    query.tenant.as_ref().is_none_or(|t| r.tenant == *t)
        && query.name.as_ref().is_none_or(|n| r.name == *n)
        && (query.key.is_none() || kept.key == query.key)
        && (query.phases.is_empty() || query.phases.contains(&r.phase))
        && query.job_type.is_none_or(|t| r.job_type == t.word())
        && (!query.open_only || r.open)
        && (query.submitted_before).is_none_or(|t| r.submitted_at < t.as_microsecond())
}

/// Forgets whose this was, unless it is somebody else's by now.
fn forget(all: &mut HashMap<(Tenant, String), Uid>, what: &(Tenant, String), uid: &Uid) {
    if all.get(what) == Some(uid) {
        all.remove(what);
    }
}
