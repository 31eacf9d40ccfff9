//! Measures the round trip of a tool's call as an agent's program sees it: `elf_search` with ten rules in
//! its answer, through `sandbox mcp` on stdin and stdout and through `/mcp` of the same server. Beside
//! each stands the same number of bytes there and back without anything done. Prints figures and judges
//! none; it stops where an answer is not of ten rules.
//!
//! usage: bench-mcp [CLIENTS], 5 for the figures that are wanted — uses the `sandbox` that stands beside
//! this program; build both with `cargo build --release --workspace --bins`.

mod floors;
mod ways;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use sandbox_core::Tenant;
use sandbox_elf::{Elf, NewRule};
use sandbox_tests::{
    figures::{Times, ratio, row},
    node::Node,
};
use serde_json::{Value, json};

use ways::{Http, Stdio};

/// Measures the round trip of a tool's call
#[derive(Parser)]
struct Args {
    /// How many clients, each of a tenant of its own: a tenant may ask 300 times at once
    #[arg(default_value_t = 5)]
    clients: usize,
}

/// Calls that are not measured, and those that are, of each client.
const FIRST: usize = 20;
const CALLS: usize = 120;
/// Rules of each tenant, and those of an answer.
const RULES: usize = 200;
const SHOWN: usize = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let clients = Args::parse().clients;
    let mut node = Node::prepare(&[]);
    std::fs::create_dir_all(node.data())?;
    let elf = Elf::open(&node.data().join("elf.db"))?;
    for client in 0..clients {
        teach(&elf, &name(client).parse()?).await?;
    }
    drop(elf);
    node.restart();
    let (mut by_stdio, mut by_http) = (Times::default(), Times::default());
    let (mut asked, mut told) = (0, 0);
    for client in 0..clients {
        let name = name(client);
        let mut way = Stdio::start(node.url(), &name)?;
        by_stdio.extend([calls(|call| way.ask(call))?]);
        (asked, told) = way.bytes();
        let mut way = Http::start(node.url(), &name)?;
        by_http.extend([calls(|call| way.ask(call))?]);
    }
    let figure = |seen: &Times, floor: &Times| {
        let than = ratio(seen.within(99), floor.within(99));
        format!("{}, {than} the floor's p99", seen.shown())
    };
    let (pipe, loopback) = (floors::pipe(asked)?, floors::loopback(asked, told)?);
    row("floor: a line through `cat` and back", &pipe.shown());
    row(
        "elf_search of ten rules, stdio (wanted p99 1 ms)",
        &figure(&by_stdio, &pipe),
    );
    row("floor: the bytes by TCP on loopback", &loopback.shown());
    row(
        "elf_search of ten rules, HTTP (wanted p99 2 ms)",
        &figure(&by_http, &loopback),
    );
    Ok(())
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

async fn teach(elf: &Elf, tenant: &Tenant) -> Result<()> {
    for n in 0..RULES {
        let text = format!(
            "Before a deploy of part {n} run migration {}, wait for replica {} and look at error rate {}",
            n * 7 % 31,
            n * 11 % 17,
            n * 13 % 23,
        );
        let rule = NewRule {
            domain: "deploys".to_owned(),
            text,
            ..NewRule::default()
        };
        elf.add_rule(tenant, rule).await?;
    }
    Ok(())
}

/// Calls one after the other.
fn calls(mut ask: impl FnMut(&Value) -> Result<Value>) -> Result<Times> {
    let mut times = Times::default();
    for n in 0..FIRST + CALLS {
        let query = format!(
            "deploy failed at migration {} of replica {}",
            n % 31,
            n % 17
        );
        let arguments = json!({"query": query, "limit": SHOWN});
        let call = json!({"name": "elf_search", "arguments": arguments});
        let begun = Instant::now();
        let answer = ask(&call)?;
        if n >= FIRST {
            times.since(begun);
        }
        let rules = answer["result"]["structuredContent"]["heuristics"].as_array();
        let rules = rules.with_context(|| format!("no rules: {answer}"))?;
        ensure!(rules.len() == SHOWN, "{} rules: {answer}", rules.len());
    }
    Ok(times)
}
