//! The one thread that writes: it takes what is queued, does it in one transaction, and answers
//! after the commit. Each request has its own savepoint, so that a refusal hurts nobody else.

use std::{io, thread::JoinHandle};

use rusqlite::Connection;
use sandbox_core::{
    AgentJob,
    port::{Answer, Change, Created, PortError},
};
use tokio::sync::{mpsc, oneshot};

use super::{unknown, write};

/// Requests that may wait; more make their callers wait.
const QUEUE: usize = 4096;
/// Most requests of one commit.
const BATCH: usize = 256;

enum Request {
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
    PortError::Unknown("wrote to the store: its writer has ended".to_owned())
}

fn work(mut db: Connection, mut queued: mpsc::Receiver<Request>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queued.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH {
            let Ok(next) = queued.try_recv() else { break };
            batch.push(next);
        }
        commit_together(&mut db, batch.drain(..));
    }
}

fn commit_together(db: &mut Connection, batch: impl Iterator<Item = Request>) {
    let requests: Vec<Request> = batch.collect();
    match db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate) {
        Ok(mut tx) => {
            let pending: Vec<Pending> = requests.into_iter().map(|r| one(&mut tx, r)).collect();
            let committed = write::prune_events(&tx).and_then(|()| tx.commit());
            let failed = committed
                .err()
                .map(|e| unknown("committed to the store", &e));
            for p in pending {
                p.answer(failed.as_ref());
            }
        }
        Err(e) => {
            let failed = unknown("began a transaction", &e);
            for r in requests {
                r.refuse(&failed);
            }
        }
    }
}

fn one(tx: &mut rusqlite::Transaction<'_>, request: Request) -> Pending {
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

/// Does one request in its own savepoint.
fn apart<T>(
    tx: &mut rusqlite::Transaction<'_>,
    work: impl FnOnce(&Connection) -> Answer<T>,
) -> Answer<T> {
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
    /// Answers; what was not committed was not done, whatever it gave before.
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
        (Ok(_), Some(failed)) => Err(failed.clone()),
        (given, _) => given,
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
