//! The one thread that writes: it takes what is queued, does it in one transaction, and answers
//! after the commit. Each request has its own savepoint, so that a refusal hurts nobody else. What a
//! request writes stands elsewhere.

use std::{io, thread::JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use sandbox_core::{
    AgentJob,
    port::{Answer, Change, Created, PortError},
};
use tokio::sync::{mpsc, oneshot};

use super::{told::unknown, write};
use crate::store::KEEP_EVENTS;

/// Requests that may wait; more make their callers wait.
const QUEUE: usize = 4096;
/// Most requests of one commit.
const BATCH: usize = 256;

/// What is asked of the writer, and whom to answer.
pub(super) enum Request {
    Create(
        Box<AgentJob>,
        Option<String>,
        oneshot::Sender<Answer<Created>>,
    ),
    Commit(Box<Change>, oneshot::Sender<Answer<AgentJob>>),
}

/// An answer that waits for the commit.
enum Pending {
    Create(Answer<Created>, oneshot::Sender<Answer<Created>>),
    Commit(Answer<AgentJob>, oneshot::Sender<Answer<AgentJob>>),
}

/// The way to the writing thread; it ends when this is dropped, after what is queued.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection) -> io::Result<Self> {
        let (requests, queued) = mpsc::channel(QUEUE);
        let named = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = named.spawn(move || work(db, queued))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(super) async fn create(&self, job: AgentJob, key: Option<String>) -> Answer<Created> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Create(Box::new(job), key, answer))
            .await?;
        answered.await.map_err(|_| ended())?
    }

    pub(super) async fn commit(&self, change: Change) -> Answer<AgentJob> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Commit(Box::new(change), answer)).await?;
        answered.await.map_err(|_| ended())?
    }

    async fn send(&self, request: Request) -> Answer<()> {
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(request).await.map_err(|_| ended())
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

fn ended() -> PortError {
    let text = "wrote to the store: its writer has ended; restart the operator and ask again";
    PortError::Unknown(text.to_owned())
}

/// SQLite undoes the whole transaction when the disk fails it, not only the savepoint.
fn undone() -> PortError {
    let text = "wrote to the store: the disk failed a write of the same commit, and nothing of that \
        commit was kept; ask again";
    PortError::Unknown(text.to_owned())
}

fn work(mut db: Connection, mut queued: mpsc::Receiver<Request>) {
    while let Some(first) = queued.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(next) = queued.try_recv() else { break };
            batch.push(next);
        }
        commit_together(&mut db, batch);
    }
}

/// Does these requests in one transaction and answers all of them after its commit.
pub(super) fn commit_together(db: &mut Connection, batch: Vec<Request>) {
    match Transaction::new(db, TransactionBehavior::Immediate) {
        Ok(mut tx) => {
            let pending: Vec<Pending> = batch.into_iter().map(|r| one(&mut tx, r)).collect();
            let failed = finish(tx).err();
            for p in pending {
                p.answer(failed.as_ref());
            }
        }
        Err(e) => {
            let failed = unknown("began a transaction in the store", &e);
            for r in batch {
                r.refuse(&failed);
            }
        }
    }
}

fn finish(tx: Transaction<'_>) -> Answer<()> {
    if tx.is_autocommit() {
        return Err(undone());
    }
    let done = write::prune_events(&tx, KEEP_EVENTS).and_then(|()| tx.commit());
    done.map_err(|e| unknown("committed to the store", &e))
}

fn one(tx: &mut Transaction<'_>, request: Request) -> Pending {
    match request {
        Request::Create(job, key, answer) => Pending::Create(
            apart(tx, |db| write::create(db, *job, key.as_deref())),
            answer,
        ),
        Request::Commit(change, answer) => {
            Pending::Commit(apart(tx, |db| write::commit(db, *change)), answer)
        }
    }
}

/// Does one request in its own savepoint; nothing once the transaction was undone, for then each
/// savepoint would commit by itself.
fn apart<T>(tx: &mut Transaction<'_>, work: impl FnOnce(&Connection) -> Answer<T>) -> Answer<T> {
    if tx.is_autocommit() {
        return Err(undone());
    }
    let point = tx
        .savepoint()
        .map_err(|e| unknown("began a savepoint", &e))?;
    let done = work(&point)?;
    point
        .commit()
        .map_err(|e| unknown("ended a savepoint", &e))?;
    Ok(done)
}

impl Pending {
    /// Answers. Where the commit failed, nothing is known: also a refusal may have rested on what a
    /// neighbour wrote.
    fn answer(self, failed: Option<&PortError>) {
        // A caller that has gone does not wait for its answer.
        match self {
            Self::Create(given, to) => drop(to.send(instead(given, failed))),
            Self::Commit(given, to) => drop(to.send(instead(given, failed))),
        }
    }
}

fn instead<T>(given: Answer<T>, failed: Option<&PortError>) -> Answer<T> {
    match (given, failed) {
        // Its own words say best what went wrong.
        (Err(PortError::Unknown(text)), _) => Err(PortError::Unknown(text)),
        (_, Some(failed)) => Err(failed.clone()),
        (given, None) => given,
    }
}

impl Request {
    fn refuse(self, failed: &PortError) {
        match self {
            Self::Create(_, _, to) => drop(to.send(Err(failed.clone()))),
            Self::Commit(_, to) => drop(to.send(Err(failed.clone()))),
        }
    }
}
