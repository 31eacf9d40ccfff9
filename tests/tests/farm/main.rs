//! Farms from outside: the runner's binary on one seat, the scripted agent, real tmux, real git.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod checks;
mod doctor;
mod ending;
mod judged;
mod landing;
mod pushed;
mod refused;
mod rig;
mod served;
mod start;
