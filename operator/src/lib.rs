//! Faces, stores, back ends and the wiring that reconciles `AgentJob`s. Knows places, not job types.

pub mod announce;
pub mod artifacts;
pub mod aws;
pub mod backend;
pub mod checkpoints;
pub mod checks;
pub mod cluster;
pub mod control;
pub mod counts;
pub mod face;
pub mod host;
pub mod lead;
pub mod ledger;
pub mod listen;
pub mod seats;
pub mod secrets;
pub mod store;
pub mod sweep;
pub mod tokens;
pub mod watch;
