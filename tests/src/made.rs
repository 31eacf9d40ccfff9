//! A ledger's worth of rules for benches, written in few commits.

use anyhow::Result;
use jiff::Timestamp;
use sandbox_core::Tenant;
use sandbox_elf::{
    RuleKind,
    entry::{Entry, Row, RuleAdded, Source, VERSION},
    rows,
    state::State,
    store::{Commit, Ledger},
};

/// Writes so many entries into a ledger that is empty, some at a time.
///
/// # Errors
/// The ledger does not take them.
pub async fn fill(
    ledger: &dyn Ledger,
    (tenant, rules, at_once): (&Tenant, u64, u64),
    mut row: impl FnMut(u64) -> Row,
) -> Result<()> {
    let mut state = State::default();
    while state.head < rules {
        let expected = state.head;
        let last = (expected + at_once).min(rules);
        let rows: Vec<Row> = (expected + 1..=last).map(&mut row).collect();
        let puts = rows::apply(&mut state, &rows)?;
        let commit = Commit {
            expected,
            rows,
            puts,
            ..Commit::default()
        };
        ledger.append(tenant, commit).await?;
    }
    Ok(())
}

/// How many words a rule of made words has, and of how many they are taken.
const WORDS: u64 = 29;
const VOCABULARY: u64 = 4_000;

/// A rule of made words.
#[must_use]
pub fn row(seq: u64) -> Row {
    // A different sequence of words for each, the first of the vocabulary more often than the last.
    let word = |n: u64| (seq * WORDS + n).wrapping_mul(6_364_136_223_846_793_005) >> 40;
    let words = (0..WORDS).map(|n| {
        let (a, b) = (word(2 * n) % VOCABULARY, word(2 * n + 1) % VOCABULARY);
        format!("w{}", a * b / VOCABULARY)
    });
    let text = words.collect::<Vec<_>>().join(" ");
    let domain = format!("domain-{}", seq % 10);
    let added = RuleAdded {
        files: vec![format!("src/m{}/f{}.rs", seq % 50, seq % 1_000)],
        ..RuleAdded::new(
            RuleKind::Heuristic,
            None,
            (domain, text),
            Source::agent(None),
        )
    };
    Row {
        v: VERSION,
        seq,
        at: Timestamp::UNIX_EPOCH,
        entry: Entry::RuleAdded(Box::new(added)),
    }
}
