//! What others write: the jobs that are not over are looked through every now and then. Costs a read for each of them,
//! so it is for the few nodes that share a table, and a single one does without.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sandbox_core::{Uid, port::Answer};
use sandbox_elf::store::dynamodb::keys::Key;

use super::{
    DynamoStore, keys,
    record::{Record, events},
};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// Follows the writes of others.
pub struct Follower {
    store: Arc<DynamoStore>,
    /// Jobs that were not over: the key of their items, and what was last seen of them.
    seen: HashMap<Uid, Seen>,
}

struct Seen {
    key: Key,
    by: String,
    /// The number of the last event that was heard.
    last: u64,
}

impl Follower {
    /// What stands now is known.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn new(store: Arc<DynamoStore>) -> Answer<Self> {
        let mut new = Self {
            store,
            seen: HashMap::new(),
        };
        new.look().await?;
        Ok(new)
    }

    /// The jobs that others have written about; none after a while in which nothing was written.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn next(&mut self) -> Answer<Vec<Uid>> {
        tokio::time::sleep(EVERY).await;
        let changed = self.look().await?;
        let mut told = Vec::new();
        for (record, last) in &changed {
            let (Ok(uid), Ok(tenant)) = (record.job.uid(), record.job.tenant()) else {
                continue;
            };
            let all = events(&uid, &tenant, &record.events);
            self.store
                .feed
                .hear(all.into_iter().filter(|e| e.seq > *last).collect());
            told.push(uid);
        }
        Ok(told)
    }

    /// What others have changed since the last look, with the last event that was known of each.
    async fn look(&mut self) -> Answer<Vec<(Record, u64)>> {
        let mut wanted: Vec<Key> = self.seen.values().map(|s| s.key.clone()).collect();
        for (_, pk, sk) in self.store.open_entries().await? {
            let key = Key { pk, sk };
            let known = keys::job_of(&key).is_some_and(|(uid, _)| self.seen.contains_key(&uid));
            if !known {
                wanted.push(key);
            }
        }
        let mut before = std::mem::take(&mut self.seen);
        let mut changed = Vec::new();
        for record in self.store.read_all(&wanted).await? {
            let (Ok(uid), Ok(tenant)) = (record.job.uid(), record.job.tenant()) else {
                continue;
            };
            let was = before.remove(&uid);
            if crate::store::rows::Row::of(&record.job).is_ok_and(|r| r.open) {
                let seen = Seen {
                    key: keys::job(&uid, &tenant),
                    by: record.by.clone(),
                    last: record.last(),
                };
                self.seen.insert(uid, seen);
            }
            let ours = record.by.starts_with(&self.store.process);
            if !ours && was.as_ref().is_none_or(|s| s.by != record.by) {
                changed.push((record, was.map_or(0, |s| s.last)));
            }
        }
        Ok(changed)
    }
}
