//! Every door of the memory, found in the registries of routes and tools themselves: what one tenant is never
//! answered, and what no door lets in. A real node, asked by chance from a fixed seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod filled;
mod hammer;
mod isolation;
mod secrets;
