//! What somebody who comes now and then has to look at, as the index of jobs that are not over tells it: read once, and a
//! little late. It decides nothing.

use jiff::Timestamp;
use sandbox_core::{Uid, port::Answer};
use sandbox_elf::store::dynamodb::keys::{Attributes, Key, read_text};

use super::{
    DynamoStore,
    keys::{self, LISTED, WAITS, Waiting},
};

/// What is to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// Jobs of which the time has come, in no order.
    pub due: Vec<Uid>,
    /// Jobs that wait for a slot; the first goes first.
    pub line: Vec<Uid>,
}

/// The job whose item has this partition key; none where it is an item of another kind.
#[must_use]
pub fn job_of(partition: &str) -> Option<Uid> {
    partition.strip_prefix("job#")?.parse().ok()
}

impl DynamoStore {
    /// What is to be looked at now.
    ///
    /// # Errors
    /// `Unknown` when the index cannot be read.
    pub async fn agenda(&self, now: Timestamp) -> Answer<Agenda> {
        let below = keys::stamp(now.as_microsecond().saturating_add(1));
        Ok(Agenda::of(&self.shards(Some(below)).await?))
    }
}

impl Agenda {
    fn of(items: &[Attributes]) -> Self {
        let mut agenda = Self::default();
        let mut line = Vec::new();
        for item in items {
            let Some(uid) = Key::of(item).and_then(|key| job_of(&key.pk)) else {
                continue;
            };
            match waiting(item) {
                Some(waiting) => line.push((waiting.turn, uid)),
                None => agenda.due.push(uid),
            }
        }
        line.sort();
        agenda.line = line.into_iter().map(|(_, uid)| uid).collect();
        agenda
    }
}

fn waiting(item: &Attributes) -> Option<Waiting> {
    Waiting::read(&read_text(item, WAITS)?, &read_text(item, LISTED)?)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use sandbox_elf::store::dynamodb::keys::{PK, SK, text};

    use super::*;

    fn item(last: char, waits: Option<&str>) -> Attributes {
        let uid = format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1{last}");
        let listed = format!("{}{uid}", keys::stamp(1));
        let mut item = Attributes::from([
            (PK.to_owned(), text(&format!("job#{uid}"))),
            (SK.to_owned(), text("a")),
            (LISTED.to_owned(), text(&listed)),
        ]);
        item.extend(waits.map(|waits| (WAITS.to_owned(), text(waits))));
        item
    }

    #[test]
    fn those_that_wait_stand_in_their_order_and_the_others_are_due() {
        let items = [
            item('1', Some("2147483647#1#slots/fargate")),
            item('2', None),
            item('3', Some("2147483640#1#slots/fargate")),
        ];
        let agenda = Agenda::of(&items);
        let ends = |all: &[Uid]| -> String {
            let last = |uid: &Uid| uid.as_str().chars().last();
            all.iter().filter_map(last).collect()
        };
        assert_eq!(
            (ends(&agenda.due), ends(&agenda.line)),
            ("2".into(), "31".into())
        );
    }

    #[test]
    fn items_of_another_kind_are_no_jobs() {
        assert!(job_of("job#a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").is_some());
        for other in ["job#x", "pool#slots/fargate", "name#a#b", ""] {
            assert_eq!(job_of(other), None, "{other}");
        }
    }
}
