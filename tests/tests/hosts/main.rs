//! Seats on a machine elsewhere: a real `sandbox serve` that serves control planes, over real TLS; then with the link between
//! them down at every step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod api;
mod jobs;
mod link;
