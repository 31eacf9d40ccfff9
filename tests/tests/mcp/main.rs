//! The shared memory by the Model Context Protocol: `sandbox mcp` on stdio and `/mcp` of a server, as a
//! client sees them, and the suite of the protocol's makers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod conformance;
mod http;
mod stdio;
