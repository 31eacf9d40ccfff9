//! An installation as people have it: images of the production Dockerfiles, both charts by the real helm, on a node with a
//! real kubelet, kube-proxy and `CoreDNS`; jobs by kubectl, with the real Claude Code CLI against a scripted model.
//!
//! Tests take turns where one of them takes something away from the others. What the bridge network of this node cannot
//! enforce, the network policies, stands in the cluster and holds nobody back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod drained;
mod jobs;
mod killed;
mod memory;
mod place;
mod upgraded;
