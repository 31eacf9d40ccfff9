//! What the control loop does first, when it cannot do everything at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Brief, Claim, Outcome, Report, Seat, Uid, Usage,
    plan::{Hosts, Limits, Reason, Sites},
    port::{Answer, Backend, LogChunk, Look, PortError},
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_operator::{
    backend::memory::MemoryBackend,
    control::{self, Control, Waker},
    seats::memory::MemorySeats,
    store::memory::MemoryStore,
};
use sandbox_tests::flow::{
    drive::{job_of, limits},
    story,
    world::Ledger,
};
use tokio::sync::{mpsc, watch};

/// Looks at a time at jobs that are not over.
const AT_A_TIME: usize = 2;
/// What such a place says.
const CLINGS: &str = "its node does not confirm its end yet";
/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place that does not let go of what ran there: it says so, or leaves who asks without an answer.
struct Clings {
    place: Arc<MemoryBackend>,
    answers: AtomicBool,
}

#[async_trait]
impl Backend for Clings {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        self.place.name_of(seat)
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        self.place.launch(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.place.look(seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.place.stop(seat, keep).await
    }

    async fn reap(&self, _seat: &Seat) -> Answer<()> {
        if self.answers.load(Ordering::Relaxed) {
            return Err(PortError::Unknown(CLINGS.to_owned()));
        }
        std::future::pending().await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.place.logs(seat, from, limit).await
    }
}

/// A control loop over such a place.
struct Loop {
    place: Arc<MemoryBackend>,
    clings: Arc<Clings>,
    ports: Ports,
    waker: Waker,
    rests: mpsc::UnboundedReceiver<(Uid, Option<Reason>)>,
}

impl Loop {
    fn start() -> Self {
        let place = Arc::new(MemoryBackend::idle(BackendName::Vps));
        let clings = Arc::new(Clings {
            place: Arc::clone(&place),
            answers: AtomicBool::new(true),
        });
        let backend: Arc<dyn Backend> = Arc::<Clings>::clone(&clings);
        let ports = Ports {
            store: Arc::new(MemoryStore::default()),
            seats: Arc::new(MemorySeats::default()),
            backends: Arc::new(BTreeMap::from([(BackendName::Vps, backend)])),
            memory: Arc::new(Ledger::default()),
        };
        let (waker, calls) = Waker::new();
        let (told, rests) = mpsc::unbounded_channel();
        let control = Control {
            ports: ports.clone(),
            limits: Limits {
                slots: 100,
                ..limits(&story::succeeds())
            },
            sites: watch::channel(Sites::default()).1,
            hosts: watch::channel(Hosts::default()).1,
            clock: Timestamp::now,
            concurrency: AT_A_TIME,
            at_rest: Arc::new(move |uid, rest| {
                let _ = told.send((uid.clone(), rest.reason.clone()));
            }),
            counts: Arc::default(),
        };
        tokio::spawn(control::run(control, calls, std::future::pending()));
        Self {
            place,
            clings,
            ports,
            waker,
            rests,
        }
    }

    /// Submits the job of this number, and waits until it was launched.
    async fn launches(&mut self, number: usize) -> AgentJob {
        let mut job = job_of(&story::succeeds(), Timestamp::now());
        job.metadata.name = Some(format!("job-{number}"));
        job.metadata.uid = Some(format!("00000000-0000-4000-8000-{number:012}"));
        self.ports.store.create(job.clone(), None).await.unwrap();
        self.comes_to_rest(&job, Reason::WaitingForClaim).await;
        job
    }

    /// Calls for a job until it comes to this rest.
    async fn comes_to_rest(&mut self, job: &AgentJob, reason: Reason) {
        let uid = job.uid().unwrap();
        self.waker.wake(&uid);
        let waits = async {
            while self.rests.recv().await.unwrap() != (uid.clone(), Some(reason.clone())) {}
        };
        let waited = tokio::time::timeout(PATIENCE, waits).await;
        assert!(waited.is_ok(), "waited in vain until {uid} is {reason:?}");
    }

    /// The runner of a job works, reports and leaves.
    async fn is_over(&mut self, job: &AgentJob) {
        let uid = job.uid().unwrap();
        let job = self.ports.store.load(&uid).await.unwrap().unwrap();
        let (seat, now) = (job.seat().unwrap(), Timestamp::now());
        let nonce = "mine".to_owned();
        let claim = Claim {
            instance: self.place.instance(&seat).unwrap(),
            nonce: nonce.clone(),
            at: now,
        };
        self.ports.seats.claim(&seat, claim).await.unwrap();
        let report = Report {
            outcome: Outcome::Succeeded,
            failure: None,
            result: serde_json::Value::Null,
            usage: Usage::default(),
            files: Vec::new(),
            lessons: Vec::new(),
            grade: None,
            started_at: now,
            finished_at: now,
        };
        let told = self.ports.seats.report(&seat, &nonce, report).await;
        told.unwrap();
        self.comes_to_rest(&job, Reason::Leaving).await;
        self.place.exit(&seat, 0);
        let why = CLINGS.to_owned();
        self.comes_to_rest(&job, Reason::Unknown { why }).await;
    }
}

#[tokio::test]
async fn jobs_begin_although_places_do_not_let_go_of_those_that_are_over() {
    let mut node = Loop::start();
    let mut over = Vec::new();
    for number in 0..2 * AT_A_TIME {
        let job = node.launches(number).await;
        node.is_over(&job).await;
        over.push(job.uid().unwrap());
    }
    node.clings.answers.store(false, Ordering::Relaxed);
    for uid in &over {
        node.waker.wake(uid);
    }
    node.launches(over.len()).await;
}
