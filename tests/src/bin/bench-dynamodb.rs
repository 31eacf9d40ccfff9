//! Measures a cold start of memory on DynamoDB Local, with a snapshot and without, and what it reads. All of it is on
//! this machine: what a network takes is not in it.
//!
//! usage: bench-dynamodb [RULES…]     default 10000

use std::{sync::Arc, time::Instant};

use anyhow::{Error, Result};
use clap::Parser;
use sandbox_core::{
    Seat, Tenant,
    port::{Memory, RecallQuery},
};
use sandbox_elf::{
    Elf,
    store::dynamodb::{DynamoLedger, DynamoSettings},
};
use sandbox_tests::{
    dynamodb::DynamoServer,
    made::{fill, row},
};
use uuid::Uuid;

/// Measures a cold start of memory on `DynamoDB` Local
#[derive(Parser)]
struct Args {
    /// How many rules
    #[arg(default_values_t = [10_000])]
    rules: Vec<u64>,
}

/// Rules of one write: about as many as the ends of a few jobs have.
const AT_ONCE: u64 = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let server = DynamoServer::start().await?;
    for rules in Args::parse().rules {
        let folder = tempfile::tempdir()?;
        let with = DynamoSettings {
            snapshots: format!("file://{}", folder.path().display()),
            ..server.table().await?
        };
        let ledger = DynamoLedger::open(&with).await?;
        fill(&ledger, (&Tenant::default_tenant(), rules, AT_ONCE), row).await?;
        ledger.rest().await;
        let kept = ledger.keep_snapshot(&Tenant::default_tenant()).await;
        kept.map_err(Error::msg)?;
        let without = DynamoSettings {
            snapshots: "memory:".to_owned(),
            ..with.clone()
        };
        cold(rules, "with a snapshot", &with).await?;
        cold(rules, "the table alone", &without).await?;
    }
    Ok(())
}

async fn cold(rules: u64, what: &str, settings: &DynamoSettings) -> Result<()> {
    let tenant = Tenant::default_tenant();
    let begun = Instant::now();
    let ledger = Arc::new(DynamoLedger::open(settings).await?);
    let opened = begun.elapsed();
    let begun = Instant::now();
    let picture = ledger.picture(&tenant).await?;
    let read = begun.elapsed();
    ledger.rest().await;
    let again = Instant::now();
    let ledger = Arc::new(DynamoLedger::open(settings).await?);
    let query = RecallQuery {
        text: "w1 w20 w300 fails".to_owned(),
        ..RecallQuery::default()
    };
    let seat = Seat::new(Uuid::new_v4().to_string().parse()?, 1);
    let elf = Elf::new(ledger.clone());
    elf.recall(&seat, &tenant, &query)
        .await
        .map_err(|e| Error::msg(e.to_string()))?;
    println!(
        "{rules:>7} rules, {what}: opened {:.0} ms, picture of {} items {:.0} ms, opened to first answer {:.0} ms, {:.1} read units",
        opened.as_secs_f64() * 1e3,
        picture.snapshot.items.len(),
        read.as_secs_f64() * 1e3,
        again.elapsed().as_secs_f64() * 1e3,
        ledger.consumed().read
    );
    Ok(())
}
