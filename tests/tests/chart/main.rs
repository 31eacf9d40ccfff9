//! The charts: what helm makes of them, what a real API server says to that, and what the operator may do with the
//! rights that they give. By the real helm, kubectl and kube-apiserver.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod accepted;
mod crds;
mod examples;
mod flags;
mod lease;
mod ledger;
mod plane;
mod rights;
mod values;
