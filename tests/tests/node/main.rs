//! One real node from outside: the built binary, HTTP, tmux, real processes, and what is left of
//! them when something is killed.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking that it failed"
)]

mod flow;
mod kept;
mod killed;
mod learns;
mod longer;
mod proposals;
mod refused;
mod rules;
