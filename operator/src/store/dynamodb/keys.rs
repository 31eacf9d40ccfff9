//! The keys of the table, the words of its attributes, and what an index sorts by. Items of another kind, such as
//! memory's, stand beside them under keys of their own.

use sandbox_core::{AgentJob, Tenant, Uid, plan::removal_at, status::condition};
use sandbox_elf::{
    store::dynamodb::keys::{Key, PK, SK},
    text::digest,
};

use crate::store::rows::Row;

/// The version of a job.
pub(super) const VERSION: &str = "v";
/// Which write put the item there.
pub(super) const BY: &str = "y";
/// The job, what it holds and what happened to it, compressed.
pub(super) const BODY: &str = "b";
/// Whose a job is, in the index of lists.
pub(super) const TENANT: &str = "lt";
/// When it was submitted, and its uid: the order of lists.
pub(super) const LISTED: &str = "ls";
/// The shard of a job that is not over.
pub(super) const SHARD: &str = "dk";
/// When it has to be looked at.
pub(super) const DUE: &str = "ds";
/// What a job that waits for a slot wants.
pub(super) const WAITS: &str = "w";
/// That the job is gone; the item stands for its events.
pub(super) const GONE: &str = "g";
/// After this time in seconds the item is as good as not there, whenever DynamoDB removes it.
pub(super) const EXPIRES: &str = "x";
/// The job that has a name or an idempotency key.
pub(super) const UID: &str = "u";
/// What all hold of a pool.
pub(super) const HELD: &str = "n";
/// That a pool gives nothing now.
pub(super) const PAUSED: &str = "z";
/// The mark of which all jobs were told.
pub(super) const TOLD: &str = "t";

/// The index of lists: a tenant's jobs by their submission.
pub(super) const LIST: &str = "list";
/// The index of jobs that are not over, by the time at which they are due.
pub(super) const DUE_INDEX: &str = "due";
/// Into how many partitions that index is divided, so that none is written by all.
pub(super) const SHARDS: u8 = 4;

/// The item of a job. Who knows its uid alone asks for the partition, in which nothing else stands.
pub(super) fn job(uid: &Uid, tenant: &Tenant) -> Key {
    Key {
        pk: job_partition(uid),
        sk: tenant.to_string(),
    }
}

pub(super) fn job_partition(uid: &Uid) -> String {
    format!("job#{uid}")
}

/// The job of an item or of an entry of an index.
pub(super) fn job_of(key: &Key) -> Option<(Uid, Tenant)> {
    let uid = key.pk.strip_prefix("job#")?.parse().ok()?;
    Some((uid, key.sk.parse().ok()?))
}

/// What stands for a name that somebody chose.
pub(super) fn name(tenant: &Tenant, name: &str) -> Key {
    Key {
        pk: format!("name#{tenant}#{name}"),
        sk: "name".to_owned(),
    }
}

/// What stands for an idempotency key.
pub(super) fn idempotency(tenant: &Tenant, key: &str) -> Key {
    Key {
        pk: format!("key#{tenant}#{}", digest([key], 16)),
        sk: "key".to_owned(),
    }
}

/// What is held of a pool, and by whom: one of its pages.
pub(super) fn pool(pool: &str, page: u8) -> Key {
    let sk = match page {
        0 => FIRST.to_owned(),
        page => format!("{FIRST}#{page}"),
    };
    Key {
        pk: pool_partition(pool),
        sk,
    }
}

/// The partition of all pages of a pool.
pub(super) fn pool_partition(pool: &str) -> String {
    format!("pool#{pool}")
}

/// Which page has this sort key.
pub(super) fn page_of(sk: &str) -> Option<u8> {
    match sk.strip_prefix(FIRST)? {
        "" => Some(0),
        rest => rest.strip_prefix('#')?.parse().ok(),
    }
}

/// The first page of a pool, which every pool has.
const FIRST: &str = "pool";

/// That a tenant has, or had, jobs.
pub(super) fn tenant(tenant: &Tenant) -> Key {
    Key {
        pk: TENANTS.to_owned(),
        sk: tenant.to_string(),
    }
}

/// The partition of all tenants.
pub(super) const TENANTS: &str = "tenants";

/// A site that serves this table.
pub(super) fn site(site: &str) -> Key {
    Key {
        pk: SITES.to_owned(),
        sk: site.to_owned(),
    }
}

/// The partition of all sites.
pub(super) const SITES: &str = "sites";

/// The job whose name nobody chose: it follows from the uid, so that nothing has to stand for it.
pub(super) fn of_made_name(name: &str) -> Option<Uid> {
    name.strip_prefix("job-")?.parse().ok()
}

/// A time in an order of text.
pub(super) fn stamp(micros: i64) -> String {
    format!("{:016}", micros.max(0))
}

/// Where a job stands in lists.
pub(super) fn listed(row: &Row) -> String {
    format!("{}{}", stamp(row.submitted_at), row.uid)
}

/// The time and the job of a place in lists.
pub(super) fn place(listed: &str) -> Option<(i64, Uid)> {
    let (at, uid) = listed.split_at_checked(16)?;
    Some((at.parse().ok()?, uid.parse().ok()?))
}

pub(super) fn shard(number: u8) -> String {
    format!("due#{number}")
}

pub(super) fn shard_of(uid: &Uid) -> String {
    let last = uid.as_str().bytes().last().unwrap_or_default();
    shard(last % SHARDS)
}

/// When a job that is not over has to be looked at; nothing once it is over.
pub(super) fn due(job: &AgentJob, row: &Row) -> Option<i64> {
    if !row.open {
        return None;
    }
    let status = job.status();
    let told = status.condition(condition::RECORDED).is_some() && status.unrecorded.is_none();
    let at = if status.is_finished() && told && job.deleted_at().is_none() {
        removal_at(job, None)
    } else if status.intent.is_none() && !job.spec.cancel {
        status.retry_at
    } else {
        None
    };
    Some(at.map_or(row.submitted_at, jiff::Timestamp::as_microsecond))
}

/// What a job that waits wants: `PRIORITY#UNITS#POOL`, the first to go first.
pub(super) fn waits(row: &Row) -> Option<String> {
    let turn = i64::from(i32::MAX) - i64::from(row.priority);
    let text = || format!("{turn:010}#{}#{}", row.units, row.pool);
    row.waiting.then(text)
}

/// One that waits, as the index tells it.
pub(super) struct Waiting {
    /// The smallest goes first.
    pub(super) turn: (String, String),
    pub(super) units: u32,
    pub(super) pool: String,
}

impl Waiting {
    pub(super) fn read(waits: &str, listed: &str) -> Option<Self> {
        let (turn, rest) = waits.split_once('#')?;
        let (units, pool) = rest.split_once('#')?;
        Some(Self {
            turn: (turn.to_owned(), listed.to_owned()),
            units: units.parse().ok()?,
            pool: pool.to_owned(),
        })
    }
}

/// What `create-table` needs to hear besides the name.
pub(super) const ATTRIBUTES: [&str; 6] = [PK, SK, TENANT, LISTED, SHARD, DUE];
/// What the index of due jobs carries besides its keys.
pub(super) const CARRIED: [&str; 2] = [LISTED, WAITS];
