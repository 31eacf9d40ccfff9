//! Memory's log and items on a Redis server. The keys of a tenant, after the prefix `elf:TENANT`:
//!
//! | key | what it is |
//! |---|---|
//! | `head` | the place of the log's last entry |
//! | `log` | a stream of entries, each under its place |
//! | `rule`, `trail`, `job`, … | a hash for each kind: id → place and body |
//! | `rule:by-place`, … | the ids of a kind by their place |

mod check;
mod line;
pub mod link;

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Script, streams::StreamRangeReply};
use sandbox_core::Tenant;
use tokio::sync::{mpsc, oneshot};

use self::link::{Link, LinkError};
use super::{Appending, Commit, Item, Kept, Kind, Ledger, LedgerError, Put, Snapshot, row};
use crate::entry::Row;

/// Logs and items of all tenants.
pub struct RedisLedger {
    link: Link,
    commits: mpsc::UnboundedSender<Handed>,
    snapshot: Arc<Script>,
}

/// A commit that was handed over.
struct Handed {
    name: String,
    commit: Commit,
    answer: oneshot::Sender<Kept<()>>,
}

impl RedisLedger {
    /// A ledger on this server.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let (commits, handed) = mpsc::unbounded_channel();
        tokio::spawn(append(link.clone(), handed));
        let snapshot = Arc::new(Script::new(include_str!("snapshot.lua")));
        Self {
            link,
            commits,
            snapshot,
        }
    }
}

/// Sends commits in the order in which they were handed over.
async fn append(link: Link, mut handed: mpsc::UnboundedReceiver<Handed>) {
    let script = Script::new(include_str!("append.lua"));
    while let Some(one) = handed.recv().await {
        let done = one.commit.answered(one.write(&link, &script).await);
        // Whoever does not wait any more does not need the answer.
        let _ = one.answer.send(done);
    }
}

impl Handed {
    async fn write(&self, link: &Link, script: &Script) -> Kept<()> {
        if self.commit.is_void() {
            return Err(LedgerError::Conflict);
        }
        let args = arguments(&self.commit)?;
        let told: Result<String, _> = link
            .write("wrote to memory", script, &self.name, &args)
            .await;
        match told.as_deref() {
            Ok("ok") => Ok(()),
            Ok(_) => Err(LedgerError::Conflict),
            Err(e) => Err(unavailable(e)),
        }
    }
}

fn unavailable(e: &LinkError) -> LedgerError {
    LedgerError::Unavailable(e.to_string())
}

fn unreadable(what: &str) -> LedgerError {
    LedgerError::Unreadable(format!(
        "read memory from Redis: {what} is not as it was written; restore it from a backup"
    ))
}

fn name(tenant: &Tenant) -> String {
    format!("elf:{tenant}")
}

fn arguments(commit: &Commit) -> Kept<Vec<Vec<u8>>> {
    let mut args = vec![
        commit.expected.to_string().into_bytes(),
        commit.rows.len().to_string().into_bytes(),
    ];
    for row in &commit.rows {
        let text = serde_json::to_vec(row)
            .map_err(|e| LedgerError::Unreadable(format!("wrote an entry as JSON: {e}")))?;
        args.push(text);
    }
    for put in &commit.puts {
        let (how, kind, id, seq, body) = match put {
            Put::Stands(i) => ("S", i.kind, &i.id, i.seq, i.body.as_str()),
            Put::Gone(kind, id) => ("G", *kind, id, 0, ""),
        };
        let seq = seq.to_string();
        let five = [how, kind.word(), id, &seq, body];
        args.extend(five.map(|text| text.as_bytes().to_vec()));
    }
    Ok(args)
}

fn item(kind: Kind, id: String, kept: &str) -> Kept<Item> {
    let parts = kept.split_once(' ');
    let parts = parts.and_then(|(seq, body)| Some((seq.parse().ok()?, body.to_owned())));
    let (seq, body) = parts.ok_or_else(|| unreadable(kind.word()))?;
    Ok(Item {
        kind,
        id,
        seq,
        body,
    })
}

#[async_trait]
impl Ledger for RedisLedger {
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        let (answer, answered) = oneshot::channel();
        let name = name(tenant);
        let handed = Handed {
            name,
            commit,
            answer,
        };
        // One that could not be handed over drops its sender, which the receiver then tells.
        drop(self.commits.send(handed));
        let ended = || LedgerError::Unavailable("wrote to memory: its writer has ended".to_owned());
        Box::pin(async move { answered.await.map_err(|_| ended())? })
    }

    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        let mut range = redis::cmd("XRANGE");
        range
            .arg(self.link.key(&format!("{}:log", name(tenant))))
            .arg(format!("{}-0", after.saturating_add(1)))
            .arg("+")
            .arg("COUNT")
            .arg(limit);
        let found: StreamRangeReply = self
            .link
            .ask("read memory's log", &range)
            .await
            .map_err(|e| unavailable(&e))?;
        let rows = found.ids.iter().map(|entry| {
            let text: Option<String> = entry.get("r");
            let text = text.ok_or_else(|| unreadable("an entry"))?;
            row(&text)
        });
        rows.collect()
    }

    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot> {
        let kinds = Kind::HELD.map(|kind| kind.word().as_bytes().to_vec());
        let told: (String, Vec<Vec<(String, String)>>) = self
            .link
            .read("read memory", &self.snapshot, &name(tenant), &kinds)
            .await
            .map_err(|e| unavailable(&e))?;
        let head = told.0.parse().map_err(|_| unreadable("the log's head"))?;
        let mut items = Vec::new();
        for (kind, found) in Kind::HELD.into_iter().zip(told.1) {
            for (id, kept) in found {
                items.push(item(kind, id, &kept)?);
            }
        }
        items.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        Ok(Snapshot { head, items })
    }

    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        let mut get = redis::cmd("HGET");
        get.arg(self.link.key(&format!("{}:{}", name(tenant), kind.word())))
            .arg(id);
        let found: Option<String> = self
            .link
            .ask("read memory", &get)
            .await
            .map_err(|e| unavailable(&e))?;
        found
            .map(|kept| item(kind, id.to_owned(), &kept))
            .transpose()
    }

    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let hash = self.link.key(&format!("{}:{}", name(tenant), kind.word()));
        let most = before.map_or_else(|| "+inf".to_owned(), |b| format!("({b}"));
        let mut range = redis::cmd("ZRANGE");
        range.arg(format!("{hash}:by-place")).arg(most).arg("-inf");
        range
            .arg("BYSCORE")
            .arg("REV")
            .arg("LIMIT")
            .arg(0)
            .arg(limit);
        let ids: Vec<String> = self
            .link
            .ask("listed memory", &range)
            .await
            .map_err(|e| unavailable(&e))?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("HMGET");
        get.arg(hash).arg(&ids);
        let kept: Vec<Option<String>> = self
            .link
            .ask("listed memory", &get)
            .await
            .map_err(|e| unavailable(&e))?;
        let pairs = ids.into_iter().zip(kept);
        // One that went between the two questions is not there.
        let there = pairs.filter_map(|(id, kept)| Some((id, kept?)));
        let items = there.map(|(id, kept)| item(kind, id, &kept));
        let mut items: Vec<Item> = items.collect::<Kept<_>>()?;
        items.sort_by(|a, b| b.seq.cmp(&a.seq).then_with(|| a.id.cmp(&b.id)));
        Ok(items)
    }
}
