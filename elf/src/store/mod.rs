//! Where memory is written down: per tenant an ordered log, and beside it the items that the log
//! amounts to. A ledger ranks nothing and understands nothing of what it keeps. Each one keeps the
//! same promises; the contract tests run them on every entry of [`all`].

pub mod dynamodb;
pub mod memory;
pub mod redis;
pub mod sqlite;

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use sandbox_core::Tenant;
use serde::{Deserialize, Serialize};

use crate::entry::{Row, VERSION};

/// Why a ledger did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LedgerError {
    /// The log has moved on since the commit was decided; nothing was written.
    #[error("wrote to memory: somebody else wrote first; ask again")]
    Conflict,
    /// It may or may not have been done. Asking again is safe.
    #[error("{0}")]
    Unavailable(String),
    /// What is kept cannot be read: it is damaged, or a newer release wrote it.
    #[error("{0}")]
    Unreadable(String),
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A rule with its counts.
    Rule,
    /// A heap of touches.
    Trail,
    /// A job with what is known of its attempts.
    Job,
    /// What a seat was given.
    Receipt,
    /// How a seat ended.
    Outcome,
    /// What somebody means to do.
    Plan,
    /// How something went.
    Postmortem,
    /// The tenant's key for hashes of what was redacted. No entry of the log stands behind it.
    Secret,
}

impl Kind {
    /// The kinds that a node holds in its own memory.
    pub const HELD: [Self; 5] = [Self::Rule, Self::Trail, Self::Job, Self::Plan, Self::Secret];

    /// The word in keys.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Trail => "trail",
            Self::Job => "job",
            Self::Receipt => "receipt",
            Self::Outcome => "outcome",
            Self::Plan => "plan",
            Self::Postmortem => "postmortem",
            Self::Secret => "secret",
        }
    }
}

/// Something that the log amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its id among its kind.
    pub id: String,
    /// The place of the entry that last changed it.
    pub seq: u64,
    /// Itself, as JSON.
    pub body: String,
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Put {
    /// It stands so.
    Stands(Item),
    /// It is gone.
    Gone(Kind, String),
}

/// One conditional write: entries and items, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The place of the log's last entry when this was decided.
    pub expected: u64,
    /// The entries that follow it. None makes the commit a barrier: it is answered when everything
    /// before it is on the disk.
    pub rows: Vec<Row>,
    /// The items that change with them.
    pub puts: Vec<Put>,
    /// What it was decided on.
    #[serde(skip)]
    pub picture: Picture,
}

/// What a node had before it when it decided: the log, and its own commits that are on their way. Once one of these
/// is refused the picture shows what never came to pass, and whatever else was decided on it is refused too, also
/// where another node's entries have brought the log to the expected place.
#[derive(Clone, Debug, Default)]
pub struct Picture(Arc<AtomicBool>);

/// Where a picture came from does not tell commits apart.
impl PartialEq for Picture {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Picture {
    /// Its number among those of this process, to be told with its commits elsewhere.
    #[must_use]
    pub fn number(&self) -> u64 {
        Arc::as_ptr(&self.0).addr() as u64
    }
}

impl Commit {
    /// Whether something that this was decided on was refused. For whoever writes commits, in their order.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.picture.0.load(Ordering::Acquire)
    }

    /// The answer, once it is known: a refusal holds for all that was decided on the same picture.
    ///
    /// # Errors
    /// As the answer.
    pub fn answered(&self, done: Kept<()>) -> Kept<()> {
        if done.is_err() {
            self.picture.0.store(true, Ordering::Release);
        }
        done
    }
}

/// A picture of one tenant at one place of its log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The place.
    pub head: u64,
    /// Every item of [`Kind::HELD`].
    pub items: Vec<Item>,
}

/// Takes up items, a piece of them at a time, maybe of several threads at once.
pub type Taking = Arc<dyn Fn(Vec<Item>) + Send + Sync>;
/// The answer to a commit, once it is durable.
pub type Appending = Pin<Box<dyn Future<Output = Kept<()>> + Send>>;
/// What a ledger gives.
pub type Kept<T> = Result<T, LedgerError>;

/// Where memory is written down. A commit that was answered survives a crash.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Hands over one commit. Commits take effect in the order of these calls, also where several
    /// are on their way; one whose `expected` is not the log's head by then is `Conflict` and
    /// writes nothing, and so is one whose [`Picture`] has had a refusal. It takes effect whether or not the answer is waited for.
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending;

    /// Reads the log after this place in order, at most `limit` entries.
    ///
    /// # Errors
    /// `Unavailable` or `Unreadable`.
    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>>;

    /// Reads the items a node holds, as they are at one place of the log.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot>;

    /// The same a piece at a time, in no order and from several threads where the ledger can, so that what is
    /// read is taken up while the rest is being read. Gives the place. What was taken is worth nothing
    /// where the answer is an error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn pieces(&self, tenant: &Tenant, take: Taking) -> Kept<u64> {
        let picture = self.snapshot(tenant).await?;
        take(picture.items);
        Ok(picture.head)
    }

    /// Reads one item.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>>;

    /// Reads items of a kind that were changed before this place, newest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>>;
}

/// Reads one line of a log. The version is read first: a newer entry may have another shape.
fn row(body: &str) -> Kept<Row> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let unreadable = |e: serde_json::Error| {
        LedgerError::Unreadable(format!("read memory's log: {e}; restore it from a backup"))
    };
    let seen: Version = serde_json::from_str(body).map_err(unreadable)?;
    known(seen.v)?;
    serde_json::from_str(body).map_err(unreadable)
}

/// Whether an entry of this version says something that this release understands.
pub(crate) fn known(version: u32) -> Kept<()> {
    if version <= VERSION {
        return Ok(());
    }
    Err(LedgerError::Unreadable(format!(
        "read memory's log: it has version {version}, this program knows {VERSION}; use the newer release"
    )))
}

/// A ledger with its word.
pub type Named = (&'static str, Arc<dyn Ledger>);

/// Every ledger, opened new beneath this folder: what the contract tests run on.
///
/// # Errors
/// A ledger could not be opened.
pub fn all(folder: &Path) -> Result<Vec<Named>, sqlite::OpenError> {
    let sqlite = sqlite::SqliteLedger::open(&folder.join("elf.db"))?;
    Ok(vec![
        ("memory", Arc::new(memory::MemoryLedger::default())),
        ("sqlite", Arc::new(sqlite)),
    ])
}
