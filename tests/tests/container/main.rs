//! Containers on a real engine: the promises of back ends, what only an engine can get wrong, whole
//! nodes, and every fault that people meet.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod begin;
mod end;
mod faults;
mod host;
mod node;
mod registry;

use sandbox_core::{Claim, FailureClass, Seat, Sighting, port::Backend};
use sandbox_tests::{
    backend_contract,
    contract::container::{Container, WORK},
    engine::Engine,
    node::Node,
};
use serde_json::{Value, json};

backend_contract!(container, crate::Container::new(crate::WORK));

/// The settings of a node that runs containers on this engine.
fn node_on(engine: &Engine, env: &[(&str, &str)]) -> Node {
    let all = [&[("DOCKER_HOST", engine.host.as_str())], env].concat();
    Node::start(&all)
}

/// A job that echoes in a container, after this time, with these settings of its container.
fn echo(delay: &str, container: &Value) -> Value {
    json!({
        "type": "echo",
        "echo": {"message": "hi", "delay": delay},
        "backend": {"name": "container", "container": container},
        "retry": {"limit": 2, "on": {
            "Infrastructure": {"base": "1s"}, "Preempted": {"base": "1s"},
        }},
    })
}

/// What is seen of a seat, which must be one thing.
async fn seen(place: &Container, seat: &Seat, claim: Option<&Claim>) -> Sighting {
    let look = place.backend.look(seat, claim).await.unwrap();
    let [sighting] = &look.sightings[..] else {
        panic!("expected one sighting: {look:?}");
    };
    sighting.clone()
}

/// How a seat's instance ended: code, signal, and what the place says about it.
fn end(sighting: Sighting) -> (Option<i32>, Option<i32>, Option<(FailureClass, String)>) {
    match sighting {
        Sighting::Exited {
            code, signal, why, ..
        } => (code, signal, why.map(|f| (f.class, f.message))),
        other => panic!("expected an end: {other:?}"),
    }
}
