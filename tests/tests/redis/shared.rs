//! Several who share one server: two control loops, a primary and its replica.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use sandbox_core::{
    Claim, Outcome, Register, Report, Seat, Uid, Usage,
    plan::{Hosts, Limits, REMOVE_WITHIN, Sites},
    port::{Backend, Seats, Store},
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_elf::store::redis::link::{Link, RedisSettings};
use sandbox_operator::{
    backend::memory::MemoryBackend,
    control::{self, Control, Waker},
    seats::memory::MemorySeats,
    store::redis::RedisStore,
};
use sandbox_tests::{contract::store::a_job, flow::world::Ledger, redis::RedisServer};
use tokio::task::JoinHandle;

/// Longest wait for all jobs of a test.
const PATIENCE: Duration = Duration::from_mins(2);
const JOBS: usize = 200;

fn limits() -> Limits {
    Limits {
        backend: BackendName::Vps,
        slots: 8,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: Duration::from_mins(1),
        vanish_grace: Duration::from_secs(10),
        lease: None,
        deadline: Duration::from_hours(1),
        record_within: Duration::from_mins(10),
        ttl: None,
        remove_within: REMOVE_WITHIN,
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}

/// What all nodes share: the place, the seats, the memory.
#[derive(Clone)]
struct Shared {
    /// The seats at which work began, one entry each time.
    began: Arc<Mutex<Vec<Seat>>>,
    place: Arc<MemoryBackend>,
    seats: Arc<MemorySeats>,
    memory: Arc<Ledger>,
}

impl Shared {
    /// A place whose runners claim, report and end.
    fn new() -> Self {
        let seats = Arc::new(MemorySeats::default());
        let register = Arc::clone(&seats);
        let began: Arc<Mutex<Vec<Seat>>> = Arc::default();
        let notes = Arc::clone(&began);
        let place = MemoryBackend::new(BackendName::Vps, move |brief, instance| {
            let (register, notes) = (Arc::clone(&register), Arc::clone(&notes));
            async move { work(&register, &notes, &brief.seat, instance).await }
        });
        Self {
            began,
            place: Arc::new(place),
            seats,
            memory: Arc::default(),
        }
    }

    /// A node of its own connection: its control loop, and what follows everybody's events.
    async fn node(&self, server: &RedisServer) -> Vec<JoinHandle<()>> {
        let store = server.store().await.unwrap();
        let backend: Arc<dyn Backend> = Arc::<MemoryBackend>::clone(&self.place);
        let (waker, calls) = Waker::new();
        let control = Control {
            ports: Ports {
                store: store.clone(),
                seats: self.seats.clone(),
                backends: Arc::new(BTreeMap::from([(BackendName::Vps, backend)])),
                memory: self.memory.clone(),
            },
            limits: limits(),
            sites: tokio::sync::watch::channel(Sites::default()).1,
            hosts: tokio::sync::watch::channel(Hosts::default()).1,
            clock: Timestamp::now,
            concurrency: 8,
            at_rest: Arc::new(|_, _| {}),
            counts: Arc::default(),
        };
        let looks = waker.clone();
        let follow = tokio::spawn(async move {
            let mut others = store.follow().await.unwrap();
            loop {
                let written = others.next().await.unwrap();
                for uid in &written {
                    looks.wake(uid);
                }
            }
        });
        // Nothing tells a node here that a runner has ended, so it looks.
        let (poll, all) = (server.store().await.unwrap(), waker);
        let look = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                for uid in open(&*poll).await {
                    all.wake(&uid);
                }
            }
        });
        let run = tokio::spawn(async move {
            control::run(control, calls, std::future::pending())
                .await
                .unwrap();
        });
        vec![follow, look, run]
    }
}

/// A node that read a job long ago may start it once more after all is over; whoever is started so
/// finds the seat taken and leaves without work.
async fn work(seats: &MemorySeats, began: &Mutex<Vec<Seat>>, seat: &Seat, instance: String) -> i32 {
    let now = Timestamp::now();
    let claim = Claim {
        nonce: instance.clone(),
        instance,
        at: now,
    };
    let nonce = claim.nonce.clone();
    let Ok(Register::Claimed(stands)) = seats.claim(seat, claim).await else {
        return 1;
    };
    if stands.nonce != nonce {
        return 1;
    }
    began.lock().unwrap().push(seat.clone());
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
    i32::from(seats.report(seat, &nonce, report).await.is_err())
}

async fn open(store: &dyn Store) -> Vec<Uid> {
    let query = sandbox_core::query::ListQuery {
        open_only: true,
        limit: 500,
        ..Default::default()
    };
    let page = store.list(&query).await;
    let jobs = page.map(|p| p.jobs).unwrap_or_default();
    jobs.iter().filter_map(|job| job.uid().ok()).collect()
}

async fn until_nothing_is_open(store: &dyn Store) {
    let all = async {
        while !open(store).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_control_loops_on_one_server_each_job_is_worked_on_once_also_when_one_is_gone() {
    let server = RedisServer::start().await.unwrap();
    let shared = Shared::new();
    let first = shared.node(&server).await;
    let second = shared.node(&server).await;
    let store = server.store().await.unwrap();
    for n in 0..JOBS {
        store
            .create(a_job("a", &format!("job-{n}")), None)
            .await
            .unwrap();
        if n == JOBS / 2 {
            first.iter().for_each(JoinHandle::abort);
        }
    }
    until_nothing_is_open(&*store).await;
    second.iter().for_each(JoinHandle::abort);
    let mut starts = shared.began.lock().unwrap().clone();
    assert_eq!(starts.len(), JOBS);
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), JOBS);
    let held = store
        .admission("slots/vps", &a_job("a", "asks"))
        .await
        .unwrap()
        .held;
    assert_eq!(held, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_had_to_confirm_is_there_when_the_primary_is_lost() {
    let (mut primary, port) = RedisServer::listening().await.unwrap();
    let replica = RedisServer::replica_of(port).await.unwrap();
    let confirmed = RedisSettings {
        replicas: 1,
        ..primary.settings()
    };
    let store = RedisStore::new(Link::open(&confirmed).await.unwrap());
    let mut jobs = Vec::new();
    for n in 0..50 {
        let job = a_job("a", &format!("job-{n}"));
        jobs.push(job.uid().unwrap());
        store.create(job, None).await.unwrap();
    }
    primary.kill().unwrap();
    assert_eq!(replica.say(&["REPLICAOF", "NO", "ONE"]).unwrap(), "OK");
    let after = replica.store().await.unwrap();
    for uid in jobs {
        assert!(after.load(&uid).await.unwrap().is_some());
    }
    after.create(a_job("a", "goes-on"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_replica_it_was_to_have_a_write_is_not_acknowledged() {
    let server = RedisServer::start().await.unwrap();
    let alone = RedisSettings {
        replicas: 1,
        ..server.settings()
    };
    let store = RedisStore::new(Link::open(&alone).await.unwrap());
    let told = store.create(a_job("a", "one"), None).await;
    assert!(
        matches!(&told, Err(sandbox_core::port::PortError::Unknown(text)) if text.contains("replicas")),
        "{told:?}"
    );
}
