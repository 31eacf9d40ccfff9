//! Notices at once when a runner's process is gone, so that nobody polls for it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use sandbox_core::{Register, Seat, Uid, port::Seats};

use crate::{backend::vps::instance::gone, control::Waker};

/// Waits for the ends of processes, one wait each.
#[derive(Clone)]
pub struct Watches {
    waker: Waker,
    watched: Arc<Mutex<HashSet<(Uid, String)>>>,
}

impl Watches {
    /// Nothing is watched yet.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        let watched = Arc::default();
        Self { waker, watched }
    }

    /// Has the job looked at when this instance is gone.
    pub fn watch(&self, uid: &Uid, instance: &str) {
        // Its engine tells when a container ends, and ECS when a task does; their processes are not ours to watch.
        let elsewhere = ["container:", "task:"];
        if elsewhere.iter().any(|kind| instance.starts_with(kind)) {
            return;
        }
        let key = (uid.clone(), instance.to_owned());
        if !self.lock().insert(key.clone()) {
            return;
        }
        let me = self.clone();
        tokio::spawn(async move {
            let (uid, instance) = &key;
            let watched = gone(instance).await;
            me.lock().remove(&key);
            match watched {
                Ok(()) => me.waker.wake(uid),
                Err(e) => {
                    tracing::warn!(job = %uid, error = %e, "cannot watch its runner; looking now and then");
                }
            }
        });
    }

    /// Whether anybody of this job is watched.
    #[must_use]
    pub fn has(&self, uid: &Uid) -> bool {
        self.lock().iter().any(|(watched, _)| watched == uid)
    }

    /// Watches whoever has this seat, if anybody has.
    pub async fn watch_claimant(&self, seats: &dyn Seats, seat: &Seat) {
        if let Ok(record) = seats.read(seat).await
            && let Register::Claimed(claim) = record.register
        {
            self.watch(&seat.uid, &claim.instance);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(Uid, String)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
