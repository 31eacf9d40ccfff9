//! Memory's log and items in the process itself: for tests, and for whoever wants nothing kept.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sandbox_core::Tenant;

use super::{Appending, Commit, Item, Kept, Kind, Ledger, LedgerError, Put, Snapshot};
use crate::entry::Row;

/// Logs and items of all tenants.
#[derive(Default)]
pub struct MemoryLedger {
    shelves: Mutex<BTreeMap<Tenant, Shelf>>,
}

#[derive(Clone, Default)]
struct Shelf {
    log: Vec<Row>,
    items: BTreeMap<(Kind, String), Item>,
}

impl MemoryLedger {
    fn shelves(&self) -> MutexGuard<'_, BTreeMap<Tenant, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, tenant: &Tenant, take: impl FnOnce(&Shelf) -> T) -> T {
        match self.shelves().get(tenant) {
            Some(known) => take(known),
            None => take(&Shelf::default()),
        }
    }
}

impl Shelf {
    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn take(&mut self, commit: Commit) -> Kept<()> {
        if commit.is_void() || commit.expected != self.head() {
            return commit.answered(Err(LedgerError::Conflict));
        }
        self.log.extend(commit.rows);
        for put in commit.puts {
            match put {
                Put::Stands(item) => drop(self.items.insert((item.kind, item.id.clone()), item)),
                Put::Gone(kind, id) => drop(self.items.remove(&(kind, id))),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        let done = self
            .shelves()
            .entry(tenant.clone())
            .or_default()
            .take(commit);
        Box::pin(ready(done))
    }

    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let rows = |s: &Shelf| {
            s.log
                .iter()
                .skip(after)
                .take(limit as usize)
                .cloned()
                .collect()
        };
        Ok(self.with(tenant, rows))
    }

    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot> {
        Ok(self.with(tenant, |s| Snapshot {
            head: s.head(),
            items: s
                .items
                .values()
                .filter(|i| Kind::HELD.contains(&i.kind))
                .cloned()
                .collect(),
        }))
    }

    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        Ok(self.with(tenant, |s| s.items.get(&(kind, id.to_owned())).cloned()))
    }

    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        let before = before.unwrap_or(u64::MAX);
        let of_kind = |i: &&Item| i.kind == kind && i.seq < before;
        let mut found: Vec<Item> = self.with(tenant, |s| {
            s.items.values().filter(of_kind).cloned().collect()
        });
        found.sort_by(|a, b| b.seq.cmp(&a.seq).then_with(|| a.id.cmp(&b.id)));
        found.truncate(limit as usize);
        Ok(found)
    }
}
