//! A node alone, `sandbox serve`, whose jobs run as tasks of the double of ECS: the real program, its door over TLS, the
//! real runner.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::net::TcpListener;

use crate::{
    ecs::{CLUSTER, DEFINITION, Ecs, LOG_GROUP, Options, REGION},
    node::Node,
};

/// A node with these settings more, and tasks that are run so.
pub async fn node_with(options: Options, more: &[(&str, &str)]) -> (Ecs, Node) {
    let ecs = Ecs::start(options).await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (listen, door) = (
        format!("127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
    );
    let endpoint = ecs.endpoint();
    let usual = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("SANDBOX_FARGATE_CLUSTER", CLUSTER),
        ("SANDBOX_FARGATE_TASK_DEFINITION", DEFINITION),
        ("SANDBOX_FARGATE_SUBNETS", "subnet-1"),
        ("SANDBOX_FARGATE_LOG_GROUP", LOG_GROUP),
        ("SANDBOX_FARGATE_SEAT_DOOR", door.as_str()),
        ("SANDBOX_SEAT_LISTEN", listen.as_str()),
    ];
    let node = Node::start(&[&usual[..], more].concat());
    (ecs, node)
}
