//! What one write holds, as bytes: entries and what becomes of items, compressed. An item of DynamoDB
//! holds 400 KB; what is longer is cut into pieces.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    entry::Row,
    store::{Commit, Item, Kept, Kind, LedgerError, Put, row},
};

/// Bytes that one item of the table holds besides its keys.
pub(super) const PIECE: usize = 350_000;

/// One commit as it is kept. Entries stay text, so that a newer one can be told from a damaged one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    #[serde(rename = "r")]
    rows: Vec<String>,
    #[serde(rename = "p")]
    pub(super) puts: Vec<Slip>,
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slip {
    #[serde(rename = "k")]
    pub(super) kind: Kind,
    #[serde(rename = "i")]
    pub(super) id: String,
    /// Its place and itself; nothing when it is gone.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) stands: Option<(u64, String)>,
}

impl Slip {
    pub(super) fn item(&self) -> Option<Item> {
        let (seq, body) = self.stands.clone()?;
        Some(Item {
            kind: self.kind,
            id: self.id.clone(),
            seq,
            body,
        })
    }
}

impl Step {
    pub(super) fn of(commit: &Commit) -> Kept<Self> {
        let text = |row| {
            serde_json::to_string(row)
                .map_err(|e| LedgerError::Unreadable(format!("wrote an entry as JSON: {e}")))
        };
        Ok(Self {
            rows: commit.rows.iter().map(text).collect::<Kept<_>>()?,
            puts: commit.puts.iter().map(slip).collect(),
        })
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Kept<Row>> {
        self.rows.iter().map(|text| row(text))
    }
}

fn slip(put: &Put) -> Slip {
    match put {
        Put::Stands(item) => Slip {
            kind: item.kind,
            id: item.id.clone(),
            stands: Some((item.seq, item.body.clone())),
        },
        Put::Gone(kind, id) => Slip {
            kind: *kind,
            id: id.clone(),
            stands: None,
        },
    }
}

/// These steps as bytes.
///
/// # Errors
/// `Unreadable` when they cannot be written.
pub(super) fn pack(steps: &[Step]) -> Kept<Vec<u8>> {
    let json = serde_json::to_vec(steps);
    let json = json.map_err(|e| LedgerError::Unreadable(format!("wrote memory as JSON: {e}")))?;
    squeeze(&json)
}

/// The steps in these bytes; nothing when they are damaged.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Step>> {
    serde_json::from_slice(&widen(bytes)?).ok()
}

/// Compresses.
///
/// # Errors
/// `Unreadable`; writing into memory does not fail.
pub(super) fn squeeze(bytes: &[u8]) -> Kept<Vec<u8>> {
    let mut squeezed = GzEncoder::new(Vec::new(), Compression::default());
    let written = squeezed.write_all(bytes).and_then(|()| squeezed.finish());
    written.map_err(|e| LedgerError::Unreadable(format!("compressed memory: {e}")))
}

/// What was compressed; nothing when its checksum is not right.
pub(super) fn widen(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut wide = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut wide).ok()?;
    Some(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_read_back_and_what_was_damaged_is_not() {
        let slip = |stands| Slip {
            kind: Kind::Trail,
            id: "t".to_owned(),
            stands,
        };
        let steps = [Step {
            rows: vec!["{}".to_owned()],
            puts: vec![slip(Some((7, "{\"a\":1}".to_owned()))), slip(None)],
        }];
        let bytes = pack(&steps).unwrap();
        assert_eq!(unpack(&bytes).unwrap(), steps);
        for at in 10..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            assert!(unpack(&damaged).is_none_or(|read| read == steps), "{at}");
            assert!(unpack(&bytes[..at]).is_none(), "{at}");
        }
    }
}
