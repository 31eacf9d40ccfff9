//! Backup, restore and import on real nodes: what was acknowledged is there again, what was not over
//! waits for a person, and what is half never stands under its name.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking that it failed"
)]

mod broken;
mod import;
mod killed;
mod online;
mod replaced;
mod rig;
