//! The reconciler and its ports together, where the plan alone cannot show it.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking that it failed"
)]

use std::{collections::BTreeMap, sync::Arc};

use sandbox_core::{
    plan::Reason,
    port::{Backend, Change, PortError, Write},
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

struct Node {
    place: Arc<MemoryBackend>,
    ports: Ports,
    world: World,
}

impl Node {
    /// A node with one job that was launched.
    async fn with_a_launched_job() -> Self {
        let place = Arc::new(MemoryBackend::idle(BackendName::Vps));
        let backend: Arc<dyn Backend> = Arc::<MemoryBackend>::clone(&place);
        let ports = Ports {
            store: Arc::new(MemoryStore::default()),
            seats: Arc::new(MemorySeats::default()),
            backends: Arc::new(BTreeMap::from([(BackendName::Vps, backend)])),
            memory: Arc::new(Ledger::default()),
        };
        let world = World::new(&story::succeeds());
        let node = Self {
            place,
            ports,
            world,
        };
        let job = job_of(&story::succeeds(), node.world.now());
        node.ports.store.create(job, None).await.unwrap();
        node.reconcile().await;
        node
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
        let job = self
            .ports
            .store
            .load(&self.world.uid())
            .await
            .unwrap()
            .unwrap();
        job.status().stop.as_ref().map(|s| s.reason)
    }
}

#[tokio::test]
async fn a_cancel_is_written_down_although_the_place_cannot_be_asked() {
    let node = Node::with_a_launched_job().await;
    let job = node.ports.store.load(&node.world.uid()).await.unwrap();
    let mut job = job.unwrap();
    job.spec.cancel = true;
    let change = Change {
        write: Write::Put(Box::new(job)),
        holds: None,
        events: Vec::new(),
    };
    node.ports.store.commit(change).await.unwrap();
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
