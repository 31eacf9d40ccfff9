//! What the control loop counts of itself, for Prometheus. Names no job and no tenant.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Puts counters where they are read.
pub type Counted = Arc<dyn Fn(&mut Registry) + Send + Sync>;

/// Seconds of a look: from what only reads memory to what waits for a slow API server.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct How {
    result: &'static str,
}

/// Looks at jobs.
pub struct Reconciles {
    all: Family<How, Counter>,
    seconds: Histogram,
    waiting: Gauge,
}

impl Default for Reconciles {
    fn default() -> Self {
        Self {
            all: Family::default(),
            seconds: Histogram::new(SECONDS),
            waiting: Gauge::default(),
        }
    }
}

impl Reconciles {
    /// Counts a look that came to an end.
    pub fn done(&self, rested: bool, took: Duration) {
        let result = if rested { "rested" } else { "failed" };
        self.all.get_or_create(&How { result }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// So many jobs are called and not looked at yet.
    pub fn waiting(&self, jobs: usize) {
        self.waiting.set(i64::try_from(jobs).unwrap_or(i64::MAX));
    }

    /// Puts them where they are read.
    #[must_use]
    pub fn counted(self: &Arc<Self>) -> Counted {
        let this = Arc::clone(self);
        Arc::new(move |registry| {
            let about = "Looks at jobs, by whether they came to rest";
            registry.register("sandbox_reconciles", about, this.all.clone());
            let about = "How long a look at a job took";
            registry.register("sandbox_reconcile_seconds", about, this.seconds.clone());
            let about = "Jobs that are called and not looked at yet";
            registry.register("sandbox_reconciles_waiting", about, this.waiting.clone());
        })
    }
}
