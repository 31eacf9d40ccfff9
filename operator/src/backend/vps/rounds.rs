//! One answer for everybody who asked before it was begun: many look-ups cost as much as one.
//! Knows nothing of what is asked.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

/// Rounds under constant demand take a quarter of a core.
const MOST_RESTS: u32 = 3;

/// Work that is done in rounds. A round serves those who asked before it began, so that nobody
/// gets an answer older than the question.
#[derive(Debug)]
pub(super) struct Rounds<T> {
    asked: AtomicU64,
    last: Mutex<Option<Round<T>>>,
}

#[derive(Debug)]
struct Round<T> {
    /// Questions of a lower number came before this round began.
    serves: u64,
    done: Instant,
    /// A round rests as long as it took for each further question since the one
    /// before, [`MOST_RESTS`] at
    /// most: the more ask, the more share the next one, and who is alone never waits.
    rest_until: Instant,
    answer: T,
}

impl<T: Clone> Rounds<T> {
    pub(super) fn new() -> Self {
        Self {
            asked: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    /// The answer of a round that begins after this call.
    pub(super) async fn fresh(&self, work: impl AsyncFnOnce() -> T) -> T {
        self.ask(Duration::ZERO, work).await
    }

    /// The answer of a round that was done at most this long ago, or of a new one.
    pub(super) async fn recent(&self, age: Duration, work: impl AsyncFnOnce() -> T) -> T {
        self.ask(age, work).await
    }

    async fn ask(&self, age: Duration, work: impl AsyncFnOnce() -> T) -> T {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        let usable = |r: &&Round<T>| r.serves > number || r.done.elapsed() < age;
        if let Some(round) = last.as_ref().filter(usable) {
            return round.answer.clone();
        }
        if let Some(round) = last.as_ref() {
            tokio::time::sleep_until(round.rest_until).await;
        }
        let before = last.as_ref().map_or(0, |round| round.serves);
        let round = self.round(before, work).await;
        last.insert(round).answer.clone()
    }

    async fn round(&self, before: u64, work: impl AsyncFnOnce() -> T) -> Round<T> {
        let serves = self.asked.load(Ordering::SeqCst);
        let began = Instant::now();
        let answer = work().await;
        let done = Instant::now();
        let further = u32::try_from(serves - before).map_or(MOST_RESTS, |n| n.saturating_sub(1));
        let rest_until = done + began.elapsed() * further.min(MOST_RESTS);
        Round {
            serves,
            done,
            rest_until,
            answer,
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU32};

    use tokio::sync::{Barrier, Semaphore};

    use super::*;

    #[tokio::test]
    async fn those_who_ask_during_a_round_share_the_next_one() {
        let rounds = Arc::new(Rounds::new());
        let runs = Arc::new(AtomicU32::new(0));
        let (begun, release) = (Arc::new(Barrier::new(2)), Arc::new(Semaphore::new(0)));
        let first = {
            let (rounds, runs) = (rounds.clone(), runs.clone());
            let (begun, release) = (begun.clone(), release.clone());
            tokio::spawn(async move {
                let work = async || {
                    begun.wait().await;
                    release.acquire().await.unwrap().forget();
                    runs.fetch_add(1, Ordering::SeqCst) + 1
                };
                rounds.fresh(work).await
            })
        };
        begun.wait().await;
        let ask = || rounds.fresh(async || runs.fetch_add(1, Ordering::SeqCst) + 1);
        let later = futures::future::join_all((0..20).map(|_| ask()));
        let (first, later) = tokio::join!(first, async {
            release.add_permits(1);
            later.await
        });
        assert_eq!(first.unwrap(), 1);
        assert_eq!(later, vec![2; 20], "one more round serves all of them");
    }

    #[tokio::test]
    async fn a_recent_answer_serves_until_it_is_too_old() {
        let rounds = Rounds::new();
        let runs = AtomicU32::new(0);
        let work = async || runs.fetch_add(1, Ordering::SeqCst);
        assert_eq!(rounds.fresh(work).await, 0);
        assert_eq!(rounds.recent(Duration::MAX, work).await, 0);
        assert_eq!(rounds.recent(Duration::ZERO, work).await, 1);
    }

    #[tokio::test]
    async fn a_round_that_was_given_up_is_begun_again_by_the_next() {
        let rounds = Rounds::new();
        let never = rounds.fresh(async || std::future::pending::<u32>().await);
        assert!(tokio::time::timeout(Duration::ZERO, never).await.is_err());
        assert_eq!(rounds.fresh(async || 7).await, 7);
    }
}
