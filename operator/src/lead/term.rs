//! That this process leads, as those see it who work for the leader.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
        now() < Duration::from_millis(self.until.load(Ordering::Acquire))
    }

    /// Resolves when what is done for the leader is to end.
    pub async fn ends(&self) {
        let mut ending = self.ending.clone();
        // An error means that the election itself is gone.
        let _ = ending.wait_for(|is| *is).await;
    }

    pub(crate) fn lasts_until(&self, until: Option<Moment>) {
        let millis = until.as_ref().map(Duration::as_millis);
        let millis = millis.and_then(|ms| u64::try_from(ms).ok());
        self.until
            .store(millis.unwrap_or_default(), Ordering::Release);
    }
}
