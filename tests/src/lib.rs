//! What the tests share: the promises of the ports as functions, run on every implementation.

pub mod contract;
pub mod flow;
