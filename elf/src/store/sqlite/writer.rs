//! The one thread that writes: it takes what is queued, does it in one transaction, and answers
//! after the commit. Each request has its own savepoint, so that a refusal hurts nobody else. Those who
//! were answered together mostly come again together: they are awaited, so that they share a commit.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sandbox_core::Tenant;
use tokio::sync::oneshot;

use super::{read, unavailable};
use crate::store::{Appending, Commit, Item, Kept, Kind, LedgerError, Put};

/// Most requests of one commit.
const BATCH: usize = 256;
/// How long is waited at most for those who may share a commit.
const PATIENCE: Duration = Duration::from_millis(5);

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
    let mut pace = Pace::default();
    while let Ok(first) = queued.recv() {
        let batch = pace.gather(first, queued);
        let (begun, together_with) = (Instant::now(), batch.len());
        together(&mut db, batch);
        pace = Pace {
            expected: together_with,
            patience: begun.elapsed().min(PATIENCE),
        };
    }
}

/// What the last commit lets expect of the next one.
#[derive(Default)]
struct Pace {
    /// How many requests it had.
    expected: usize,
    /// How long it took: longer than that it would not pay to wait for those who are missing.
    patience: Duration,
}

impl Pace {
    /// What is queued, and what comes until there are as many as the last time. One who comes alone does
    /// not wait; one who was not alone waits once for those who have gone.
    fn gather(&self, first: Request, queued: &Receiver<Request>) -> Vec<Request> {
        let until = Instant::now() + self.patience;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let left = if batch.len() < self.expected {
                until.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            match queued.recv_timeout(left) {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        batch
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            tenant: Tenant::default_tenant(),
            commit: Commit::default(),
            answer: oneshot::channel().0,
        }
    }

    fn pace(expected: usize, patience: Duration) -> Pace {
        Pace { expected, patience }
    }

    #[test]
    fn those_who_came_together_are_awaited() {
        let (requests, queued) = channel();
        let late = std::thread::spawn(move || {
            for _ in 0..2 {
                requests.send(request()).unwrap();
                std::thread::yield_now();
            }
            // The sender stays, so that only the number ends the wait.
            requests
        });
        let batch = pace(3, Duration::from_mins(10)).gather(request(), &queued);
        assert_eq!(batch.len(), 3);
        drop(late.join().unwrap());
    }

    #[test]
    fn one_who_comes_alone_does_not_wait_and_all_who_are_there_are_taken() {
        let (requests, queued) = channel();
        let long = Duration::from_mins(10);
        assert_eq!(pace(1, long).gather(request(), &queued).len(), 1);
        for _ in 0..BATCH {
            requests.send(request()).unwrap();
        }
        assert_eq!(pace(1, long).gather(request(), &queued).len(), BATCH);
        assert_eq!(
            pace(BATCH, Duration::ZERO).gather(request(), &queued).len(),
            2
        );
    }
}
