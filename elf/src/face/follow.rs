//! Takes over the log that another memory exported: all of it, so that the same is known and believed as there. A log
//! can be continued and never mixed.

use sandbox_core::Tenant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Elf, ElfError, entry::Row, foreign};

/// Most entries of one call.
pub const MOST: usize = 1_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    /// Entries that are new.
    pub taken: usize,
    /// Entries that stood in the log before.
    pub known: usize,
    /// The place of the last entry of the log now.
    pub position: u64,
}

impl Elf {
    /// Puts lines of an export, in their order, behind what is in the log. What is there already is passed over, so
    /// that asking again is safe.
    ///
    /// # Errors
    /// `Invalid` for a line that is no entry, or more than [`MOST`]; `OtherHistory` where the log has something else
    /// at a line's place; `Gap` where entries before the first line are missing; or the store may not have kept it.
    pub async fn follow(&self, tenant: &Tenant, lines: Vec<Value>) -> Result<Followed, ElfError> {
        if lines.len() > MOST {
            let problem = format!(
                "there are {} lines; send at most {MOST} at a time",
                lines.len()
            );
            return Err(ElfError::invalid("entries", problem));
        }
        let redactor = self.read(tenant, |live| live.redactor.clone()).await?;
        let mut rows: Vec<Row> = Vec::with_capacity(lines.len());
        for (number, line) in (1..).zip(lines) {
            let row = foreign::row(line, &redactor, self.now());
            let row =
                row.map_err(|e| ElfError::invalid("entries", format!("line {number}: {e}")))?;
            if rows.last().is_some_and(|last| last.seq + 1 != row.seq) {
                let problem = format!(
                    "line {number}: its place {} does not follow the one before",
                    row.seq
                );
                return Err(ElfError::invalid("entries", problem));
            }
            rows.push(row);
        }
        let known = self.known(tenant, &rows).await?;
        let new = rows.split_off(known);
        let followed = self.commit(tenant, move |live, _| {
            let head = live.state.head;
            let fits = new.first().is_none_or(|row| row.seq == head + 1);
            let place = head + new.len() as u64;
            match new.first() {
                Some(row) if !fits && row.seq > head => Err(ElfError::Gap(head + 1, row.seq)),
                Some(row) if !fits => Err(ElfError::OtherHistory(row.seq)),
                _ => Ok((new.clone(), (new.len(), place))),
            }
        });
        let (taken, position) = followed.await?;
        Ok(Followed {
            taken,
            known,
            position,
        })
    }

    /// How many of these stand in the log already.
    async fn known(&self, tenant: &Tenant, rows: &[Row]) -> Result<usize, ElfError> {
        let Some(first) = rows.first() else {
            return Ok(0);
        };
        let before = first.seq.saturating_sub(1);
        let most = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let there = self.ledger().log(tenant, before, most).await?;
        for (row, there) in rows.iter().zip(&there) {
            if row.seq != there.seq || row.entry != there.entry {
                return Err(ElfError::OtherHistory(row.seq));
            }
        }
        Ok(there.len())
    }
}
