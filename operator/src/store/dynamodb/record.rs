//! A job as an item of the table: what the store knows of it, and back.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use sandbox_core::{
    AgentJob, FailureClass, Tenant, Uid,
    port::{Answer, PortError},
    query::{Event, NewEvent},
};
use sandbox_elf::store::dynamodb::keys::{Attributes, Key, number, read_number, read_text, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    feed::Ticket,
    keys,
    large::Large,
    squeeze::{squeeze, widen},
};
use crate::store::rows::{Row, versioned};

/// Most events that are kept of one job; the oldest go first.
const EVENTS: usize = 64;
/// Bytes of a compressed record above which what was asked stands in the store of objects.
const SMALL: usize = 3 << 10;
/// The most that an item holds besides its keys.
const LARGEST: usize = 390 << 10;

/// What a job holds of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    #[serde(rename = "p")]
    pub(super) pool: String,
    /// In which of its pages; those that were written down before pools had several stand in the first.
    #[serde(rename = "k", default, skip_serializing_if = "is_first")]
    pub(super) page: u8,
    #[serde(rename = "u")]
    pub(super) units: u32,
    /// What the page says of it.
    #[serde(rename = "m")]
    pub(super) mark: String,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
const fn is_first(page: &u8) -> bool {
    *page == 0
}

/// One thing that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    #[serde(rename = "s")]
    seq: u64,
    #[serde(flatten)]
    what: NewEvent,
}

/// What is compressed in an item.
#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(rename = "job", default)]
    job: Value,
    #[serde(rename = "holds", default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Hold>,
    #[serde(rename = "key", default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Where what was asked stands, when it is not here.
    #[serde(rename = "spec", default, skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    #[serde(rename = "events", default)]
    events: Vec<Told>,
}

/// A job with all that is known of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) job: AgentJob,
    /// Which write put it there.
    pub(super) by: String,
    /// Its place in lists.
    pub(super) listed: String,
    pub(super) holds: Vec<Hold>,
    /// The idempotency key that it came with.
    pub(super) key: Option<String>,
    pub(super) events: Vec<Told>,
    /// Where what was asked stands, when it is not in the item.
    pub(super) spec: Option<String>,
}

/// What stands in the place of a job.
pub(super) enum Found {
    Nothing,
    /// It was removed; what happened to it can be asked for a while.
    Gone(Vec<Told>),
    Job(Box<Record>),
}

impl Record {
    /// A job that nobody has written down yet.
    pub(super) fn new(job: AgentJob, row: &Row, key: Option<&str>, by: String) -> Self {
        Self {
            job: versioned(job, 1),
            by,
            listed: keys::listed(row),
            holds: Vec::new(),
            key: key.map(str::to_owned),
            events: Vec::new(),
            spec: None,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.job.version()
    }

    /// The number of its last event.
    pub(super) fn last(&self) -> u64 {
        self.events.last().map_or(0, |e| e.seq)
    }

    /// Keeps what happened, under these numbers.
    pub(super) fn tell(&mut self, ticket: &Ticket<'_>, events: Vec<NewEvent>) {
        let numbered = (ticket.first..).zip(events);
        let told = numbered.map(|(seq, what)| Told { seq, what });
        self.events.extend(told);
        let over = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..over);
    }

    /// The item, with what is too large for it put elsewhere before.
    pub(super) async fn item(&mut self, row: &Row, large: &Large) -> Answer<Attributes> {
        let mut body = Body {
            job: serde_json::to_value(&self.job).map_err(|e| bad(&e.to_string()))?,
            holds: self.holds.clone(),
            key: self.key.clone(),
            spec: None,
            events: self.events.clone(),
        };
        let mut packed = pack(&body)?;
        // What stands elsewhere stays there: nobody would know of it otherwise when the job is removed.
        if packed.len() > SMALL || self.spec.is_some() {
            let spec = body.job["spec"].take();
            let known = self.spec.take();
            let stands = large.put(&row.uid, &spec, known.as_deref()).await?;
            body.spec = Some(stands);
            packed = pack(&body)?;
        }
        if packed.len() > LARGEST {
            let text = format!(
                "wrote job {}: it has {} bytes, compressed, and an item of DynamoDB at most {LARGEST}",
                row.uid,
                packed.len()
            );
            return Err(PortError::refused(FailureClass::InvalidSpec, text));
        }
        self.spec = body.spec;
        let key = keys::job(&row.uid, &row.tenant);
        Ok(self.attributes(&key, row, packed))
    }

    fn attributes(&self, key: &Key, row: &Row, packed: Vec<u8>) -> Attributes {
        let mut item = key.with([
            (keys::VERSION, number(self.version())),
            (keys::BY, text(&self.by)),
            (keys::BODY, AttributeValue::B(Blob::new(packed))),
            (keys::TENANT, text(row.tenant.as_str())),
            (keys::LISTED, text(&self.listed)),
        ]);
        let mut add = |name: &str, value: String| {
            item.insert(name.to_owned(), text(&value));
        };
        if let Some(at) = keys::due(&self.job, row) {
            add(keys::SHARD, keys::shard_of(&row.uid));
            add(keys::DUE, format!("{}#{}", keys::stamp(at), row.tenant));
        }
        if let Some(waits) = keys::waits(row) {
            add(keys::WAITS, waits);
        }
        item
    }

    /// What stands of it once it is gone: what happened to it, for so long.
    pub(super) fn tombstone(&self, key: &Key, until: i64) -> Answer<Attributes> {
        let body = Body {
            job: Value::Null,
            holds: Vec::new(),
            key: None,
            spec: None,
            events: self.events.clone(),
        };
        Ok(key.with([
            (keys::VERSION, number(self.version() + 1)),
            (keys::BY, text(&self.by)),
            (keys::BODY, AttributeValue::B(Blob::new(pack(&body)?))),
            (keys::GONE, AttributeValue::Bool(true)),
            (keys::EXPIRES, AttributeValue::N(until.to_string())),
        ]))
    }
}

/// What an item says, at this time in seconds.
pub(super) async fn found(item: Option<&Attributes>, large: &Large, now: i64) -> Answer<Found> {
    let Some(item) = item else {
        return Ok(Found::Nothing);
    };
    let body = unpack(item).map_err(|e| damaged(item, &e))?;
    if item.contains_key(keys::GONE) {
        let over = read_number(item, keys::EXPIRES).is_some_and(|at| at.cast_signed() <= now);
        return Ok(if over {
            Found::Nothing
        } else {
            Found::Gone(body.events)
        });
    }
    read(item, body, large)
        .await
        .map(|r| Found::Job(Box::new(r)))
}

async fn read(item: &Attributes, mut body: Body, large: &Large) -> Answer<Record> {
    if let Some(path) = &body.spec {
        body.job["spec"] = large.get(path).await?;
    }
    let whole = || {
        Some((
            read_number(item, keys::VERSION)?,
            read_text(item, keys::BY)?,
            read_text(item, keys::LISTED)?,
        ))
    };
    let (version, by, listed) = whole().ok_or_else(|| damaged(item, "a part of it is missing"))?;
    let job = serde_json::from_value(body.job).map_err(|e| damaged(item, &e.to_string()))?;
    Ok(Record {
        job: versioned(job, version),
        by,
        listed,
        holds: body.holds,
        key: body.key,
        events: body.events,
        spec: body.spec,
    })
}

/// What happened, as it is told to those who ask.
pub(super) fn events(uid: &Uid, tenant: &Tenant, told: &[Told]) -> Vec<Event> {
    let event = |t: &Told| Event {
        seq: t.seq,
        tenant: tenant.clone(),
        uid: uid.clone(),
        reason: t.what.reason.clone(),
        message: t.what.message.clone(),
        at: t.what.at,
    };
    told.iter().map(event).collect()
}

fn pack(body: &Body) -> Answer<Vec<u8>> {
    let json = serde_json::to_vec(body).map_err(|e| bad(&e.to_string()))?;
    squeeze(&json).map_err(|e| bad(&e))
}

fn unpack(item: &Attributes) -> Result<Body, String> {
    let packed = item.get(keys::BODY).and_then(|b| b.as_b().ok());
    let packed = packed.ok_or("it has no body")?;
    serde_json::from_slice(&widen(packed.as_ref())?).map_err(|e| e.to_string())
}

fn bad(what: &str) -> PortError {
    let text = format!("wrote the job as JSON: {what}");
    PortError::refused(FailureClass::InvalidSpec, text)
}

fn damaged(item: &Attributes, what: &str) -> PortError {
    let key = Key::of(item).map_or_else(String::new, |k| format!(" {} {}", k.pk, k.sk));
    PortError::Unknown(format!(
        "read the item{key} from DynamoDB: {what}; restore the table from a backup, or use the newer release"
    ))
}
