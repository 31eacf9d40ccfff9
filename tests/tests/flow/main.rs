//! The reconciler and its ports together, where the plan alone cannot show it.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking that it failed"
)]

mod ends;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sandbox_core::{
    AgentJob, Brief, Claim, Outcome, Seat,
    plan::Reason,
    port::{Answer, Backend, Change, LogChunk, Look, PortError, Write},
    reconcile::{Ports, Rest, Round, reconcile},
    spec::BackendName,
    status::StopReason,
};
use sandbox_operator::{
    backend::memory::MemoryBackend, seats::memory::MemorySeats, store::memory::MemoryStore,
};
use sandbox_tests::flow::{
    drive::{job_of, limits},
    story,
    world::{Ledger, World},
};

#[derive(Clone)]
struct Node {
    place: Arc<MemoryBackend>,
    ports: Ports,
    world: Arc<World>,
}

impl Node {
    /// A node with one job.
    async fn with_a_job() -> Self {
        let place = Arc::new(MemoryBackend::idle(BackendName::Vps));
        let backend: Arc<dyn Backend> = Arc::<MemoryBackend>::clone(&place);
        let ports = Ports {
            store: Arc::new(MemoryStore::default()),
            seats: Arc::new(MemorySeats::default()),
            backends: Arc::new(BTreeMap::from([(BackendName::Vps, backend)])),
            memory: Arc::new(Ledger::default()),
        };
        let world = Arc::new(World::new(&story::succeeds()));
        let node = Self {
            place,
            ports,
            world,
        };
        let job = job_of(&story::succeeds(), node.world.now());
        node.ports.store.create(job, None).await.unwrap();
        node
    }

    /// A node with one job that was launched.
    async fn with_a_launched_job() -> Self {
        let node = Self::with_a_job().await;
        node.reconcile().await;
        node
    }

    async fn job(&self) -> AgentJob {
        let job = self.ports.store.load(&self.world.uid()).await.unwrap();
        job.unwrap()
    }

    /// Writes down that the job is to be cancelled.
    async fn cancel(&self) {
        let mut job = self.job().await;
        job.spec.cancel = true;
        let change = Change {
            write: Write::Put(Box::new(job)),
            holds: None,
            events: Vec::new(),
        };
        self.ports.store.commit(change).await.unwrap();
    }

    async fn reconcile(&self) -> Rest {
        let (clock, limits) = (self.world.clock(), limits(&story::succeeds()));
        let round = Round {
            clock: &*clock,
            limits: &limits,
        };
        reconcile(&self.ports, &self.world.uid(), &round)
            .await
            .unwrap()
    }

    async fn stop_reason(&self) -> Option<StopReason> {
        self.job().await.status().stop.as_ref().map(|s| s.reason)
    }
}

#[tokio::test]
async fn a_cancel_is_written_down_although_the_place_cannot_be_asked() {
    let node = Node::with_a_launched_job().await;
    node.cancel().await;
    node.place
        .fail_next(PortError::Unknown("no route to host".to_owned()));
    node.reconcile().await;
    assert_eq!(node.stop_reason().await, Some(StopReason::Cancel));
}

#[tokio::test]
async fn a_place_that_cannot_be_asked_is_a_reason_to_wait_and_not_an_error() {
    let node = Node::with_a_launched_job().await;
    node.place
        .fail_next(PortError::Unknown("no route to host".to_owned()));
    let rest = node.reconcile().await;
    let why = "no route to host".to_owned();
    assert_eq!(rest.reason, Some(Reason::Unknown { why }));
    assert_eq!(node.place.starts().len(), 1);
}

/// The node's place, where a launch is done only when the other node of the store has ended the job.
struct SlowToLaunch {
    place: Arc<MemoryBackend>,
    meanwhile: Node,
}

#[async_trait]
impl Backend for SlowToLaunch {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        self.place.name_of(seat)
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        self.meanwhile.cancel().await;
        self.meanwhile.reconcile().await;
        assert_eq!(
            self.meanwhile.job().await.status().outcome,
            Some(Outcome::Cancelled)
        );
        self.place.launch(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.place.look(seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.place.stop(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.place.reap(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.place.logs(seat, from, limit).await
    }
}

#[tokio::test]
async fn a_launch_that_is_done_when_the_other_node_has_ended_the_job_leaves_nothing() {
    let one = Node::with_a_job().await;
    let slow: Arc<dyn Backend> = Arc::new(SlowToLaunch {
        place: Arc::clone(&one.place),
        meanwhile: one.clone(),
    });
    let mut other = one.clone();
    other.ports.backends = Arc::new(BTreeMap::from([(BackendName::Vps, slow)]));
    other.reconcile().await;
    let seat = one.job().await.seat().unwrap();
    assert_eq!(one.place.starts(), std::slice::from_ref(&seat));
    let look = one.place.look(&seat, None).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
}
