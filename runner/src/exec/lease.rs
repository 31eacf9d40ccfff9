//! How long a runner that is not heard may go on: counted by a clock that also runs while the machine
//! sleeps. Every machine's lease is over here before the control plane counts it as over there.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// How often the clock is looked at: no timer of ours runs while the machine sleeps.
const CHECK: Duration = Duration::from_secs(1);
/// A durable heartbeat is due at every third of the lease; we send twice as many.
const SHARE: u32 = 6;

/// The time since the machine was started, sleep included.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// What is left at the end of a lease for a process to be gone.
pub const LAST: Duration = Duration::from_secs(2);

/// When something was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent(Duration);

impl Sent {
    /// Now.
    pub fn now() -> Self {
        Self(now())
    }
}

/// A lease, shared by those who renew it and those who obey it.
#[derive(Clone, Debug)]
pub struct Lease {
    span: Duration,
    until: Arc<Mutex<Duration>>,
}

impl Lease {
    /// A lease of this length that began with a claim.
    pub fn new(span: Duration, claimed: Sent) -> Self {
        Self {
            span,
            until: Arc::new(Mutex::new(claimed.0 + span)),
        }
    }

    /// A heartbeat that was sent at this time was acknowledged.
    pub fn renew(&self, sent: Sent) {
        let until = sent.0 + self.span;
        let mut known = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = until.max(*known);
    }

    /// How often it is to be renewed at least.
    pub fn every(&self) -> Duration {
        self.span / SHARE
    }

    /// Whether there is less left than this.
    pub fn is_over(&self, margin: Duration) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        now() + margin >= *until
    }

    /// Waits until there is no more left than this margin, or a quarter of a short lease.
    pub async fn run_out(&self, margin: Duration) {
        let margin = margin.min(self.span / 4);
        while !self.is_over(margin) {
            tokio::time::sleep(CHECK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Sent {
        Sent(now().saturating_sub(Duration::from_secs(seconds)))
    }

    #[test]
    fn what_counts_is_when_a_heartbeat_was_sent_and_not_when_it_was_answered() {
        let lease = Lease::new(Duration::from_mins(1), ago(59));
        assert!(!lease.is_over(Duration::ZERO));
        lease.renew(ago(30));
        assert!(!lease.is_over(Duration::from_secs(25)));
        assert!(lease.is_over(Duration::from_secs(35)));
    }

    #[test]
    fn an_answer_that_comes_late_takes_nothing_away() {
        let lease = Lease::new(Duration::from_mins(1), ago(0));
        lease.renew(ago(50));
        assert!(!lease.is_over(Duration::from_secs(50)));
    }

    #[tokio::test]
    async fn a_lease_that_nobody_renews_runs_out() {
        let lease = Lease::new(Duration::from_mins(1), ago(60));
        lease.run_out(Duration::ZERO).await;
    }
}
