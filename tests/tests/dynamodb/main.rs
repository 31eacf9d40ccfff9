//! Memory on a real DynamoDB Local: what it survives, what is refused, what a cold start reads and what a write costs.
//! That it remembers like any other ledger is `contract_elf`'s.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod faults;
mod open;
mod snapshots;
mod ways;
mod writes;
