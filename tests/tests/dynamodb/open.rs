//! Tables that are missing or not ours, and what an older or damaged one says.

use std::process::Command;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use sandbox_elf::store::{
    Kind, Ledger, LedgerError,
    dynamodb::{DynamoLedger, DynamoSettings, OpenError, create_table_command},
};
use sandbox_tests::{contract::memory::tenant, dynamodb::DynamoServer};

use crate::ways::{one, opened, places, writes};

async fn refusal(settings: &DynamoSettings) -> String {
    match DynamoLedger::open(settings).await {
        Err(OpenError::Refused(text)) => text,
        Err(OpenError::Unknown(text)) => panic!("not a refusal: {text}"),
        Ok(_) => panic!("it was taken for fit"),
    }
}

#[tokio::test]
async fn a_missing_table_is_refused_with_the_command_that_makes_it_and_not_made() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.settings();
    let text = refusal(&settings).await;
    assert!(
        text.contains(&create_table_command(&settings.table)),
        "{text}"
    );
    let there = server
        .client()
        .describe_table()
        .table_name(&settings.table)
        .send()
        .await;
    assert!(there.is_err());
    let page = include_str!("../../../docs/dynamodb.md");
    let said = page
        .lines()
        .filter(|l| !l.is_empty())
        .map(|l| l.trim_end_matches('\\').trim());
    let said = said.collect::<Vec<_>>().join(" ");
    assert!(said.contains(&create_table_command("sandbox")));
}

#[tokio::test]
async fn a_table_with_other_keys_is_refused_and_left_as_it_is() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.settings();
    server.create(&settings.table, ["job", "at"]).await.unwrap();
    let text = refusal(&settings).await;
    assert!(
        text.contains("job (HASH), at (RANGE)") && text.contains("pk (HASH)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_place_for_snapshots_that_is_none_is_refused() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    for place in ["", "snapshots", "ftp://host/x", "file:///proc/nothing/here"] {
        let wrong = DynamoSettings {
            snapshots: place.to_owned(),
            ..settings.clone()
        };
        let text = refusal(&wrong).await;
        assert!(text.contains("snapshots at"), "{place}: {text}");
    }
}

#[tokio::test]
async fn where_nothing_listens_the_error_says_what_was_seen() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let settings = DynamoSettings {
        endpoint: Some(format!("http://{address}")),
        ..DynamoServer::shared().await.unwrap().settings()
    };
    match DynamoLedger::open(&settings).await {
        Err(OpenError::Unknown(text)) => assert!(text.contains("refused"), "{text}"),
        Err(OpenError::Refused(text)) => panic!("it may come back: {text}"),
        Ok(_) => panic!("nothing listens there"),
    }
}

/// Run by the tests after it, in a process whose environment has only what they give it.
#[tokio::test]
#[ignore = "other tests run it"]
async fn opens_with_what_the_environment_has() {
    let settings = DynamoSettings {
        endpoint: Some(std::env::var("TEST_DYNAMODB").unwrap()),
        ..DynamoSettings::new("sandbox", "memory:")
    };
    match DynamoLedger::open(&settings).await {
        Err(OpenError::Refused(text)) => println!("refused: {text}"),
        Err(OpenError::Unknown(text)) => println!("unknown: {text}"),
        Ok(_) => println!("it opened"),
    }
}

async fn with_nothing_but(environment: &[(&str, &str)]) -> String {
    let server = DynamoServer::shared().await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let told = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "open::opens_with_what_the_environment_has"])
        .args(["--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("TEST_DYNAMODB", server.endpoint())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&told.stdout).into_owned()
}

#[tokio::test]
async fn without_credentials_or_a_region_the_error_says_that_and_how_to_give_them() {
    let region = ("AWS_REGION", "eu-central-1");
    let told = with_nothing_but(&[region]).await;
    assert!(told.contains("refused: "), "{told}");
    assert!(told.contains("there are no AWS credentials"), "{told}");
    assert!(told.contains("AWS_ACCESS_KEY_ID"), "{told}");
    let keys = [
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];
    let told = with_nothing_but(&keys).await;
    assert!(told.contains("no AWS region"), "{told}");
    // With both it asks, and hears that there is no such table.
    let told = with_nothing_but(&[region, keys[0], keys[1]]).await;
    assert!(told.contains("there is no table `sandbox`"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

/// Changes one attribute of an item behind the ledger's back.
async fn change(settings: &DynamoSettings, key: [&str; 2], name: &str, value: AttributeValue) {
    let server = DynamoServer::shared().await.unwrap();
    let call = server.client().update_item().table_name(&settings.table);
    let call = call
        .key("pk", AttributeValue::S(key[0].to_owned()))
        .key("sk", AttributeValue::S(key[1].to_owned()));
    let call = call
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", value);
    call.send().await.unwrap();
}

fn unreadable<T: std::fmt::Debug>(told: Result<T, LedgerError>) -> String {
    match told {
        Err(LedgerError::Unreadable(text)) => text,
        other => panic!("it was read: {other:?}"),
    }
}

const LOG: &str = "elf#a#log";
const SECOND: &str = "00000000000000000002-00000000000000000002";

#[tokio::test]
async fn a_table_that_a_newer_release_wrote_is_neither_read_nor_written() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    let ledger = opened(&settings).await;
    writes(&ledger, 0, 2).await;
    let newer = AttributeValue::N("2".to_owned());
    change(&settings, [LOG, SECOND], "v", newer.clone()).await;
    change(&settings, ["elf#a", "head"], "v", newer).await;
    let a = tenant("a");
    let fresh = opened(&settings).await;
    let all = [
        unreadable(fresh.append(&a, one(2)).await),
        unreadable(fresh.log(&a, 0, 10).await),
        unreadable(fresh.snapshot(&a).await),
        unreadable(fresh.item(&a, Kind::Outcome, "seat-2").await),
    ];
    for text in all {
        assert!(
            text.contains("layout 2") && text.contains("newer release"),
            "{text}"
        );
    }
    assert_eq!(fresh.log(&a, 0, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_log_is_told_from_an_empty_one() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    let ledger = opened(&settings).await;
    writes(&ledger, 0, 3).await;
    let a = tenant("a");
    let blob = AttributeValue::B(Blob::new(b"not what was written"));
    change(&settings, [LOG, SECOND], "d", blob).await;
    let texts = [
        unreadable(ledger.log(&a, 0, 10).await),
        unreadable(ledger.snapshot(&a).await),
    ];
    assert!(
        texts.iter().all(|t| t.contains("restore the table")),
        "{texts:?}"
    );
    let gone = server.client().delete_item().table_name(&settings.table);
    let gone = gone
        .key("pk", AttributeValue::S(LOG.to_owned()))
        .key("sk", AttributeValue::S(SECOND.to_owned()));
    gone.send().await.unwrap();
    let text = unreadable(ledger.snapshot(&a).await);
    assert!(text.contains("after entry 1 came 3"), "{text}");
}

#[tokio::test]
async fn a_table_that_goes_away_is_named() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    let ledger = opened(&settings).await;
    writes(&ledger, 0, 1).await;
    let gone = server.client().delete_table().table_name(&settings.table);
    gone.send().await.unwrap();
    for told in [
        ledger.append(&tenant("a"), one(1)).await.err(),
        ledger.log(&tenant("a"), 0, 1).await.err(),
    ] {
        let Some(LedgerError::Unavailable(text)) = told else {
            panic!("there is no table: {told:?}");
        };
        assert!(text.contains(&settings.table), "{text}");
    }
    // A new table of that name is another memory.
    server.create(&settings.table, ["pk", "sk"]).await.unwrap();
    assert!(places(&ledger).await.is_empty());
    writes(&ledger, 0, 1).await;
}
