//! A ledger's worth of rules for benches, written in few commits. Knows nothing of what the rules say.

use anyhow::Result;
use sandbox_core::Tenant;
use sandbox_elf::{
    entry::Row,
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
    (rules, at_once): (u64, u64),
    mut row: impl FnMut(u64) -> Row,
) -> Result<()> {
    let (tenant, mut state) = (Tenant::default_tenant(), State::default());
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
        ledger.append(&tenant, commit).await?;
    }
    Ok(())
}
