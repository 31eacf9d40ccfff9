//! The order of writes: one task for each tenant takes what was handed over, in that order, and writes
//! what follows on each other together.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use sandbox_core::Tenant;
use tokio::sync::{mpsc, oneshot};

use super::{Desk, write::Writer};
use crate::store::{Appending, Commit, Kept, LedgerError};

/// Most commits of one write.
const TOGETHER: usize = 64;
/// Bytes of entries and items after which no more commits are added to a write.
const BYTES: usize = 1_000_000;

/// The lanes of all tenants.
pub(super) struct Lanes {
    desk: Arc<Desk>,
    open: Mutex<HashMap<Tenant, mpsc::UnboundedSender<Handed>>>,
}

/// A commit that was handed over.
pub(super) struct Handed {
    pub(super) commit: Commit,
    answer: oneshot::Sender<Kept<()>>,
}

impl Handed {
    /// The place of the last entry when it is done.
    pub(super) fn end(&self) -> u64 {
        self.commit.expected + self.commit.rows.len() as u64
    }

    fn bytes(&self) -> usize {
        // An entry is about as long as the items that it changes.
        let puts = self.commit.puts.iter().map(|put| match put {
            crate::store::Put::Stands(item) => item.body.len(),
            crate::store::Put::Gone(..) => 0,
        });
        2 * puts.sum::<usize>()
    }

    fn say(self, done: Kept<()>) {
        // Whoever does not wait any more does not need the answer.
        let _ = self.answer.send(self.commit.answered(done));
    }
}

impl Lanes {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            open: Mutex::default(),
        }
    }

    pub(super) fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        let (answer, answered) = oneshot::channel();
        // One that could not be handed over drops its sender, which the receiver then tells.
        drop(self.of(tenant).send(Handed { commit, answer }));
        let ended = || LedgerError::Unavailable("wrote to memory: its writer has ended".to_owned());
        Box::pin(async move { answered.await.map_err(|_| ended())? })
    }

    fn of(&self, tenant: &Tenant) -> mpsc::UnboundedSender<Handed> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A task ends with the runtime that it was begun on; another may be here by now.
        if let Some(lane) = open.get(tenant).filter(|lane| !lane.is_closed()) {
            return lane.clone();
        }
        let (lane, handed) = mpsc::unbounded_channel();
        let writer = Writer::new(Arc::clone(&self.desk), tenant.clone());
        tokio::spawn(work(writer, handed));
        open.insert(tenant.clone(), lane.clone());
        lane
    }
}

async fn work(mut writer: Writer, mut handed: mpsc::UnboundedReceiver<Handed>) {
    let mut queue = VecDeque::new();
    while let Some(first) = handed.recv().await {
        queue.push_back(first);
        while !queue.is_empty() {
            take_in(&mut queue, &mut handed);
            let group = together(&mut queue);
            let done = if group.iter().any(|h| h.commit.is_void()) {
                Err(LedgerError::Conflict)
            } else {
                writer.write(&group).await
            };
            for one in group {
                one.say(done.clone());
            }
        }
    }
}

fn take_in(queue: &mut VecDeque<Handed>, handed: &mut mpsc::UnboundedReceiver<Handed>) {
    while let Ok(more) = handed.try_recv() {
        queue.push_back(more);
    }
}

/// The commits at the front that follow on each other.
fn together(queue: &mut VecDeque<Handed>) -> Vec<Handed> {
    let mut group: Vec<Handed> = Vec::new();
    let mut bytes = 0;
    while let Some(next) = queue.front() {
        let follows = group.last().is_none_or(|l| l.end() == next.commit.expected);
        bytes += next.bytes();
        if !follows || group.len() >= TOGETHER || (bytes > BYTES && !group.is_empty()) {
            break;
        }
        group.extend(queue.pop_front());
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Row, VERSION};

    fn handed(expected: u64, rows: u64) -> Handed {
        let row = |n| Row {
            v: VERSION,
            seq: expected + n,
            at: jiff::Timestamp::UNIX_EPOCH,
            entry: Entry::Pinned {
                rule: String::new(),
            },
        };
        let commit = Commit {
            expected,
            rows: (1..=rows).map(row).collect(),
            puts: Vec::new(),
            ..Commit::default()
        };
        let answer = oneshot::channel().0;
        Handed { commit, answer }
    }

    fn places(group: &[Handed]) -> Vec<u64> {
        group.iter().map(|h| h.commit.expected).collect()
    }

    #[test]
    fn what_follows_on_each_other_is_written_together_and_nothing_else() {
        let all = [handed(4, 1), handed(5, 2), handed(7, 0), handed(5, 1)];
        let mut queue: VecDeque<Handed> = all.into();
        assert_eq!(places(&together(&mut queue)), [4, 5, 7]);
        assert_eq!(places(&together(&mut queue)), [5]);
    }
}
