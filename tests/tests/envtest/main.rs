//! The resources on a real API server, by the real kubectl: what it accepts, fills in, shows and refuses, and jobs as
//! the operator keeps them there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod cli;
mod fargate;
mod faults;
mod hosts;
mod jobs;
mod lag;
mod lead;
mod memory;
mod objects;
mod plane;
mod refused;
mod requests;
mod stage;
mod stories;
mod world;
