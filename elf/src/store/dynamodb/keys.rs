//! The keys of the table, and the words of its attributes. Every key begins with `elf#TENANT`, so that
//! records of another kind can stand in the same table. Tenants have no `#` in them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_core::Tenant;

use crate::store::Kind;

/// The layout that this program writes, and the newest that it reads.
pub(super) const LAYOUT: u64 = 1;
/// The partition key.
pub const PK: &str = "pk";
/// The sort key.
pub const SK: &str = "sk";
/// The layout of an item of the table.
pub(super) const V: &str = "v";
/// The name of the commit that wrote it.
pub(super) const BY: &str = "by";
/// A place of the log.
pub(super) const SEQ: &str = "seq";
/// How many writes there have been.
pub(super) const NUMBER: &str = "n";
/// What was written.
pub(super) const DATA: &str = "d";
/// In how many pieces it stands elsewhere.
pub(super) const PIECES: &str = "c";
/// The sort key of the log's item that a pointer is about.
pub(super) const AT: &str = "at";
/// The id of the item that a pointer is about.
pub(super) const ID: &str = "id";
/// The sort key of a tenant's head.
pub(super) const HEAD: &str = "head";

/// An item of the table.
pub type Attributes = HashMap<String, AttributeValue>;

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    pub(super) fn head(tenant: &Tenant) -> Self {
        Self {
            pk: format!("elf#{tenant}"),
            sk: HEAD.to_owned(),
        }
    }

    pub(super) fn log(tenant: &Tenant, mark: Mark) -> Self {
        Self {
            pk: log(tenant),
            sk: mark.sk(),
        }
    }

    pub(super) fn piece(tenant: &Tenant, by: &str, number: usize) -> Self {
        Self {
            pk: format!("elf#{tenant}#piece#{by}"),
            sk: format!("{number:06}"),
        }
    }

    /// The item with these attributes besides.
    #[must_use]
    pub fn with<const N: usize>(&self, rest: [(&str, AttributeValue); N]) -> Attributes {
        let own = [(PK, text(&self.pk)), (SK, text(&self.sk))];
        let all = own.into_iter().chain(rest);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The key alone.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        self.with([])
    }

    /// The key of this item.
    #[must_use]
    pub fn of(item: &Attributes) -> Option<Self> {
        Some(Self {
            pk: read_text(item, PK)?,
            sk: read_text(item, SK)?,
        })
    }
}

/// The partition of a tenant's log.
pub(super) fn log(tenant: &Tenant) -> String {
    format!("elf#{tenant}#log")
}

/// The partition that points at every item of a kind, by its place.
pub(super) fn by_place(tenant: &Tenant, kind: Kind) -> String {
    format!("elf#{tenant}#{}", kind.word())
}

/// The partition that points at one item, by its place.
pub(super) fn by_id(tenant: &Tenant, kind: Kind, id: &str) -> String {
    format!("elf#{tenant}#{}#{id}", kind.word())
}

/// A place in a sort key: as text it stands in the order of numbers.
pub(super) fn place(seq: u64) -> String {
    format!("{seq:020}")
}

/// Where a write stands: the place of the last entry by then, and its number among all writes. Two
/// writes without entries differ in their number alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) number: u64,
}

impl Mark {
    pub(super) fn sk(self) -> String {
        format!("{:020}-{:020}", self.seq, self.number)
    }

    pub(super) fn parse(sk: &str) -> Option<Self> {
        let (seq, number) = sk.split_once('-')?;
        Some(Self {
            seq: seq.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// A text as an attribute.
#[must_use]
pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number as an attribute.
#[must_use]
pub fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The text of this name.
#[must_use]
pub fn read_text(item: &Attributes, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// The number of this name.
#[must_use]
pub fn read_number(item: &Attributes, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_in_the_order_of_numbers_and_read_back() {
        let mark = |seq, number| Mark { seq, number };
        let all = [mark(0, 1), mark(9, 2), mark(9, 10), mark(10, 11)];
        assert!(all.is_sorted_by_key(|m| m.sk()));
        assert!(all.iter().all(|m| Mark::parse(&m.sk()) == Some(*m)));
        assert!(mark(9, 10).sk() < place(10) && place(9) < mark(9, 0).sk());
    }
}
