//! Everything that outlives the node: what is stored, what runs, what memory has, and the time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Brief, Claim, FailureClass, Outcome, Register, Seat, Sighting, Tenant, Uid,
    port::{
        Answer, AttemptOutcome, Backend, LogChunk, Look, Memory, PortError, RecallQuery, Receipt,
        Seats, Store,
    },
    spec::{AgentJobSpec, BackendName},
    status::Launch,
    validate::Invalid,
};
use sandbox_operator::{
    backend::memory::MemoryBackend, seats::memory::MemorySeats, store::memory::MemoryStore,
};

use super::story::{Ends, Story};

/// The only job of a story, as who submits it calls it.
pub const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

/// The pool that the job takes its slot from.
pub const POOL: &str = "slots/vps";

/// An instance that was started and has not been taken over by the scripted runners.
pub type Started = Arc<Mutex<Vec<(Brief, String)>>>;

/// Where the records are, as a node finds them when it starts.
#[async_trait]
pub trait Records: Send + Sync {
    /// Reads what there is anew: the jobs, and who has which seat.
    async fn open(&self) -> (Arc<dyn Store>, Arc<dyn Seats>);
}

/// Records that are as they are, whoever starts.
struct Standing(Arc<dyn Store>, Arc<dyn Seats>);

#[async_trait]
impl Records for Standing {
    async fn open(&self) -> (Arc<dyn Store>, Arc<dyn Seats>) {
        (Arc::clone(&self.0), Arc::clone(&self.1))
    }
}

/// What outlives the node.
pub struct World {
    records: Arc<dyn Records>,
    open: Mutex<(Arc<dyn Store>, Arc<dyn Seats>)>,
    /// The job's id, once its store has given it one.
    uid: Mutex<Uid>,
    /// Where runners run.
    pub place: Arc<Place>,
    /// What memory has.
    pub ledger: Arc<Ledger>,
    /// Instances that nobody plays yet.
    pub started: Started,
    /// Written by the work itself, once for each time that it began; never taken back.
    pub began: Mutex<Vec<u32>>,
    /// Promises that were broken on the way.
    pub broken: Mutex<Vec<String>>,
    seconds: Arc<AtomicU64>,
}

impl World {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(story: &Story) -> Self {
        Self::on(story, Arc::new(MemoryStore::default()))
    }

    /// The same with jobs in this store, which is empty.
    #[must_use]
    pub fn on(story: &Story, jobs: Arc<dyn Store>) -> Self {
        let seats = Arc::new(MemorySeats::default());
        let open: (Arc<dyn Store>, Arc<dyn Seats>) = (jobs, seats);
        let records = Standing(Arc::clone(&open.0), Arc::clone(&open.1));
        Self::with(story, Arc::new(records), open)
    }

    /// The same with these records, which are empty and open.
    #[must_use]
    pub fn with(
        story: &Story,
        records: Arc<dyn Records>,
        open: (Arc<dyn Store>, Arc<dyn Seats>),
    ) -> Self {
        let started = Started::default();
        Self {
            records,
            open: Mutex::new(open),
            uid: Mutex::new(UID.parse().unwrap()),
            place: Arc::new(Place::new(&started, story.refused)),
            ledger: Arc::default(),
            started,
            began: Mutex::default(),
            broken: Mutex::default(),
            seconds: Arc::default(),
        }
    }

    /// The job's id.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid.lock().unwrap().clone()
    }

    /// The store has given the job this id.
    pub fn is_called(&self, uid: Uid) {
        *self.uid.lock().unwrap() = uid;
    }

    /// The jobs, as the node that runs reads them.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.open.lock().unwrap().0)
    }

    /// Who has which seat, as the node that runs reads it.
    #[must_use]
    pub fn seats(&self) -> Arc<dyn Seats> {
        Arc::clone(&self.open.lock().unwrap().1)
    }

    /// A node starts: it reads the records anew.
    pub async fn reopen(&self) {
        let open = self.records.open().await;
        *self.open.lock().unwrap() = open;
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        now(&self.seconds)
    }

    /// Says what time it is, for as long as anybody asks.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let seconds = Arc::clone(&self.seconds);
        Arc::new(move || now(&seconds))
    }

    /// Moves the clock on; it never goes back.
    pub fn wait_until(&self, at: Timestamp) {
        let left = at.duration_since(self.now()).as_secs().max(1);
        self.seconds
            .fetch_add(left.unsigned_abs(), Ordering::SeqCst);
    }

    /// The job as it stands.
    pub async fn job(&self) -> Option<AgentJob> {
        self.store().load(&self.uid()).await.unwrap()
    }

    /// Whether this instance runs.
    pub async fn runs(&self, seat: &Seat, instance: &str) -> bool {
        let seen = self.place.inner.look(seat, None).await.unwrap();
        let instance = instance.to_owned();
        seen.sightings.contains(&Sighting::Alive { instance })
    }

    /// How the story ended.
    pub async fn ends(&self) -> Ends {
        let job = self.job().await;
        Ends {
            outcome: job.and_then(|j| j.status().outcome),
            began: self.began.lock().unwrap().clone(),
            recorded: self.ledger.rows(),
        }
    }

    /// What is still there though the job is over, a line each; and what was broken on the way.
    pub async fn wrong(&self) -> Vec<String> {
        let mut wrong = self.broken.lock().unwrap().clone();
        wrong.extend(self.ledger.disagreements.lock().unwrap().iter().cloned());
        wrong.extend(self.place.changed.lock().unwrap().iter().cloned());
        let job = self.job().await;
        let (asker, gone) = (job.clone().unwrap_or_else(stranger), job.is_none());
        let held = self.store().admission(POOL, &asker).await.unwrap().held;
        if held > 0 {
            wrong.push(format!("{held} slots are still held"));
        }
        for attempt in 1..=9 {
            wrong.extend(self.left_at(&Seat::new(self.uid(), attempt), gone).await);
        }
        wrong
    }

    async fn left_at(&self, seat: &Seat, gone: bool) -> Option<String> {
        let left = self.place.inner.look(seat, None).await.unwrap();
        // Of a job that is gone nobody may know any more that it was there.
        let stands = self.seats().read(seat).await;
        let register = match stands {
            Err(_) if gone => Register::Open,
            stands => stands.unwrap().register,
        };
        if left != Look::default() {
            return Some(format!("{seat} left {left:?}"));
        }
        (gone && register != Register::Open).then(|| format!("{seat} is not forgotten"))
    }
}

fn now(seconds: &AtomicU64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + Duration::from_secs(seconds.load(Ordering::SeqCst))
}

/// Some job, to ask with when ours is gone.
fn stranger() -> AgentJob {
    let metadata = serde_json::json!({"name": "x", "namespace": "team-a", "uid": UID});
    serde_json::from_value(serde_json::json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata,
        "spec": {"type": "echo", "echo": {}},
    }))
    .unwrap()
}

/// A place that refuses the first attempts, and notes when a launch is repeated otherwise.
pub struct Place {
    /// The place itself, for those who are not the node.
    pub inner: MemoryBackend,
    refused: u32,
    launched: Mutex<BTreeMap<Seat, Brief>>,
    changed: Mutex<Vec<String>>,
}

impl Place {
    fn new(started: &Started, refused: u32) -> Self {
        let started = Arc::clone(started);
        let inner = MemoryBackend::new(BackendName::Vps, move |brief, instance| {
            started.lock().unwrap().push((brief, instance));
            std::future::pending()
        });
        Self {
            inner,
            refused,
            launched: Mutex::default(),
            changed: Mutex::default(),
        }
    }
}

impl Place {
    /// A repeated launch has to be the same launch.
    fn compare(&self, brief: &Brief) {
        let mut launched = self.launched.lock().unwrap();
        let first = launched
            .entry(brief.seat.clone())
            .or_insert_with(|| brief.clone());
        if first != brief {
            let text = format!("{} was launched as another: {brief:?}", brief.seat);
            self.changed.lock().unwrap().push(text);
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Place {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        self.inner.name_of(seat)
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        self.compare(brief);
        if brief.seat.attempt <= self.refused {
            let text = "started the session: no space left on device";
            return Err(PortError::refused(FailureClass::Infrastructure, text));
        }
        self.inner.launch(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.inner.look(seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.inner.stop(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.inner.reap(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.inner.logs(seat, from, limit).await
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        self.inner.refuses(spec)
    }

    fn freeze(&self, spec: &AgentJobSpec) -> Option<Launch> {
        self.inner.freeze(spec)
    }

    fn lease(&self) -> Option<Duration> {
        self.inner.lease()
    }
}

/// A memory that keeps one row for each seat and notes when it is told two different things.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Mutex<BTreeMap<Seat, Outcome>>,
    disagreements: Mutex<Vec<String>>,
}

impl Ledger {
    fn rows(&self) -> Vec<(u32, Outcome)> {
        let rows = self.rows.lock().unwrap();
        rows.iter().map(|(s, o)| (s.attempt, *o)).collect()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Memory for Ledger {
    async fn recall(&self, _: &Seat, _: &Tenant, _: &RecallQuery) -> Answer<Receipt> {
        Ok(Receipt::default())
    }

    async fn record(&self, seat: &Seat, told: &AttemptOutcome) -> Answer<()> {
        let mut rows = self.rows.lock().unwrap();
        let stands = *rows.entry(seat.clone()).or_insert(told.outcome);
        if stands != told.outcome {
            let text = format!("{seat} was {stands:?} and is now {:?}", told.outcome);
            self.disagreements.lock().unwrap().push(text);
        }
        Ok(())
    }
}
