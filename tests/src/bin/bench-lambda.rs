//! Measures how long the program of the functions takes until it asks for its first event, and the memory that it has after
//! requests. Everything that it asks is on this machine: what a network, or Lambda itself, takes is not in it.
//!
//! usage: bench-lambda [--program FILE] [--starts N] [--requests N]

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use sandbox_tests::lambda::{Account, Plan};
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
}

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
    Ok(())
}

fn megabytes(account: &Account) -> u64 {
    account.api().most_memory() / 1024
}

fn ready(line: &str) -> Result<u64> {
    let line: Value = serde_json::from_str(line)?;
    line["millis"].as_u64().context("read how long it took")
}
