//! The promises of seat registers, on every kind there is here.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use sandbox_core::port::Seats;
use sandbox_operator::seats::{dynamodb::DynamoSeats, files::FileSeats, memory::MemorySeats};
use sandbox_tests::{
    cluster::{bed::Bed, shared::shared},
    contract::seats::Bench,
    dynamodb::{DynamoServer, world::LEASE},
    seats_contract,
};

fn in_memory() -> Ready<Bench> {
    ready(Bench::new(Arc::new(MemorySeats::default()), ()))
}

fn in_a_folder() -> Ready<Bench> {
    let dir = tempfile::tempdir().unwrap();
    let seats = Arc::new(FileSeats::new(dir.path().join("seats")));
    ready(Bench::new(seats, dir))
}

async fn in_objects() -> Bench {
    let bed = Bed::new(&shared().await).await;
    let process = bed.process().await;
    let (seats, store) = (process.seats(), process.store());
    Bench::new(seats, (process, bed)).of_jobs(store)
}

async fn in_dynamodb() -> Bench {
    let server = DynamoServer::shared().await.unwrap();
    let jobs = server.jobs().await.unwrap();
    let seats = Arc::new(DynamoSeats::new(jobs.clone(), LEASE));
    Bench::new(seats, ()).of_jobs(jobs)
}

seats_contract!(memory, crate::in_memory());
seats_contract!(files, crate::in_a_folder());
seats_contract!(objects, crate::in_objects());
seats_contract!(dynamodb, crate::in_dynamodb());

#[tokio::test]
async fn a_claim_is_seen_by_another_process_of_the_same_folder() {
    use sandbox_core::{Claim, Register};
    let dir = tempfile::tempdir().unwrap();
    let seat = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1".parse().unwrap();
    let claim = Claim {
        nonce: "n".to_owned(),
        instance: "i".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let one = FileSeats::new(dir.path());
    one.claim(&seat, claim.clone()).await.unwrap();
    let other = FileSeats::new(dir.path());
    let stands = other.read(&seat).await.unwrap();
    assert_eq!(stands.register, Register::Claimed(claim));
}
