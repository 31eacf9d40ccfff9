//! Measures how long the program of the functions takes until it asks for its first event, the memory that it has after
//! requests, and how soon a new instance answers from a memory of many rules. Everything that it asks is on this machine:
//! what a network, or Lambda itself, takes is not in it.
//!
//! usage: bench-lambda [--program FILE] [--starts N] [--requests N] [--rules N]

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Error, Result, ensure};
use clap::Parser;
use sandbox_core::Tenant;
use sandbox_elf::store::dynamodb::DynamoLedger;
use sandbox_tests::{
    figures::Times,
    lambda::{Account, Plan},
    made::{fill, row},
};
use serde_json::Value;

/// Measures the program of the functions of AWS Lambda
#[derive(Parser)]
struct Args {
    /// The program; the one that was built beside this when absent
    #[arg(long)]
    program: Option<PathBuf>,
    /// How often it is started
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// How many requests it answers then
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// How many rules a memory has that is then read
    #[arg(long, default_value_t = 10_000)]
    rules: u64,
}

/// Rules of one write: about as many as the ends of a few jobs have.
const AT_ONCE: u64 = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut plan = Plan {
        silent: true,
        ..Plan::default()
    };
    if let Some(program) = &args.program {
        let program = std::path::absolute(program)?;
        plan = plan.set("BOOTSTRAP", &program.display().to_string());
    }
    let account = Account::with(plan).await;
    let mut begun = Vec::new();
    for _ in 0..args.starts {
        account.cold().await;
        begun.push(ready(&account.api().said("\"ready\"").await)?);
    }
    begun.sort_unstable();
    let middle = begun.get(begun.len() / 2).context("it was never started")?;
    println!(
        "ready after {} to {} ms, {middle} ms in the middle of {} starts",
        begun[0],
        begun[begun.len() - 1],
        begun.len()
    );
    println!("memory: {} MB when it is ready", megabytes(&account));
    for _ in 0..args.requests {
        account
            .submit(&serde_json::json!({"type": "echo", "echo": {"message": "hello"}}))
            .await;
        account.get("/jobs?limit=20").await;
    }
    println!(
        "memory: {} MB after {} requests",
        megabytes(&account),
        2 * args.requests
    );
    remember(&account, &args).await
}

/// New instances, of which each reads memory for its first answer.
async fn remember(account: &Account, args: &Args) -> Result<()> {
    let tenant: Tenant = "team-a".parse()?;
    let ledger = DynamoLedger::open(&account.place.memory).await?;
    fill(&ledger, (&tenant, args.rules, AT_ONCE), row).await?;
    ledger.rest().await;
    let kept = ledger.keep_snapshot(&tenant).await;
    kept.map_err(Error::msg)?;
    let (mut first, mut second) = (Times::default(), Times::default());
    for _ in 0..args.starts {
        account.cold().await;
        account.api().said("\"ready\"").await;
        for times in [&mut first, &mut second] {
            let begun = Instant::now();
            let path = "/elf/context?task=w1%20w20%20w300%20fails&domain=domain-1";
            let (status, text) = account.get(path).await;
            ensure!(status == 200, "asked memory: {status}: {text}");
            times.since(begun);
        }
    }
    println!(
        "{} rules, the first answer of an instance: {}",
        args.rules,
        first.shown()
    );
    println!(
        "{} rules, the second answer of an instance: {}",
        args.rules,
        second.shown()
    );
    println!(
        "memory: {} MB with {} rules",
        megabytes(account),
        args.rules
    );
    Ok(())
}

fn megabytes(account: &Account) -> u64 {
    account.api().most_memory() / 1024
}

fn ready(line: &str) -> Result<u64> {
    let line: Value = serde_json::from_str(line)?;
    line["millis"].as_u64().context("read how long it took")
}
