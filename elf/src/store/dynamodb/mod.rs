//! Memory's log and items in one DynamoDB table, and snapshots of it in an object store.
//!
//! | pk | sk | what it is |
//! |---|---|---|
//! | `elf#TENANT` | `head` | the place of the log's last entry, and which write put it there |
//! | `elf#TENANT#log` | `SEQ-N` | the N-th write: its entries, and what became of items, compressed |
//! | `elf#TENANT#piece#WRITE` | `000000` … | the parts of a write that is too long for one item |
//! | `elf#TENANT#outcome`, … | `SEQ-WRITE-n` | points at the write that has an item, by its place |
//! | `elf#TENANT#outcome#ID`, … | `SEQ-WRITE-n` | the same by the item's id |
//!
//! A write is one transaction: the head moves on if nobody moved it, and the log has one item more.
//! Rules, trails, jobs and plans stand nowhere but in the log; a picture of them is the newest
//! snapshot object and what the log says after it. Receipts, outcomes and postmortems, which no node
//! holds and which are written once, have pointers.

mod body;
pub mod fault;
pub mod keys;
mod lane;
mod objects;
pub mod open;
mod picture;
mod read;
mod shelf;
pub mod table;
mod write;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use sandbox_core::Tenant;

pub use open::{DynamoSettings, OpenError, create_table_command};
pub use picture::Picture;
pub use table::Consumed;

use self::{lane::Lanes, picture::Tasks, shelf::Shelf, table::Table};
use super::{Appending, Commit, Item, Kept, Kind, Ledger, Snapshot};
use crate::entry::Row;

/// Logs and items of all tenants.
pub struct DynamoLedger {
    desk: Arc<Desk>,
    lanes: Lanes,
}

/// What reads and writes share.
struct Desk {
    table: Table,
    shelf: Shelf,
    /// After how many writes of a tenant a snapshot is made.
    every: u64,
    tasks: Tasks,
    me: Weak<Desk>,
}

impl DynamoLedger {
    /// A ledger on this table, which has to be there.
    ///
    /// # Errors
    /// The table is missing or not ours, cannot be reached, or there is no place for snapshots; the text
    /// says what to change.
    pub async fn open(settings: &DynamoSettings) -> Result<Self, OpenError> {
        let (table, shelf) = open::open(settings).await?;
        let desk = Arc::new_cyclic(|me| Desk {
            table,
            shelf,
            every: settings.snapshot_every.max(1),
            tasks: Tasks::default(),
            me: me.clone(),
        });
        let lanes = Lanes::new(Arc::clone(&desk));
        Ok(Self { desk, lanes })
    }

    /// Keeps a snapshot of a tenant now; gives its place in the log, or nothing where there is nothing
    /// new. It also happens by itself, every so many writes.
    ///
    /// # Errors
    /// Why none was kept. Nothing is lost by it.
    pub async fn keep_snapshot(&self, tenant: &Tenant) -> Result<Option<u64>, String> {
        self.desk.snapshot_now(tenant).await
    }

    /// Waits for the snapshots that are being written: a process that is stopped or frozen before leaves
    /// the next one more to read.
    pub async fn rest(&self) {
        self.desk.tasks.rest().await;
    }

    /// A tenant's picture, and how it came about.
    ///
    /// # Errors
    /// `Unavailable` or `Unreadable`.
    pub async fn picture(&self, tenant: &Tenant) -> Kept<Picture> {
        self.desk.picture(tenant).await
    }

    /// What DynamoDB has counted so far.
    #[must_use]
    pub fn consumed(&self) -> Consumed {
        self.desk.table.consumed()
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        self.lanes.append(tenant, commit)
    }

    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        self.desk.log(tenant, after, limit).await
    }

    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot> {
        Ok(self.desk.picture(tenant).await?.snapshot)
    }

    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        if Kind::HELD.contains(&kind) {
            let held = self.desk.held(tenant, kind).await?;
            return Ok(held.into_iter().find(|item| item.id == id));
        }
        self.desk.item(tenant, kind, id).await
    }

    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        if !Kind::HELD.contains(&kind) {
            return self.desk.items(tenant, kind, before, limit).await;
        }
        let mut held = self.desk.held(tenant, kind).await?;
        held.retain(|item| before.is_none_or(|before| item.seq < before));
        held.sort_by(|a, b| b.seq.cmp(&a.seq).then_with(|| a.id.cmp(&b.id)));
        held.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(held)
    }
}
