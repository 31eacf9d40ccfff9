//! The promises of seat registers, on every kind there is here.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::ops::Deref;

use sandbox_core::port::Seats;
use sandbox_operator::seats::{files::FileSeats, memory::MemorySeats};
use sandbox_tests::seats_contract;

/// Seats in a folder that goes with them.
struct Kept(
    FileSeats,
    #[allow(dead_code, reason = "kept for its end")] tempfile::TempDir,
);

impl Deref for Kept {
    type Target = dyn Seats;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

fn in_memory() -> Box<dyn Seats> {
    Box::new(MemorySeats::default())
}

fn in_a_folder() -> Kept {
    let dir = tempfile::tempdir().unwrap();
    Kept(FileSeats::new(dir.path().join("seats")), dir)
}

seats_contract!(memory, crate::in_memory());
seats_contract!(files, crate::in_a_folder());

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
