//! What asks the table and changes nothing. An index says which items to look at; what they say is read from them.

use std::collections::{BinaryHeap, HashMap};

use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Admission, Answer, PortError},
    query::{Event, EventQuery, ListQuery, MAX_PAGE, Page},
};
use sandbox_elf::store::dynamodb::keys::{Attributes, Key, PK, SK, read_text};

use super::{
    DynamoStore,
    calls::{self, Range, first, query, query_all},
    keys::{self, DUE, DUE_INDEX, LIST, LISTED, SHARD, SHARDS, TENANT, TENANTS, WAITS, Waiting},
    record::{Found, Record, events, found},
};
use crate::store::rows::{Row, cursor, parse_cursor};

/// Most entries of the index of lists that are read at a time.
const ENTRIES: i32 = 100;
/// Items that one call reads.
const ITEMS: usize = 100;

/// A job as an index tells it: its place in lists, and the two parts of its item's key.
pub(super) type Entry = (String, String, String);

pub(super) async fn list(store: &DynamoStore, query: &ListQuery) -> Answer<Page> {
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let mut entries = Entries::of(store, query, below(query)?).await?;
    let mut jobs: Vec<Record> = Vec::new();
    while jobs.len() <= limit {
        let some = entries.next(store, ITEMS.min(limit + 1)).await?;
        if some.is_empty() {
            break;
        }
        let found = store.read_all(&some).await?;
        jobs.extend(found.into_iter().filter(|r| wants(query, r)));
    }
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let last = jobs.last().filter(|_| more);
    let next = last.and_then(|r| keys::place(&r.listed));
    Ok(Page {
        next: next.map(|(at, uid)| cursor(at, &uid)),
        jobs: jobs.into_iter().map(|r| r.job).collect(),
    })
}

/// A tenant's jobs that are not over, and so many that came last.
pub(super) async fn lately(store: &DynamoStore, tenant: &Tenant, most: u32) -> Answer<Vec<Record>> {
    let query = ListQuery {
        tenant: Some(tenant.clone()),
        limit: most,
        ..ListQuery::default()
    };
    let mut newest = Entries::of(store, &query, None).await?;
    let (newest, open) = futures::join!(
        newest.next(store, most.try_into().unwrap_or(ITEMS)),
        store.open_entries()
    );
    let mut wanted = newest?;
    for (_, pk, sk) in open? {
        let key = Key { pk, sk };
        if key.sk == tenant.as_str() && !wanted.contains(&key) {
            wanted.push(key);
        }
    }
    store.read_all(&wanted).await
}

/// What every place of the page is smaller than.
fn below(query: &ListQuery) -> Answer<Option<String>> {
    let after = query.after.as_deref().map(parse_cursor).transpose()?;
    let after = after.map(|(at, uid)| format!("{}{uid}", keys::stamp(at)));
    let before = query.submitted_before;
    let before = before.map(|at| keys::stamp(at.as_microsecond()));
    Ok(match (after, before) {
        (Some(after), Some(before)) => Some(after.min(before)),
        (after, before) => after.or(before),
    })
}

/// Whether a list asks for this job.
fn wants(query: &ListQuery, record: &Record) -> bool {
    let Ok(r) = Row::of(&record.job) else {
        return false;
    };
    query.tenant.as_ref().is_none_or(|t| r.tenant == *t)
        && query.name.as_ref().is_none_or(|n| r.name == *n)
        && (query.key.is_none() || record.key == query.key)
        && (query.phases.is_empty() || query.phases.contains(&r.phase))
        && query.job_type.is_none_or(|t| r.job_type == t.word())
        && (!query.open_only || r.open)
}

/// Places of jobs, newest first, from wherever they are found with the least that is read.
struct Entries {
    /// Those that are known, the newest last.
    known: Vec<Entry>,
    /// The lists of tenants that go on.
    lists: Vec<List>,
    below: Option<String>,
    /// How many are read at a time.
    step: i32,
}

/// A tenant's list as far as it was read.
struct List {
    tenant: Tenant,
    next: Option<Attributes>,
    over: bool,
    heap: BinaryHeap<Entry>,
}

impl Entries {
    async fn of(store: &DynamoStore, query: &ListQuery, below: Option<String>) -> Answer<Self> {
        let mut all = Self {
            known: Vec::new(),
            lists: Vec::new(),
            below,
            step: ENTRIES.min(
                i32::try_from(query.limit)
                    .unwrap_or(ENTRIES)
                    .clamp(1, ENTRIES)
                    + 1,
            ),
        };
        let tenants = match &query.tenant {
            Some(tenant) => vec![tenant.clone()],
            None if query.open_only => Vec::new(),
            None => store.tenants().await?,
        };
        if query.name.is_some() || query.key.is_some() {
            for tenant in &tenants {
                all.known.extend(store.pointed_at(tenant, query).await?);
            }
            all.known.sort();
        } else if query.open_only {
            all.known = store.open_entries().await?;
            all.known.sort();
        } else {
            all.lists.extend(tenants.into_iter().map(|tenant| List {
                tenant,
                next: None,
                over: false,
                heap: BinaryHeap::new(),
            }));
        }
        let below = all.below.clone();
        all.known
            .retain(|(at, ..)| below.as_ref().is_none_or(|b| at < b));
        Ok(all)
    }

    /// The next so many.
    async fn next(&mut self, store: &DynamoStore, most: usize) -> Answer<Vec<Key>> {
        let mut found = Vec::new();
        while found.len() < most {
            for list in &mut self.lists {
                list.fill(store, self.below.as_ref(), self.step).await?;
            }
            self.lists.retain(|l| !l.heap.is_empty());
            let newest = self
                .lists
                .iter_mut()
                .max_by(|a, b| a.heap.peek().cmp(&b.heap.peek()));
            let Some((_, pk, sk)) = newest.and_then(|l| l.heap.pop()) else {
                break;
            };
            found.push(Key { pk, sk });
        }
        while found.len() < most {
            let Some((_, pk, sk)) = self.known.pop() else {
                break;
            };
            found.push(Key { pk, sk });
        }
        Ok(found)
    }
}

impl List {
    /// Reads on where all that was read is used up.
    async fn fill(&mut self, store: &DynamoStore, below: Option<&String>, step: i32) -> Answer<()> {
        while self.heap.is_empty() && !self.over {
            let range = Range {
                index: Some(LIST),
                part: (TENANT, self.tenant.to_string()),
                below: below.map(|b| (LISTED, b.clone())),
                newest_first: true,
                limit: Some(step),
            };
            let page = query(&store.table, &range, self.next.take()).await?;
            self.over = page.next.is_none();
            self.next = page.next;
            self.heap.extend(page.items.iter().filter_map(entry));
        }
        Ok(())
    }
}

fn entry(item: &Attributes) -> Option<Entry> {
    let Key { pk, sk } = Key::of(item)?;
    Some((read_text(item, LISTED)?, pk, sk))
}

pub(super) async fn admission(
    store: &DynamoStore,
    pool: &str,
    job: &AgentJob,
) -> Answer<Admission> {
    let mut row = Row::of(job)?;
    row.waiting = true;
    let own = keys::waits(&row).and_then(|w| Waiting::read(&w, &keys::listed(&row)));
    let own = own.map(|w| w.turn).unwrap_or_default();
    let line = pool.split('@').next().unwrap_or_default();
    let (held, open) = futures::join!(store.held(pool), store.open_items());
    let mut found = Admission {
        held: held?,
        ..Admission::default()
    };
    let waiting = open?
        .into_iter()
        .filter_map(|item| Waiting::read(&read_text(&item, WAITS)?, &read_text(&item, LISTED)?));
    let ours = |w: &Waiting| w.pool.is_empty() || w.pool == line;
    for ahead in waiting.filter(|w| ours(w) && w.turn < own) {
        found.ahead = found.ahead.saturating_add(1);
        found.wanted_ahead = found.wanted_ahead.saturating_add(ahead.units);
    }
    Ok(found)
}

pub(super) async fn events_of(
    store: &DynamoStore,
    uid: &Uid,
    query: &EventQuery,
) -> Answer<Vec<Event>> {
    let item = first(&store.table, &keys::job_partition(uid)).await?;
    let tenant = item.as_ref().and_then(|i| read_text(i, SK)?.parse().ok());
    let told = match found(item.as_ref(), &store.large, now()).await? {
        Found::Job(record) => record.events,
        Found::Gone(told) => told,
        Found::Nothing => Vec::new(),
    };
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let tenant: Option<Tenant> = tenant.filter(|t| query.tenant.as_ref().is_none_or(|o| o == t));
    let all = tenant.map(|tenant| events(uid, &tenant, &told));
    let after = |e: &Event| e.seq > query.after;
    let all = all.unwrap_or_default().into_iter().filter(after);
    Ok(all.take(limit).collect())
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

impl DynamoStore {
    /// What stands there now.
    pub(super) async fn read(&self, uid: &Uid) -> Answer<Found> {
        let item = first(&self.table, &keys::job_partition(uid)).await?;
        let found = found(item.as_ref(), &self.large, now()).await?;
        if let Found::Job(record) = &found {
            self.remember(uid, record);
        }
        Ok(found)
    }

    /// The jobs of these items in their order; those that are gone are left out.
    pub(super) async fn read_all(&self, all: &[Key]) -> Answer<Vec<Record>> {
        let items = self.table.get_all(all).await.map_err(calls::port)?;
        let read = items
            .iter()
            .map(|item| found(Some(item), &self.large, now()));
        let mut records = HashMap::new();
        for (item, found) in items.iter().zip(join_all(read).await) {
            if let (Some(key), Found::Job(record)) = (Key::of(item), found?) {
                records.insert(key, *record);
            }
        }
        Ok(all.iter().filter_map(|key| records.remove(key)).collect())
    }

    /// Jobs that have to be looked at now, in no order.
    ///
    /// # Errors
    /// `Unknown` when the index cannot be read.
    pub async fn due(&self, now: Timestamp) -> Answer<Vec<Uid>> {
        let below = keys::stamp(now.as_microsecond().saturating_add(1));
        let items = self.shards(Some(below)).await?;
        let jobs = items.iter().filter_map(|i| keys::job_of(&Key::of(i)?));
        Ok(jobs.map(|(uid, _)| uid).collect())
    }

    /// Every job that is not over, as the index tells it.
    pub(super) async fn open_entries(&self) -> Answer<Vec<Entry>> {
        let items = self.open_items().await?;
        Ok(items.iter().filter_map(entry).collect())
    }

    async fn open_items(&self) -> Answer<Vec<Attributes>> {
        self.shards(None).await
    }

    pub(super) async fn shards(&self, below: Option<String>) -> Answer<Vec<Attributes>> {
        let range = |n| Range {
            index: Some(DUE_INDEX),
            part: (SHARD, keys::shard(n)),
            below: below.clone().map(|b| (DUE, b)),
            ..Range::default()
        };
        let ranges: Vec<Range<'_>> = (0..SHARDS).map(range).collect();
        let all = try_join_all(ranges.iter().map(|r| query_all(&self.table, r))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The jobs of a tenant that this name or key leads to.
    async fn pointed_at(&self, tenant: &Tenant, query: &ListQuery) -> Answer<Vec<Entry>> {
        let mut uids: Vec<Uid> = Vec::new();
        if let Some(key) = &query.key {
            uids.extend(self.pointed(&keys::idempotency(tenant, key)).await?);
        } else if let Some(name) = &query.name {
            uids.extend(self.pointed(&keys::name(tenant, name)).await?);
            uids.extend(keys::of_made_name(name));
        }
        let mut found = Vec::new();
        for uid in uids {
            if let Found::Job(record) = self.read(&uid).await? {
                let Key { pk, sk } = keys::job(&uid, tenant);
                found.push((record.listed, pk, sk));
            }
        }
        Ok(found)
    }

    async fn tenants(&self) -> Answer<Vec<Tenant>> {
        let range = Range {
            part: (PK, TENANTS.to_owned()),
            ..Range::default()
        };
        let items = query_all(&self.table, &range).await?;
        let read = |item: &Attributes| {
            let name = read_text(item, SK)?;
            name.parse::<Tenant>()
                .map_err(|e| PortError::Unknown(e.to_string()))
                .ok()
        };
        Ok(items.iter().filter_map(read).collect())
    }
}
