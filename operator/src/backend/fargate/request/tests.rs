//! A repeated launch is the same launch, and nothing in it is more than ECS takes.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{sync::Arc, time::Duration};

use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::*;
use crate::{
    backend::{
        fargate::{Prices, Size},
        kept::log_path,
    },
    store::memory::MemoryStore,
    tokens::Tokens,
};

fn conf() -> FargateConfig {
    FargateConfig {
        cluster: "agents".to_owned(),
        region: "eu-west-1".to_owned(),
        definition: "runner:3".to_owned(),
        container: "runner".to_owned(),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        public_address: false,
        door: "https://seats.example.org:8443".to_owned(),
        authority: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n".to_owned(),
        tokens: Tokens::new(b"secret"),
        size: Size {
            cpu_units: 1024,
            memory_mib: 4096,
        },
        capacity: FargateCapacity::OnDemand,
        prices: Prices::default(),
        tags: vec![
            ("team".to_owned(), "agents".to_owned()),
            (OWNER_TAG.to_owned(), "somebody else".to_owned()),
        ],
        exec: false,
        logs: None,
        launches: (100, 20),
        prepare_within: Duration::from_mins(10),
        orphan_after: Duration::from_mins(20),
        lease: Duration::from_mins(10),
        files: Arc::new(InMemory::new()),
        log_path,
        store: Arc::new(MemoryStore::default()),
        secrets: None,
    }
}

fn brief(fargate: &Value) -> Brief {
    let brief = json!({
        "version": 1, "seat": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2", "tenant": "team-a", "name": "j", "backend": "fargate",
        "deadlineAt": "2026-01-02T00:00:00Z",
        "spec": {"type": "echo", "echo": {}, "backend": {"name": "fargate", "fargate": fargate}},
    });
    let mut brief = brief;
    brief["seat"] = serde_json::to_value(seat()).unwrap();
    serde_json::from_value(brief).unwrap()
}

fn seat() -> Seat {
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2".parse().unwrap()
}

fn at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn sent(conf: &FargateConfig, fargate: &Value, choice: u32) -> Answer<RunTaskInputBuilder> {
    let brief = brief(fargate);
    let launch = frozen(conf, &brief.spec);
    run_task(conf, &brief, (&launch, choice, at()))
}

#[test]
fn a_token_is_of_the_seat_and_the_choice_and_of_nothing_else() {
    let token = client_token(&seat(), 0);
    assert_eq!(token, client_token(&seat(), 0));
    assert_ne!(token, client_token(&seat(), 1));
    let other = Seat::new(seat().uid, 3);
    assert_ne!(token, client_token(&other, 0));
    assert_eq!(token.len(), 43);
    assert!(token.bytes().all(|b| (33..=126).contains(&b)), "{token}");
}

#[test]
fn a_launch_that_is_repeated_is_the_same_to_the_letter() {
    let conf = conf();
    let one = sent(&conf, &json!({}), 0).unwrap();
    let again = sent(&conf, &json!({}), 0).unwrap();
    assert_eq!(format!("{one:?}"), format!("{again:?}"));
}

#[test]
fn spot_comes_first_and_capacity_on_demand_after_it_and_stays() {
    let launch = |fargate: Value| frozen(&conf(), &brief(&fargate).spec);
    let names = |launch: &Launch| -> Vec<String> {
        let of = |choice| launch.capacity(choice).unwrap().name.clone();
        (0..3).map(of).collect()
    };
    let fallback = launch(json!({"capacity": "spot-with-fallback"}));
    assert_eq!(names(&fallback), ["FARGATE_SPOT", "FARGATE", "FARGATE"]);
    assert!(!fallback.is_last(0) && fallback.is_last(1));
    assert_eq!(
        names(&launch(json!({"capacity": "spot"})))[2],
        "FARGATE_SPOT"
    );
    assert_eq!(names(&launch(json!({})))[0], "FARGATE");
}

#[test]
fn what_is_frozen_has_the_size_its_disk_and_its_price() {
    let resources = json!({"resources": {"cpu": "2", "memory": "5Gi"}, "ephemeralStorage": "30Gi"});
    let launch = frozen(&conf(), &brief(&resources).spec);
    assert_eq!(
        (launch.cpu_units, launch.memory_mib, launch.disk_gib),
        (2048, 5120, Some(30))
    );
    assert_eq!(launch.definition, "runner:3");
    assert_eq!(launch.capacities[0].usd_per_hour.to_string(), "0.104295");
}

#[test]
fn a_task_is_tagged_with_whose_it_is_and_nobody_can_say_otherwise() {
    let said = sent(&conf(), &json!({}), 0).unwrap();
    let tags = said.get_tags().clone().unwrap();
    let of = |key: &str| -> Vec<String> {
        let mine = tags.iter().filter(|t| t.key() == Some(key));
        mine.map(|t| t.value().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(of(OWNER_TAG), [conf().tokens.owner()]);
    assert_eq!(of("team"), ["agents"]);
    assert_eq!(of(TENANT_TAG), ["team-a"]);
    assert_eq!(of(TYPE_TAG), ["echo"]);
}

#[test]
fn the_runner_is_told_its_seat_and_no_brief() {
    let said = sent(&conf(), &json!({}), 0).unwrap();
    let overrides = said.get_overrides().clone().unwrap();
    let container = &overrides.container_overrides()[0];
    let words = container.command().join(" ");
    let wanted = "exec --seat a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2 --data-dir /home/sandbox/seat --instance task --door https://seats.example.org:8443";
    assert_eq!(words, wanted);
    let variables = container.environment().iter();
    let token = variables
        .into_iter()
        .find(|v| v.name() == Some("SANDBOX_SEAT_TOKEN"));
    let ticket = conf()
        .tokens
        .ticket(token.unwrap().value().unwrap(), at())
        .unwrap();
    assert_eq!(ticket.seat, seat());
}

#[test]
fn what_is_longer_than_ecs_takes_is_refused_before_it_is_asked() {
    let mut conf = conf();
    conf.authority = "x".repeat(8192);
    let refused = sent(&conf, &json!({}), 0);
    let said = |e: &PortError| matches!(e, PortError::Refused(f) if f.class == FailureClass::InvalidSpec && f.message.contains("8,192"));
    assert!(refused.as_ref().is_err_and(said), "{refused:?}");
}

#[test]
fn settings_that_cannot_be_right_are_refused_in_words() {
    let wrong = |change: fn(&mut FargateConfig)| {
        let mut conf = conf();
        change(&mut conf);
        conf.check().unwrap_err()
    };
    assert_eq!(conf().check(), Ok(()));
    let text = wrong(|c| c.cluster = "arn:aws:ecs:us-east-1:1:cluster/agents".to_owned());
    assert!(
        text.contains("us-east-1") && text.contains("eu-west-1"),
        "{text}"
    );
    assert!(wrong(|c| c.definition = "runner".to_owned()).contains("revision"));
    assert!(wrong(|c| c.subnets.clear()).contains("subnet"));
    assert!(wrong(|c| c.door = "http://x".to_owned()).contains("https"));
}

#[test]
fn a_door_that_everybody_knows_needs_no_authority_in_the_launch() {
    let names = |conf: &FargateConfig| -> Vec<String> {
        let brief = brief(&json!({}));
        let launch = frozen(conf, &brief.spec);
        let all = overrides(conf, &brief, (&launch, Timestamp::UNIX_EPOCH));
        let variables = all.container_overrides()[0].environment();
        variables
            .iter()
            .filter_map(|v| v.name().map(str::to_owned))
            .collect()
    };
    let own = conf();
    assert_eq!(names(&own), ["SANDBOX_SEAT_CA", "SANDBOX_SEAT_TOKEN"]);
    let public = FargateConfig {
        authority: String::new(),
        ..own
    };
    assert_eq!(names(&public), ["SANDBOX_SEAT_TOKEN"]);
}
