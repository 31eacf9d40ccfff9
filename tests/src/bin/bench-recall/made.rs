//! Made-up rules and queries: about 29 words from a small vocabulary, so that every word of a query is
//! in many rules.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use sandbox_core::{Seat, Tenant, port::RecallQuery};
use sandbox_elf::{
    RuleKind,
    entry::{Entry, Row, RuleAdded, Source, SourceKind, VERSION},
    store::{Commit, Ledger, Put, memory::MemoryLedger, sqlite::SqliteLedger},
};
use sandbox_tests::made::fill;
use uuid::Uuid;

/// Rules of one commit.
const AT_ONCE: u64 = 5_000;
/// Entries that are read at a time.
const PAGE: u32 = 10_000;
pub const DOMAINS: u64 = 10;
const VOCABULARY: u64 = 4_000;

/// Writes a memory of so many rules.
pub async fn file(path: &Path, rules: u64) -> Result<()> {
    let ledger = SqliteLedger::open(path)?;
    let mut chance = 1_u64;
    fill(
        &ledger,
        (&Tenant::default_tenant(), rules, AT_ONCE),
        |seq| Row {
            v: VERSION,
            seq,
            at: Timestamp::UNIX_EPOCH,
            entry: rule(seq, &mut chance),
        },
    )
    .await
}

/// The same in the process's own memory.
pub async fn held(path: &Path) -> Result<MemoryLedger> {
    let (from, to) = (SqliteLedger::open(path)?, MemoryLedger::default());
    let tenant = Tenant::default_tenant();
    let mut expected = 0;
    loop {
        let rows = from.log(&tenant, expected, PAGE).await?;
        let last = rows.last().map(|row| row.seq);
        let is_end = rows.len() < PAGE as usize;
        let mut puts = Vec::new();
        if is_end {
            let items = from.snapshot(&tenant).await?.items;
            puts.extend(items.into_iter().map(Put::Stands));
        }
        let commit = Commit {
            expected,
            rows,
            puts,
            ..Commit::default()
        };
        to.append(&tenant, commit).await?;
        if is_end {
            return Ok(to);
        }
        expected = last.context("read a page of the log")?;
    }
}

fn rule(seq: u64, chance: &mut u64) -> Entry {
    let domain = format!("domain-{}", seq % DOMAINS);
    let text = words(29, chance);
    let mut source = Source::agent(None);
    // Of agents' rules that nobody tried a prompt takes two: others fill it.
    if seq.is_multiple_of(3) {
        source.kind = SourceKind::Human;
    }
    Entry::RuleAdded(Box::new(RuleAdded {
        files: vec![format!("src/m{}/f{}.rs", seq % 50, seq % 1_000)],
        ..RuleAdded::new(RuleKind::Heuristic, None, (domain, text), source)
    }))
}

/// The text of each rule, in their order.
pub fn texts(rules: u64) -> impl Iterator<Item = String> {
    let mut chance = 1_u64;
    (0..rules).map(move |_| words(29, &mut chance))
}

/// So many words, the first of the vocabulary more often than the last.
pub fn words(count: u64, chance: &mut u64) -> String {
    let words = (0..count).map(|_| {
        let (a, b) = (next(chance) % VOCABULARY, next(chance) % VOCABULARY);
        format!("w{}", a * b / VOCABULARY)
    });
    words.collect::<Vec<_>>().join(" ")
}

pub fn next(chance: &mut u64) -> u64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    *chance
}

/// What a seat asks.
pub fn query(domain: Option<&str>, chance: &mut u64) -> RecallQuery {
    RecallQuery {
        text: words(20, chance),
        domain: domain.map(str::to_owned),
        files: vec![format!(
            "src/m{}/f{}.rs",
            next(chance) % 50,
            next(chance) % 1_000
        )],
        ..RecallQuery::default()
    }
}

/// A seat that nobody had before.
pub fn seat() -> Result<Seat> {
    let uid = Uuid::new_v4().to_string().parse();
    Ok(Seat::new(uid.context("made a uid")?, 1))
}
