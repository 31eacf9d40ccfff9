//! The promises of back ends, on memory, on a real tmux, on Fargate before a double of ECS, and on one behind the seat API of a machine elsewhere; then what
//! only tmux can get wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod begin;
mod end;
mod server;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{Claim, Seat, Sighting, port::Backend, spec::BackendName};
use sandbox_operator::{
    backend::{memory::MemoryBackend, vps::instance},
    seats::files::sync,
};
use sandbox_tests::{
    backend_contract,
    contract::{
        backend::{Place, the_one_alive},
        fargate::Fargate,
        remote::Remote,
        vps::{Vps, WORK},
    },
};

struct InMemory(MemoryBackend);

#[async_trait]
impl Place for InMemory {
    fn backend(&self) -> &dyn Backend {
        &self.0
    }

    async fn up(&self, _seat: &Seat) {}

    async fn over(&self, _instance: &str) {}

    fn starts(&self) -> usize {
        self.0.starts().len()
    }
}

backend_contract!(
    memory,
    crate::InMemory(crate::MemoryBackend::idle(crate::BackendName::Container))
);
backend_contract!(vps, crate::Vps::new(crate::WORK));
backend_contract!(
    fargate,
    crate::Fargate::new(sandbox_tests::contract::fargate::WORK).await
);
backend_contract!(remote, crate::Remote::new(crate::WORK).await);

/// Claims a seat for the instance that is alive in it, as its runner would.
async fn claim(vps: &Vps, seat: &Seat) -> Claim {
    let claim = Claim {
        nonce: "n".to_owned(),
        instance: the_one_alive(&vps.backend, seat).await,
        at: Timestamp::UNIX_EPOCH,
    };
    sync::claim(&vps.config.seats, seat, claim.clone()).unwrap();
    claim
}

fn alive(claim: &Claim) -> Sighting {
    let instance = claim.instance.clone();
    Sighting::Alive { instance }
}

fn exited(instance: String, code: Option<i32>, signal: Option<i32>) -> Vec<Sighting> {
    vec![Sighting::Exited {
        instance,
        code,
        signal,
        why: None,
    }]
}

async fn remains(vps: &Vps, seat: &Seat, claim: Option<&Claim>) -> u32 {
    vps.backend.look(seat, claim).await.unwrap().remains
}

fn pid_of(instance: &str) -> u32 {
    instance.parse::<instance::Instance>().unwrap().pid
}
