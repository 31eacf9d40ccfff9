//! What is asked of a ledger elsewhere, as JSON. Each question is one POST.

use sandbox_core::Tenant;
use sandbox_elf::store::{Commit, Kept, Kind};
use serde::{Deserialize, Serialize};

/// Commits in the order in which they are to take effect. Answered by one [`Kept`] for each.
pub(super) const APPEND: &str = "/v1/ledger/append";
/// [`After`]: entries.
pub(super) const LOG: &str = "/v1/ledger/log";
/// A tenant: its picture.
pub(super) const SNAPSHOT: &str = "/v1/ledger/snapshot";
/// [`One`]: an item, or null.
pub(super) const ITEM: &str = "/v1/ledger/item";
/// [`Many`]: items.
pub(super) const ITEMS: &str = "/v1/ledger/items";

/// A commit and whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    pub tenant: Tenant,
    pub commit: Commit,
    /// Commits of one batch with the same number were decided on the same picture.
    #[serde(default)]
    pub picture: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct After {
    pub tenant: Tenant,
    pub place: u64,
    pub limit: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct One {
    pub tenant: Tenant,
    pub kind: Kind,
    pub id: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Many {
    pub tenant: Tenant,
    pub kind: Kind,
    pub before: Option<u64>,
    pub limit: u32,
}

/// What became of each commit.
pub(super) type Appended = Vec<Kept<()>>;
