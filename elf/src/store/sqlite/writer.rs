//! The one thread that writes: it takes what is queued, does it in one transaction, and answers
//! after the commit. Each request has its own savepoint, so that a refusal hurts nobody else.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sandbox_core::Tenant;
use tokio::sync::oneshot;

use super::{read, unavailable};
use crate::store::{Appending, Commit, Item, Kept, Kind, LedgerError, Put};

/// Most requests of one commit.
const BATCH: usize = 256;

struct Request {
    tenant: Tenant,
    commit: Commit,
    answer: oneshot::Sender<Kept<()>>,
}

/// The way to the writing thread; it ends when this is dropped, after what is queued. Those who
/// append bound how much waits.
pub(super) struct Writer {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection) -> io::Result<Self> {
        let (requests, queued) = channel();
        let named = std::thread::Builder::new().name("elf-writer".to_owned());
        let thread = named.spawn(move || work(db, &queued))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(super) fn append(&self, tenant: Tenant, commit: Commit) -> Appending {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            tenant,
            commit,
            answer,
        };
        // A request that could not be sent drops its sender, which the receiver then tells.
        if let Some(requests) = &self.requests {
            drop(requests.send(request));
        }
        Box::pin(async move { answered.await.map_err(|_| ended())? })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has answered its callers by dropping their senders.
            let _ = thread.join();
        }
    }
}

fn ended() -> LedgerError {
    LedgerError::Unavailable("wrote to memory: its writer has ended".to_owned())
}

fn work(mut db: Connection, queued: &Receiver<Request>) {
    while let Ok(first) = queued.recv() {
        let rest = queued.try_iter().take(BATCH - 1);
        let batch: Vec<Request> = std::iter::once(first).chain(rest).collect();
        together(&mut db, batch);
    }
}

fn together(db: &mut Connection, batch: Vec<Request>) {
    let mut done = Vec::with_capacity(batch.len());
    let committed = begin_and_do(db, &batch, &mut done);
    // What was not committed was not done, whatever its own savepoint said.
    let failed = committed
        .err()
        .map(|e| unavailable("committed to memory", &e));
    let mut done = done.into_iter();
    for request in batch {
        let own = done.next().unwrap_or_else(|| Err(ended()));
        let answer = match (&failed, own) {
            (Some(failed), _) => Err(failed.clone()),
            (None, own) => own,
        };
        // A caller that has gone does not wait for its answer.
        drop(request.answer.send(request.commit.answered(answer)));
    }
}

fn begin_and_do(
    db: &mut Connection,
    batch: &[Request],
    done: &mut Vec<Kept<()>>,
) -> rusqlite::Result<()> {
    let mut tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for request in batch {
        done.push(request.commit.answered(apart(&mut tx, request)));
    }
    tx.commit()
}

/// Does one request in its own savepoint.
fn apart(tx: &mut Transaction<'_>, request: &Request) -> Kept<()> {
    let failed = |e: rusqlite::Error| unavailable("wrote to memory", &e);
    if request.commit.is_void() {
        return Err(LedgerError::Conflict);
    }
    let point = tx.savepoint().map_err(failed)?;
    if read::head(&point, &request.tenant).map_err(failed)? != request.commit.expected {
        return Err(LedgerError::Conflict);
    }
    write(&point, request)?;
    point.commit().map_err(failed)
}

fn write(db: &Connection, request: &Request) -> Kept<()> {
    let failed = |e: rusqlite::Error| unavailable("wrote to memory", &e);
    let tenant = request.tenant.as_str();
    for row in &request.commit.rows {
        let body = serde_json::to_string(row)
            .map_err(|e| LedgerError::Unreadable(format!("wrote memory's log as JSON: {e}")))?;
        let sql = "INSERT INTO log (tenant, seq, body) VALUES (?1, ?2, ?3)";
        let values = params![tenant, read::signed(row.seq), body];
        db.prepare_cached(sql)
            .and_then(|mut s| s.execute(values))
            .map_err(failed)?;
    }
    for put in &request.commit.puts {
        match put {
            Put::Stands(item) => stands(db, tenant, item),
            Put::Gone(kind, id) => gone(db, tenant, *kind, id),
        }
        .map_err(failed)?;
    }
    Ok(())
}

fn stands(db: &Connection, tenant: &str, item: &Item) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO items (tenant, kind, id, seq, body) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (tenant, kind, id) DO UPDATE SET seq = ?4, body = ?5";
    let values = params![
        tenant,
        item.kind.word(),
        item.id,
        read::signed(item.seq),
        item.body
    ];
    db.prepare_cached(sql)?.execute(values)
}

fn gone(db: &Connection, tenant: &str, kind: Kind, id: &str) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM items WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    db.prepare_cached(sql)?.execute([tenant, kind.word(), id])
}
