//! What is read of the table: the log in its order, and items that no node holds in its own memory.
//! A pointer is only believed when the write that made it is in the log.

use std::collections::{HashMap, HashSet};

use sandbox_core::Tenant;

use super::{
    Desk,
    body::{Slip, Step, unpack},
    keys::{self, Attributes, Key, LAYOUT, Mark, read_number, read_text},
    table::Asked,
};
use crate::{
    entry::Row,
    store::{Item, Kept, Kind, LedgerError},
};

/// Most items of the table of one page.
pub(super) const PAGE: u32 = 1_000;
/// After every sort key: they are made of digits, hexadecimal ones and `-`.
pub(super) const END: &str = "~";

pub(super) fn damaged(what: &str) -> LedgerError {
    LedgerError::Unreadable(format!(
        "read memory from DynamoDB: {what} is not as it was written; restore the table from a backup"
    ))
}

/// Refuses what a newer release wrote.
pub(super) fn layout(item: &Attributes) -> Kept<()> {
    match read_number(item, keys::V) {
        Some(v) if v <= LAYOUT => Ok(()),
        Some(v) => Err(LedgerError::Unreadable(format!(
            "read memory from DynamoDB: the table has layout {v}, this program knows {LAYOUT}; use the newer release"
        ))),
        None => Err(damaged("the layout")),
    }
}

/// One write, as the log has it.
pub(super) struct Written {
    pub(super) mark: Mark,
    pub(super) by: String,
    pub(super) steps: Vec<Step>,
}

impl Desk {
    /// What an item of the log holds, with the pieces that stand elsewhere.
    pub(super) async fn open(&self, tenant: &Tenant, item: &Attributes) -> Kept<Written> {
        layout(item)?;
        let sk = read_text(item, keys::SK).unwrap_or_default();
        let mark = Mark::parse(&sk).ok_or_else(|| damaged("the log"))?;
        let by = read_text(item, keys::BY).ok_or_else(|| damaged("the log"))?;
        let bytes = match (data(item), read_number(item, keys::PIECES)) {
            (Some(bytes), _) => bytes,
            (None, Some(pieces)) => self.pieces(tenant, &by, pieces).await?,
            (None, None) => return Err(damaged("the log")),
        };
        let steps = unpack(&bytes).ok_or_else(|| damaged("the log"))?;
        Ok(Written { mark, by, steps })
    }

    async fn pieces(&self, tenant: &Tenant, by: &str, pieces: u64) -> Kept<Vec<u8>> {
        let mut bytes = Vec::new();
        for n in 0..usize::try_from(pieces).unwrap_or(usize::MAX) {
            let item = self.table.get(&Key::piece(tenant, by, n)).await?;
            let piece = item.as_ref().and_then(data);
            bytes.extend(piece.ok_or_else(|| damaged("a piece of the log"))?);
        }
        Ok(bytes)
    }

    pub(super) async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut asked = Asked {
            pk: keys::log(tenant),
            from: keys::place(after.saturating_add(1)),
            to: END.to_owned(),
            newest_first: false,
            limit: PAGE.min(u32::try_from(limit).unwrap_or(PAGE)),
            next: None,
        };
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let page = self.table.page(&asked).await?;
            for item in &page.items {
                let written = self.open(tenant, item).await?;
                for row in written.steps.iter().flat_map(Step::rows) {
                    rows.push(row?);
                }
                // A write may begin before the place that was asked for.
                rows.retain(|row| row.seq > after);
            }
            match page.next {
                Some(next) => asked.next = Some(next),
                None => break,
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// The newest state of an item that was written apart.
    pub(super) async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        let mut asked = Asked {
            pk: keys::by_id(tenant, kind, id),
            from: keys::place(0),
            to: END.to_owned(),
            newest_first: true,
            limit: 8,
            next: None,
        };
        loop {
            let page = self.table.page(&asked).await?;
            if let Some(slip) = self.lead(tenant, kind, &page.items).await?.first() {
                return Ok(slip.item());
            }
            match page.next {
                Some(next) => asked.next = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// Items that were written apart, newest first.
    pub(super) async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut asked = Asked {
            pk: keys::by_place(tenant, kind),
            from: keys::place(0),
            to: before.map_or_else(|| END.to_owned(), keys::place),
            newest_first: true,
            limit: PAGE.min(limit),
            next: None,
        };
        let (mut items, mut seen): (Vec<Item>, HashSet<String>) = Default::default();
        while items.len() < most {
            let page = self.table.page(&asked).await?;
            for slip in self.lead(tenant, kind, &page.items).await? {
                // The newest word about an item comes first.
                if seen.insert(slip.id.clone()) {
                    items.extend(slip.item());
                }
            }
            match page.next {
                Some(next) => asked.next = Some(next),
                None => break,
            }
        }
        items.sort_by(|a, b| b.seq.cmp(&a.seq).then_with(|| a.id.cmp(&b.id)));
        items.truncate(most);
        Ok(items)
    }

    /// What these pointers lead to, in their order; those of writes that never counted lead nowhere.
    async fn lead(&self, tenant: &Tenant, kind: Kind, pointers: &[Attributes]) -> Kept<Vec<Slip>> {
        let at = |pointer: &Attributes| read_text(pointer, keys::AT);
        let pk = keys::log(tenant);
        let wanted: HashSet<String> = pointers.iter().filter_map(at).collect();
        let wanted = wanted.into_iter().map(|sk| Key { pk: pk.clone(), sk });
        let found = self.table.get_all(&wanted.collect::<Vec<_>>()).await?;
        let mut written = HashMap::new();
        for item in &found {
            let one = self.open(tenant, item).await?;
            written.insert(one.mark.sk(), one);
        }
        let slips = pointers.iter().filter_map(|pointer| {
            let one = written.get(&at(pointer)?)?;
            let id = read_text(pointer, keys::ID)?;
            let real = read_text(pointer, keys::BY)? == one.by;
            let puts = one
                .steps
                .iter()
                .rev()
                .flat_map(|step| step.puts.iter().rev());
            let mut puts = puts.filter(|slip| slip.kind == kind && slip.id == id);
            puts.next().filter(|_| real).cloned()
        });
        Ok(slips.collect())
    }
}

fn data(item: &Attributes) -> Option<Vec<u8>> {
    let blob = item.get(keys::DATA)?.as_b().ok()?;
    Some(blob.as_ref().to_vec())
}
