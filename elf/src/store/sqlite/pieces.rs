//! The items a node holds, a piece at a time: rules of a large tenant by several connections that see the
//! same place of the log.

use std::panic::resume_unwind;

use rusqlite::{Connection, Result, params};
use sandbox_core::Tenant;

use super::read::{Readers, head, made};
use crate::store::{Item, Kind, Taking};

/// Items of a piece: few enough that the room they take is used again for the next.
const PIECE: usize = 500;
/// From this place of the log on, several threads read.
const LONG: u64 = 10_000;
/// Most threads: ids of rules are divided by their first digit.
const MOST_HANDS: usize = 16;
/// Above every id.
const END: &str = "\u{10ffff}";

/// Ids from the first, up to the second without it.
type Range = (String, String);

/// Hands over what there is, and gives the place of the log.
pub(super) fn read(
    db: &mut Connection,
    readers: &Readers,
    asked: (&Tenant, &Taking),
) -> Result<u64> {
    let tx = db.transaction()?;
    let head = head(&tx, asked.0)?;
    let others = beside(readers, asked.0, head);
    let mut ranges = ranges(others.len() + 1);
    let own = ranges.pop();
    std::thread::scope(|scope| {
        let others = others.into_iter().zip(ranges);
        let others: Vec<_> = others
            .map(|(db, range)| scope.spawn(move || of(&db, asked, Kind::Rule, &range)))
            .collect();
        for kind in Kind::HELD {
            match &own {
                Some(range) if kind == Kind::Rule => of(&tx, asked, kind, range)?,
                _ => of(&tx, asked, kind, &(String::new(), END.to_owned()))?,
            }
        }
        for other in others {
            other.join().unwrap_or_else(|e| resume_unwind(e))?;
        }
        Ok(head)
    })
}

/// Connections whose picture is that of this place. None where there is little to be read, or where
/// somebody wrote in between: one is enough then.
fn beside(readers: &Readers, tenant: &Tenant, at: u64) -> Vec<Connection> {
    if at < LONG {
        return Vec::new();
    }
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    let another = || {
        let db = readers.another().ok()?;
        db.execute_batch("BEGIN").ok()?;
        (head(&db, tenant).ok()? == at).then_some(db)
    };
    let others = (1..hands.min(MOST_HANDS)).map_while(|_| another());
    others.collect()
}

/// Divides the ids of rules, of which each digit is as likely as any other. Others are found all the same.
fn ranges(hands: usize) -> Vec<Range> {
    let bounds = (1..hands).map(|hand| format!("r-{:x}", MOST_HANDS * hand / hands));
    let from = std::iter::once(String::new()).chain(bounds.clone());
    from.zip(bounds.chain([END.to_owned()])).collect()
}

fn of(
    db: &Connection,
    (tenant, take): (&Tenant, &Taking),
    kind: Kind,
    (from, to): &Range,
) -> Result<()> {
    let sql = "SELECT id, seq, body FROM items
        WHERE tenant = ?1 AND kind = ?2 AND id >= ?3 AND id < ?4 ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![tenant.as_str(), kind.word(), from, to])?;
    let mut piece: Vec<Item> = Vec::with_capacity(PIECE);
    while let Some(row) = rows.next()? {
        piece.push(made(row, kind)?);
        if piece.len() == PIECE {
            take(std::mem::replace(&mut piece, Vec::with_capacity(PIECE)));
        }
    }
    take(piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_and_leave_nothing_out() {
        for hands in 1..=MOST_HANDS {
            let ranges = ranges(hands);
            assert_eq!(ranges.len(), hands);
            assert_eq!(ranges[0].0, "");
            assert_eq!(ranges[hands - 1].1, END);
            assert!(ranges.windows(2).all(|two| two[0].1 == two[1].0));
            assert!(ranges.iter().all(|(from, to)| from < to), "{ranges:?}");
        }
    }
}
