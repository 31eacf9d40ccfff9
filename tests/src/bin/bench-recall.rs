//! Measures how long memory takes to answer: rules of about 29 words from a small vocabulary, so that
//! every word of a query is in many of them.
//!
//! usage: bench-recall [RULES…]     default 10000 100000 1000000

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use clap::Parser;
use jiff::Timestamp;
use sandbox_core::{
    Seat, Tenant,
    port::{Memory, RecallQuery},
};
use sandbox_elf::{
    Elf, RuleKind,
    entry::{Entry, Row, RuleAdded, Source, VERSION},
    prompt, rows,
    state::State,
    store::{Commit, Ledger, memory::MemoryLedger, sqlite::SqliteLedger},
};
use uuid::Uuid;

/// Measures how long memory takes to answer
#[derive(Parser)]
struct Args {
    /// How many rules
    #[arg(default_values_t = [10_000, 100_000, 1_000_000])]
    rules: Vec<u64>,
}

/// Rules of one commit.
const AT_ONCE: u64 = 5_000;
const DOMAINS: u64 = 10;
const VOCABULARY: u64 = 4_000;
const ROUNDS: usize = 300;

#[tokio::main]
async fn main() -> Result<()> {
    for rules in Args::parse().rules {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("elf.db");
        write(&SqliteLedger::open(&file)?, rules).await?;
        cold(&file, rules).await?;
        let ledger = MemoryLedger::default();
        write(&ledger, rules).await?;
        let elf = Elf::new(Arc::new(ledger));
        warm(&elf, rules, "any domain", None).await?;
        warm(&elf, rules, "one domain", Some("domain-3")).await?;
    }
    Ok(())
}

/// A ledger's worth of rules.
async fn write(ledger: &dyn Ledger, rules: u64) -> Result<()> {
    let (tenant, mut state) = (Tenant::default_tenant(), State::default());
    let mut chance = 1_u64;
    while state.head < rules {
        let expected = state.head;
        let last = (expected + AT_ONCE).min(rules);
        let rows: Vec<Row> = (expected + 1..=last)
            .map(|seq| Row {
                v: VERSION,
                seq,
                at: Timestamp::UNIX_EPOCH,
                entry: rule(seq, &mut chance),
            })
            .collect();
        let puts = rows::apply(&mut state, &rows)?;
        let commit = Commit {
            expected,
            rows,
            puts,
        };
        ledger.append(&tenant, commit).await?;
    }
    Ok(())
}

fn rule(seq: u64, chance: &mut u64) -> Entry {
    let domain = format!("domain-{}", seq % DOMAINS);
    let text = words(29, chance);
    let source = Source::agent(None);
    Entry::RuleAdded(Box::new(RuleAdded {
        files: vec![format!("src/m{}/f{}.rs", seq % 50, seq % 1_000)],
        ..RuleAdded::new(RuleKind::Heuristic, None, (domain, text), source)
    }))
}

/// So many words, the first of the vocabulary more often than the last.
fn words(count: u64, chance: &mut u64) -> String {
    let words = (0..count).map(|_| {
        let (a, b) = (next(chance) % VOCABULARY, next(chance) % VOCABULARY);
        format!("w{}", a * b / VOCABULARY)
    });
    words.collect::<Vec<_>>().join(" ")
}

fn next(chance: &mut u64) -> u64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    *chance
}

async fn cold(file: &Path, rules: u64) -> Result<()> {
    let begun = Instant::now();
    let elf = Elf::open(file)?;
    let mut chance = 99;
    ask(&elf, None, &mut chance).await?;
    let took = begun.elapsed().as_secs_f64();
    println!("{rules:>8} rules, SQLite: opened to first answer   {took:.2} s");
    Ok(())
}

async fn warm(elf: &Elf, rules: u64, what: &str, domain: Option<&str>) -> Result<()> {
    let mut chance = 7;
    ask(elf, domain, &mut chance).await?;
    let (mut took, mut tokens) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        tokens = tokens.max(ask(elf, domain, &mut chance).await?);
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(ROUNDS * share / 100).copied().unwrap_or_default();
    println!(
        "{rules:>8} rules, {what}: recall p50 {:.2} ms, p99 {:.2} ms; at most {tokens} tokens",
        at(50),
        at(99),
    );
    Ok(())
}

/// One recall; gives the tokens of its prompt.
async fn ask(elf: &Elf, domain: Option<&str>, chance: &mut u64) -> Result<usize> {
    let seat = Seat::new(Uuid::new_v4().to_string().parse().context("made a uid")?, 1);
    let query = RecallQuery {
        text: words(20, chance),
        domain: domain.map(str::to_owned),
        files: vec![format!(
            "src/m{}/f{}.rs",
            next(chance) % 50,
            next(chance) % 1_000
        )],
        ..RecallQuery::default()
    };
    let receipt = elf.recall(&seat, &Tenant::default_tenant(), &query).await;
    let receipt = receipt.context("asked memory")?;
    Ok(prompt::tokens(&prompt::prompt_block(&receipt)))
}
