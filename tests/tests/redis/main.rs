//! Records on a real Redis server: what it survives, what is refused, and several who share it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod edges;
mod faults;
mod node;
mod nodes;
mod shared;
