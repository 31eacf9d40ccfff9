//! Back ends: places where seats run.
//!
//! The list: [`vps`], tmux on this machine; [`container`], a container engine on this machine; [`pod`], a cluster; [`fargate`], tasks of ECS; [`remote`], machines
//! elsewhere; [`memory`], for tests. Each answers for one place and
//! keeps the promises of [`sandbox_core::port::Backend`]; none decides what to run or when.

mod cause;
pub mod container;
pub mod fargate;
pub mod kept;
pub mod memory;
pub mod pod;
pub mod remote;
pub mod vps;
mod waits;

use sandbox_core::{AgentJobSpec, Seat, validate::Invalid};

/// The words behind the entry point of a runner's image, `tini -- sandbox`, of a runner that finds its door by TLS.
fn runner_words(seat: &Seat, data: &str, (instance, door): (&str, &str)) -> Vec<String> {
    let seat = seat.to_string();
    let words = [
        "exec",
        "--seat",
        &seat,
        "--data-dir",
        data,
        "--instance",
        instance,
        "--door",
        door,
    ];
    words.map(str::to_owned).into()
}

/// What a place of this machine says to a job that wants a machine elsewhere.
fn not_elsewhere(spec: &AgentJobSpec) -> Option<Invalid> {
    let asked = spec.backend.as_ref().and_then(|b| b.host_selector.as_ref());
    let text = "only the operator of a cluster knows hosts; leave it out here";
    asked.map(|_| Invalid::new("spec.backend.hostSelector", text))
}
