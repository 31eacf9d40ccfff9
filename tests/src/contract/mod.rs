//! The promises of each port, written once. A test binary names the implementations; each promise
//! runs on each of them. `vps`, `container`, `pod` and `fargate` are places of implementations.

pub mod backend;
pub mod container;
pub mod fargate;
pub mod memory;
pub mod pod;
pub mod remote;
pub mod seats;
pub mod store;
pub mod store_edges;
pub mod store_line;
pub mod vps;
