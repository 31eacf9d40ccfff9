//! The back end before somebody else's ECS: moto's reads our requests and writes answers in its own way. It knows no
//! tokens, tells of a task at once, and runs nothing.

use std::sync::Arc;

use aws_sdk_ecs::{
    Client,
    types::{Compatibility, ContainerDefinition, NetworkMode},
};
use sandbox_core::{
    Sighting,
    port::{Backend, Store},
};
use sandbox_operator::{
    backend::fargate::{FargateBackend, FargateConfig},
    control::Waker,
    store::memory::MemoryStore,
};
use sandbox_tests::{
    contract::{
        backend::the_one_alive,
        fargate::{aws_at, config, written_down},
    },
    ecs::{CLUSTER, REGION},
    s3::S3Server,
};
use serde_json::json;

/// The first subnet of the account, which moto has ready.
async fn a_subnet(server: &S3Server) -> String {
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature=1"
    );
    let asked = reqwest::Client::new()
        .post(server.endpoint())
        .header("authorization", signed)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Action=DescribeSubnets&Version=2016-11-15");
    let text = asked.send().await.unwrap().text().await.unwrap();
    let (_, rest) = text.split_once("<subnetId>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// A cluster with a task definition.
async fn prepared(client: &Client) {
    client
        .create_cluster()
        .cluster_name(CLUSTER)
        .send()
        .await
        .unwrap();
    let container = ContainerDefinition::builder()
        .name("runner")
        .image("runner:0.1.0")
        .cpu(256)
        .memory(512)
        .build();
    let define = client
        .register_task_definition()
        .family("runner")
        .network_mode(NetworkMode::Awsvpc);
    let define = define
        .requires_compatibilities(Compatibility::Fargate)
        .cpu("256")
        .memory("512");
    define
        .container_definitions(container)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_seat_is_launched_seen_stopped_and_reaped() {
    let server = S3Server::start().await.unwrap();
    let aws = aws_at(server.endpoint()).await;
    prepared(&Client::new(&aws)).await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let conf = FargateConfig {
        definition: "runner:1".to_owned(),
        subnets: vec![a_subnet(&server).await],
        security_groups: Vec::new(),
        logs: None,
        ..config(store.clone())
    };
    let backend = FargateBackend::new(&aws, conf, Waker::new().0).unwrap();
    let brief = written_down(store.as_ref(), &backend, &json!({})).await;
    backend.launch(&brief).await.unwrap();
    let instance = the_one_alive(&backend, &brief.seat).await;
    assert!(instance.starts_with("task:arn:aws:ecs:"), "{instance}");
    backend.stop(&brief.seat, None).await.unwrap();
    let look = backend.look(&brief.seat, None).await.unwrap();
    assert!(
        look.sightings
            .iter()
            .all(|s| matches!(s, Sighting::Exited { .. })),
        "{look:?}"
    );
    backend.reap(&brief.seat).await.unwrap();
    let look = backend.look(&brief.seat, None).await.unwrap();
    assert_eq!(look.sightings, Vec::new());
}
