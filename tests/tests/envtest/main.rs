//! The resources on a real API server, by the real kubectl: what it accepts, fills in, shows and refuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod hosts;
mod jobs;
mod plane;
mod refused;
mod world;
