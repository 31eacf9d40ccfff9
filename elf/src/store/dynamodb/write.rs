//! One write: a tenant's log moves on from the head that was expected, or nothing happened.
//!
//! What does not fit into one transaction, and what points at items, is written before it, under the
//! name of this write. Nothing of it counts before the transaction has put that name into the log.

use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;
use sandbox_core::Tenant;
use uuid::Uuid;

use super::{
    Desk,
    body::{PIECE, Step, pack},
    keys::{self, Attributes, Key, LAYOUT, Mark, number, read_number, read_text, text},
    lane::Handed,
    table::Missed,
};
use crate::store::{Kept, Kind, LedgerError};

/// How often a write is made anew because something moved without changing the expected place.
const TRIES: u32 = 8;
/// Pieces are written so many at a time: a call takes 16 MB.
const PIECES: usize = 8;

/// Writes for one tenant.
pub(super) struct Writer {
    desk: Arc<Desk>,
    tenant: Tenant,
    known: Option<Head>,
}

/// The last write.
#[derive(Clone, Default)]
struct Head {
    mark: Mark,
    by: String,
}

/// A write that is ready.
struct Draft {
    before: Head,
    after: Head,
    log: Attributes,
    pieces: Vec<Attributes>,
    pointers: Vec<Attributes>,
}

/// What became of it.
enum Done {
    Written,
    Refused,
}

impl Writer {
    pub(super) const fn new(desk: Arc<Desk>, tenant: Tenant) -> Self {
        Self {
            desk,
            tenant,
            known: None,
        }
    }

    /// Writes commits that follow on each other.
    pub(super) async fn write(&mut self, group: &[Handed]) -> Kept<()> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let expected = first.commit.expected;
        let says = |h: &Handed| !h.commit.rows.is_empty() || !h.commit.puts.is_empty();
        if !group.iter().any(says) {
            self.known = None;
        }
        for _ in 0..TRIES {
            let before = self.head(expected).await?;
            if !group.iter().any(says) {
                self.known = Some(before);
                return Ok(());
            }
            let draft = Draft::new(&self.tenant, before, group)?;
            self.stage(&draft).await?;
            // Whatever becomes of it, it is only known again when it is done.
            self.known = None;
            if let Done::Written = self.settle(&draft).await? {
                let number = draft.after.mark.number;
                self.known = Some(draft.after);
                self.desk.written(&self.tenant, number);
                return Ok(());
            }
        }
        Err(LedgerError::Conflict)
    }

    /// The head, where it is at this place.
    async fn head(&mut self, expected: u64) -> Kept<Head> {
        let fits = self.known.take().filter(|h| h.mark.seq == expected);
        let head = match fits {
            Some(head) => head,
            None => read_head(&self.desk, &self.tenant).await?,
        };
        if head.mark.seq != expected {
            return Err(LedgerError::Conflict);
        }
        Ok(head)
    }

    async fn stage(&self, draft: &Draft) -> Kept<()> {
        for some in draft.pieces.chunks(PIECES) {
            self.desk.table.put_all(some).await?;
        }
        self.desk.table.put_all(&draft.pointers).await
    }

    /// Makes it count, and finds out whether it does where the answer does not say so.
    async fn settle(&self, draft: &Draft) -> Kept<Done> {
        let table = &self.desk.table;
        let anew = "attribute_not_exists(pk)";
        let head = match draft.before.mark.number {
            0 => table.put(draft.head(&self.tenant), anew, &[])?,
            before => table.put(
                draft.head(&self.tenant),
                "n = :n AND #by = :by",
                &[(":n", number(before)), (":by", text(&draft.before.by))],
            )?,
        };
        let log = table.put(draft.log.clone(), anew, &[])?;
        let both = [head, log].map(|put| TransactWriteItem::builder().put(put).build());
        match table.transact(&draft.after.by, &both).await {
            Ok(()) => Ok(Done::Written),
            // An answer may have been lost, and the second try found what the first had done.
            Err(Missed::Condition(_)) if self.stands(draft).await? => Ok(Done::Written),
            Err(Missed::Condition(_)) => {
                self.tidy(draft).await;
                Ok(Done::Refused)
            }
            Err(Missed::Unknown(e)) => match self.stands(draft).await {
                Ok(true) => Ok(Done::Written),
                _ => Err(e),
            },
        }
    }

    /// Whether this very write is in the log.
    async fn stands(&self, draft: &Draft) -> Kept<bool> {
        let key = Key::log(&self.tenant, draft.after.mark);
        let there = self.desk.table.get(&key).await?;
        let by = there.and_then(|item| read_text(&item, keys::BY));
        Ok(by.as_ref() == Some(&draft.after.by))
    }

    /// Removes what was written for a write that will never count. What is left of it is never read.
    async fn tidy(&self, draft: &Draft) {
        let all = draft.pieces.iter().chain(&draft.pointers);
        let keys: Vec<Key> = all.filter_map(Key::of).collect();
        if let Err(e) = self.desk.table.remove_all(&keys).await {
            tracing::warn!(
                "left {} items in the table that nobody reads: {e}",
                keys.len()
            );
        }
    }
}

async fn read_head(desk: &Desk, tenant: &Tenant) -> Kept<Head> {
    let Some(item) = desk.table.get(&Key::head(tenant)).await? else {
        return Ok(Head::default());
    };
    super::read::layout(&item)?;
    let head = || {
        let mark = Mark {
            seq: read_number(&item, keys::SEQ)?,
            number: read_number(&item, keys::NUMBER)?,
        };
        let by = read_text(&item, keys::BY)?;
        Some(Head { mark, by })
    };
    head().ok_or_else(|| super::read::damaged("the log's head"))
}

impl Draft {
    fn new(tenant: &Tenant, before: Head, group: &[Handed]) -> Kept<Self> {
        let steps = group.iter().map(|h| Step::of(&h.commit));
        let steps: Vec<Step> = steps.collect::<Kept<_>>()?;
        let mark = Mark {
            seq: group.last().map_or(before.mark.seq, Handed::end),
            number: before.mark.number + 1,
        };
        let by = Uuid::new_v4().to_string();
        let after = Head { mark, by };
        let bytes = pack(&steps)?;
        let key = Key::log(tenant, mark);
        let mut log = key.with([(keys::V, number(LAYOUT)), (keys::BY, text(&after.by))]);
        let mut pieces = Vec::new();
        if bytes.len() <= PIECE {
            log.insert(keys::DATA.to_owned(), blob(&bytes));
        } else {
            let cut = bytes.chunks(PIECE).enumerate();
            let piece = |(n, part): (usize, &[u8])| {
                Key::piece(tenant, &after.by, n).with([(keys::DATA, blob(part))])
            };
            pieces.extend(cut.map(piece));
            log.insert(keys::PIECES.to_owned(), number(pieces.len() as u64));
        }
        Ok(Self {
            pointers: pointers(tenant, &after, &steps),
            before,
            after,
            log,
            pieces,
        })
    }

    fn head(&self, tenant: &Tenant) -> Attributes {
        let Head { mark, by } = &self.after;
        Key::head(tenant).with([
            (keys::V, number(LAYOUT)),
            (keys::SEQ, number(mark.seq)),
            (keys::NUMBER, number(mark.number)),
            (keys::BY, text(by)),
        ])
    }
}

/// What leads to items that no node holds in its own memory: by their place, and by their id.
fn pointers(tenant: &Tenant, after: &Head, steps: &[Step]) -> Vec<Attributes> {
    let puts = steps.iter().flat_map(|step| &step.puts);
    let apart = puts.filter(|slip| !Kind::HELD.contains(&slip.kind));
    let two = |(n, slip): (usize, &super::body::Slip)| {
        let seq = slip.stands.as_ref().map_or(after.mark.seq, |(seq, _)| *seq);
        let sk = format!("{}-{}-{n:06}", keys::place(seq), after.by);
        let partitions = [
            keys::by_place(tenant, slip.kind),
            keys::by_id(tenant, slip.kind, &slip.id),
        ];
        partitions.map(|pk| {
            let key = Key { pk, sk: sk.clone() };
            key.with([
                (keys::AT, text(&after.mark.sk())),
                (keys::ID, text(&slip.id)),
                (keys::BY, text(&after.by)),
            ])
        })
    };
    apart.enumerate().flat_map(two).collect()
}

fn blob(bytes: &[u8]) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(bytes))
}
