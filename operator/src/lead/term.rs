//! That this process leads, as those see it who work for the leader.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;

use super::clock::{Moment, now};

/// One time of leading. Cheap to clone; outlives it.
#[derive(Clone, Debug)]
pub struct Term {
    number: u32,
    until: Arc<AtomicU64>,
    ending: watch::Receiver<bool>,
}

impl Term {
    pub(crate) fn new(number: u32, ending: watch::Receiver<bool>) -> Self {
        let until = Arc::default();
        Self {
            number,
            until,
            ending,
        }
    }

    /// Its number: higher than that of everybody who led before.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Whether it lasts at this moment. To be asked right before what only the leader may do: a process that was
    /// frozen does not know by itself that others have taken over.
    #[must_use]
    pub fn lasts(&self) -> bool {
        !self.rest().is_zero()
    }

    /// Resolves when what is done for the leader is to end.
    pub async fn ends(&self) {
        let mut ending = self.ending.clone();
        // An error means that the election itself is gone.
        let _ = ending.wait_for(|is| *is).await;
    }

    /// Does this while the term lasts; nothing comes of it where the term is over first. It is looked at the clock
    /// before each step, so that what waits to be sent is not sent later.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.lapses() => None,
            done = work => Some(done),
        }
    }

    async fn lapses(&self) {
        let mut rest = pin!(tokio::time::sleep(self.rest()));
        poll_fn(|context| {
            while rest.as_mut().poll(context).is_ready() {
                if !self.lasts() {
                    return Poll::Ready(());
                }
                rest.set(tokio::time::sleep(self.rest()));
            }
            if self.lasts() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    fn rest(&self) -> Duration {
        let until = Duration::from_millis(self.until.load(Ordering::Acquire));
        until.saturating_sub(now())
    }

    pub(crate) fn lasts_until(&self, until: Option<Moment>) {
        let millis = until.as_ref().map(Duration::as_millis);
        let millis = millis.and_then(|ms| u64::try_from(ms).ok());
        self.until
            .store(millis.unwrap_or_default(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// So long that what is ready at once is done before.
    const SOON: Duration = Duration::from_millis(200);

    fn term() -> Term {
        let term = Term::new(1, watch::Sender::new(false).subscribe());
        term.lasts_until(Some(now() + SOON));
        term
    }

    #[tokio::test]
    async fn what_is_under_way_when_a_term_is_over_is_given_up_and_nothing_begins_after() {
        let term = term();
        assert_eq!(term.during(ready(1)).await, Some(1));
        assert_eq!(term.during(pending::<()>()).await, None);
        assert_eq!(term.during(ready(1)).await, None);
    }

    #[tokio::test]
    async fn what_is_under_way_when_a_term_is_renewed_goes_on_past_its_first_end() {
        let term = term();
        let past = async {
            term.lasts_until(Some(now() + SOON * 300));
            tokio::time::sleep(SOON * 2).await;
        };
        assert_eq!(term.during(past).await, Some(()));
    }
}
