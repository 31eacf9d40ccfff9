//! What runners say, until the control plane has fetched and answered it. A message is there as long as its runner waits
//! for the answer: whoever got none says it again, and every verb may be said twice.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sandbox_core::{Seat, Uid};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::wire::{Asked, Reply};
use crate::lead::{Moment, now};

/// A message that was fetched and not answered is given again after this.
const AGAIN: Duration = Duration::from_secs(3);
/// Most messages of one answer.
const AT_ONCE: usize = 64;
/// Most messages of one seat that wait at a time: a runner says one thing after the other, and its agents ask.
const OF_A_SEAT: usize = 32;

struct Letter {
    owner: String,
    asked: Asked,
    came: Moment,
    fetched: Option<Moment>,
    answer: oneshot::Sender<Reply>,
}

/// What an answered message was.
pub(super) struct Answered {
    pub(super) asked: Asked,
    /// When it came from the runner.
    pub(super) came: Moment,
}

#[derive(Default)]
struct Inner {
    /// In the order in which they came.
    letters: Vec<Letter>,
    changed: HashMap<String, BTreeSet<Uid>>,
}

/// Messages and news, by their owners.
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    bell: watch::Sender<u64>,
}

/// Takes a message back when its runner waits no more.
struct Posted<'a>(&'a Mailbox, String);

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        self.0.lock().letters.retain(|l| l.asked.id != self.1);
    }
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            bell: watch::Sender::new(0),
        }
    }

    /// Puts a message and waits for its answer; `None` when nobody answered in time, or too many wait.
    pub(super) async fn post(
        &self,
        owner: &str,
        (seat, verb, body): (&Seat, &str, Value),
        within: Duration,
    ) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let asked = Asked {
            id: id.clone(),
            seat: seat.clone(),
            verb: verb.to_owned(),
            body,
        };
        let letter = Letter {
            owner: owner.to_owned(),
            asked,
            came: now(),
            fetched: None,
            answer,
        };
        if !self.put(letter) {
            return None;
        }
        let _posted = Posted(self, id);
        self.ring();
        tokio::time::timeout(within, answered).await.ok()?.ok()
    }

    fn put(&self, letter: Letter) -> bool {
        let mut inner = self.lock();
        let same = |l: &&Letter| l.asked.seat == letter.asked.seat;
        let room = inner.letters.iter().filter(same).count() < OF_A_SEAT;
        if room {
            inner.letters.push(letter);
        }
        room
    }

    /// Notes that something of this owner's job may have changed.
    pub(super) fn note(&self, owner: &str, uid: &Uid) {
        let mut inner = self.lock();
        let changed = inner.changed.entry(owner.to_owned()).or_default();
        changed.insert(uid.clone());
        drop(inner);
        self.ring();
    }

    /// What is new for this owner; waits for it, but not longer than this.
    pub(super) async fn fetch(&self, owner: &str, wait: Duration) -> (Vec<Asked>, Vec<Uid>) {
        let mut bell = self.bell.subscribe();
        let until = tokio::time::Instant::now() + wait;
        loop {
            bell.borrow_and_update();
            let found = self.take(owner, now());
            if !found.0.is_empty() || !found.1.is_empty() {
                return found;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => return found,
                _ = bell.changed() => {}
            }
        }
    }

    fn take(&self, owner: &str, now: Moment) -> (Vec<Asked>, Vec<Uid>) {
        let mut inner = self.lock();
        let due = |l: &&mut Letter| {
            let again = l.fetched.is_none_or(|at| at + AGAIN <= now);
            l.owner == owner && again
        };
        let letters = inner.letters.iter_mut().filter(due).take(AT_ONCE);
        let asked = letters.map(|l| {
            l.fetched = Some(now);
            l.asked.clone()
        });
        let asked = asked.collect();
        let changed = inner.changed.remove(owner).unwrap_or_default();
        (asked, changed.into_iter().collect())
    }

    /// Gives an answer to whoever waits for it; says what it answers, unless nobody waits any more.
    pub(super) fn answer(&self, owner: &str, reply: Reply) -> Option<Answered> {
        let mut inner = self.lock();
        let mine = |l: &Letter| l.owner == owner && l.asked.id == reply.id;
        let place = inner.letters.iter().position(mine)?;
        let letter = inner.letters.remove(place);
        drop(inner);
        letter.answer.send(reply).ok()?;
        Some(Answered {
            asked: letter.asked,
            came: letter.came,
        })
    }

    fn ring(&self) {
        self.bell.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn seat() -> Seat {
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1".parse().unwrap()
    }

    fn reply(id: &str) -> Reply {
        Reply {
            id: id.to_owned(),
            status: 200,
            body: "null".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_message_is_fetched_by_its_owner_and_its_answer_reaches_the_runner() {
        let mailbox = Mailbox::new();
        let seat = seat();
        let runner = mailbox.post("me", (&seat, "claim", Value::Null), LONG);
        let operator = async {
            let (asked, _) = mailbox.fetch("me", LONG).await;
            assert_eq!(asked[0].verb, "claim");
            assert!(mailbox.answer("other", reply(&asked[0].id)).is_none());
            assert!(mailbox.answer("me", reply(&asked[0].id)).is_some());
        };
        let (answer, ()) = tokio::join!(runner, operator);
        assert_eq!(answer.unwrap().status, 200);
        assert!(mailbox.lock().letters.is_empty());
    }

    #[tokio::test]
    async fn a_message_whose_runner_waits_no_more_is_gone() {
        let mailbox = Mailbox::new();
        let seat = seat();
        let said = mailbox.post("me", (&seat, "report", Value::Null), Duration::ZERO);
        assert!(said.await.is_none());
        assert_eq!(mailbox.take("me", now()), (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn a_message_that_was_fetched_by_one_who_then_died_is_given_again() {
        let mailbox = Mailbox::new();
        let seat = seat();
        let runner = mailbox.post("me", (&seat, "report", Value::Null), LONG);
        let operator = async {
            let first = mailbox.fetch("me", LONG).await.0;
            let at = now();
            assert!(mailbox.take("me", at).0.is_empty());
            assert_eq!(mailbox.take("me", at + AGAIN).0, first);
            mailbox.answer("me", reply(&first[0].id)).unwrap();
        };
        let (answer, ()) = tokio::join!(runner, operator);
        assert!(answer.is_some());
    }
}
