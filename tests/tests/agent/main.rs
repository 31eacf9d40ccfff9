//! The scripted agent and the scripted model server, from outside: processes, panes and sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod demo;
mod hooks;
mod model;
mod pane;
mod rig;
mod state;
