//! Back ends: places where seats run.
//!
//! The list: [`vps`], tmux on this machine; [`container`], a container engine on this machine; [`pod`], a cluster; [`fargate`], tasks of ECS; [`remote`], machines
//! elsewhere; [`memory`], for tests. Each answers for one place and
//! keeps the promises of [`sandbox_core::port::Backend`]; none decides what to run or when.

pub mod container;
pub mod fargate;
pub mod kept;
pub mod memory;
pub mod pod;
pub mod remote;
pub mod vps;
mod waits;

use sandbox_core::{AgentJobSpec, validate::Invalid};

/// What a place of this machine says to a job that wants a machine elsewhere.
fn not_elsewhere(spec: &AgentJobSpec) -> Option<Invalid> {
    let asked = spec.backend.as_ref().and_then(|b| b.host_selector.as_ref());
    let text = "only the operator of a cluster knows hosts; leave it out here";
    asked.map(|_| Invalid::new("spec.backend.hostSelector", text))
}
