//! Jobs and memory on a real DynamoDB Local: what they survive, what is refused, what a cold start reads and what a write
//! costs. That they keep what any other store keeps is the contracts'.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod faults;
mod jobs;
mod node;
mod open;
mod pause;
mod pools;
mod snapshots;
mod ways;
mod writes;
