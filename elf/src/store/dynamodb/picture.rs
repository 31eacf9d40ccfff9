//! A tenant's picture: the newest snapshot object that can be trusted, and the log after it. Where none
//! can, the whole log.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use sandbox_core::Tenant;
use tokio::task::JoinSet;

use super::{
    Desk,
    body::Step,
    keys::{self, Key, Mark, read_text},
    read::{END, PAGE},
    shelf::Stored,
    table::Asked,
};
use crate::{
    live::gap,
    store::{Item, Kept, Kind, Snapshot},
};

/// A picture, and how it came about.
#[derive(Debug)]
pub struct Picture {
    /// The picture.
    pub snapshot: Snapshot,
    /// The place of the snapshot object that it began with; nothing where the whole log was read.
    pub began: Option<u64>,
    /// How many writes of the log were read after it.
    pub read: u64,
    /// Snapshot objects that were of no use, each with the reason.
    pub passed_over: Vec<String>,
    mark: Mark,
    by: String,
}

/// Snapshots that are being written. One at a time for each tenant.
#[derive(Default)]
pub(super) struct Tasks {
    running: Mutex<(JoinSet<()>, HashSet<Tenant>)>,
}

impl Tasks {
    /// Whether this tenant had none.
    fn begin(&self, tenant: &Tenant) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.1.insert(tenant.clone())
    }

    fn end(&self, tenant: &Tenant) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.1.remove(tenant);
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.0.try_join_next().is_some() {}
        running.0.spawn(work);
    }

    /// Waits for those that were begun.
    pub(super) async fn rest(&self) {
        let all = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut running.0)
        };
        all.join_all().await;
    }
}

impl Desk {
    /// Told of every write: now and then one is followed by a snapshot.
    pub(super) fn written(&self, tenant: &Tenant, number: u64) {
        if number.is_multiple_of(self.every) {
            self.snapshot_soon(tenant);
        }
    }

    fn snapshot_soon(&self, tenant: &Tenant) {
        let Some(desk) = self.me.upgrade().filter(|desk| desk.tasks.begin(tenant)) else {
            return;
        };
        let tenant = tenant.clone();
        self.tasks.spawn(async move {
            if let Err(e) = desk.snapshot_now(&tenant).await {
                tracing::warn!(%tenant, "no snapshot was kept, a cold start reads more: {e}");
            }
            desk.tasks.end(&tenant);
        });
    }

    /// Keeps a snapshot of now; gives its place, or nothing where there is nothing new.
    pub(super) async fn snapshot_now(&self, tenant: &Tenant) -> Result<Option<u64>, String> {
        let picture = self.read_picture(tenant).await.map_err(|e| e.to_string())?;
        if picture.read == 0 {
            return Ok(None);
        }
        let stored = Stored {
            mark: picture.mark,
            by: picture.by,
            items: picture.snapshot.items,
        };
        self.shelf.keep(tenant, stored).await?;
        Ok(Some(picture.mark.seq))
    }

    /// The picture; says what was wrong on the way, and has a snapshot made where it took long.
    pub(super) async fn picture(&self, tenant: &Tenant) -> Kept<Picture> {
        let picture = self.read_picture(tenant).await?;
        for why in &picture.passed_over {
            tracing::warn!(%tenant, began = ?picture.began, read = picture.read, "{why}; memory was read without it");
        }
        if picture.read > self.every {
            self.snapshot_soon(tenant);
        }
        Ok(picture)
    }

    async fn read_picture(&self, tenant: &Tenant) -> Kept<Picture> {
        let (stored, passed_over) = self.begin(tenant).await?;
        let began = stored.as_ref().map(|stored| stored.mark.seq);
        let start = stored.unwrap_or_else(|| Stored {
            mark: Mark::default(),
            by: String::new(),
            items: Vec::new(),
        });
        let mut items: BTreeMap<(Kind, String), Item> = BTreeMap::new();
        items.extend(start.items.into_iter().map(|i| ((i.kind, i.id.clone()), i)));
        let mut picture = Picture {
            snapshot: Snapshot::default(),
            began,
            read: 0,
            passed_over,
            mark: start.mark,
            by: start.by,
        };
        self.go_on(tenant, &mut picture, &mut items).await?;
        picture.snapshot = Snapshot {
            head: picture.mark.seq,
            items: items.into_values().collect(),
        };
        Ok(picture)
    }

    /// Puts the log after the picture's place into it.
    async fn go_on(
        &self,
        tenant: &Tenant,
        picture: &mut Picture,
        items: &mut BTreeMap<(Kind, String), Item>,
    ) -> Kept<()> {
        let mut asked = Asked {
            pk: keys::log(tenant),
            from: format!("{}{END}", picture.mark.sk()),
            to: END.to_owned(),
            newest_first: false,
            limit: PAGE,
            next: None,
        };
        loop {
            let page = self.table.page(&asked).await?;
            for item in &page.items {
                let written = self.open(tenant, item).await?;
                let rows: usize = written.steps.iter().map(Step::len).sum();
                let end = picture.mark.seq + rows as u64;
                if (written.mark.number, written.mark.seq) != (picture.mark.number + 1, end) {
                    return Err(gap(picture.mark.seq, written.mark.seq));
                }
                let puts = written.steps.into_iter().flat_map(|step| step.puts);
                for slip in puts.filter(|slip| Kind::HELD.contains(&slip.kind)) {
                    match slip.item() {
                        Some(item) => drop(items.insert((slip.kind, slip.id), item)),
                        None => drop(items.remove(&(slip.kind, slip.id))),
                    }
                }
                (picture.mark, picture.by) = (written.mark, written.by);
                picture.read += 1;
            }
            match page.next {
                Some(next) => asked.next = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The newest snapshot object that can be read and whose write is in the log; and what was wrong
    /// with those before it.
    async fn begin(&self, tenant: &Tenant) -> Kept<(Option<Stored>, Vec<String>)> {
        let mut passed_over = Vec::new();
        let named = match self.shelf.list(tenant).await {
            Ok(named) => named,
            Err(why) => return Ok((None, vec![why])),
        };
        for (mark, path) in named {
            match self.shelf.read(tenant, &path).await {
                Ok(stored) if stored.mark == mark && self.confirms(tenant, &stored).await? => {
                    return Ok((Some(stored), passed_over));
                }
                Ok(_) => passed_over.push(format!(
                    "the snapshot {path} is of no use: the table's log has another write at its place"
                )),
                Err(why) => passed_over.push(why),
            }
        }
        Ok((None, passed_over))
    }

    /// Whether the log has the write whose picture this is: the table may have been restored to an
    /// earlier time, or be another one.
    async fn confirms(&self, tenant: &Tenant, stored: &Stored) -> Kept<bool> {
        let there = self.table.get(&Key::log(tenant, stored.mark)).await?;
        let by = there.as_ref().and_then(|item| read_text(item, keys::BY));
        if let Some(item) = &there {
            super::read::layout(item)?;
        }
        Ok(by.is_some_and(|by| by == stored.by))
    }

    /// Items of a kind that nodes hold in their own memory.
    pub(super) async fn held(&self, tenant: &Tenant, kind: Kind) -> Kept<Vec<Item>> {
        let items = self.picture(tenant).await?.snapshot.items;
        Ok(items.into_iter().filter(|i| i.kind == kind).collect())
    }
}
