//! A whole node in memory that can die at any port call: stories, a clock that is moved by hand,
//! runners that are scripted, and decorators that kill.
//!
//! The stores are the real ones in memory, the seat protocol is the real one; only the work and
//! the time are played.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

pub mod drive;
pub mod killed;
pub mod runner;
pub mod story;
pub mod world;
