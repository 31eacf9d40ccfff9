//! That a deployment is paused: a mark in the item of its pool of slots. Every start has to change that item, so once the
//! mark stands there no attempt begins, whoever decided it before.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use sandbox_core::{
    Uid,
    plan::Pause,
    port::{Answer, PortError},
};
use sandbox_elf::store::dynamodb::keys::{Attributes, read_text, text};

use super::{
    DynamoStore,
    calls::{self, Update, Written},
    keys::{self, PAUSED, TOLD},
    pools,
};

/// The pool of what the functions begin: tasks.
pub(super) const POOL: &str = "slots/fargate";
/// How often a mark is tried for that somebody else changed meanwhile.
const TRIES: u32 = 5;

/// Since when a deployment is paused, and what becomes of attempts at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since when.
    pub since: Timestamp,
    /// What becomes of attempts at work.
    pub how: Pause,
}

/// What the item says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// That it is paused.
    pub mark: Option<Mark>,
    /// Whether all jobs were looked at since, and say so.
    pub told: bool,
    /// Jobs at work.
    pub at_work: Vec<Uid>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            Pause::Drain => "drain",
            Pause::Now => "now",
        };
        write!(f, "{how} {}", self.since)
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no mark of a pause that this release knows");
        let (how, since) = text.split_once(' ').ok_or_else(bad)?;
        let how = match how {
            "drain" => Pause::Drain,
            "now" => Pause::Now,
            _ => return Err(bad()),
        };
        let since = since.parse().map_err(|_| bad())?;
        Ok(Self { since, how })
    }
}

/// Whether the pool of this item gives nothing now.
pub(super) fn is_closed(item: &Attributes) -> bool {
    item.contains_key(PAUSED)
}

impl Standing {
    fn of(item: &Attributes) -> Answer<Self> {
        let said = read_text(item, PAUSED);
        let mark = said.as_deref().map(str::parse).transpose();
        let mark = mark.map_err(|e: String| PortError::Unknown(format!("read the pause: {e}")))?;
        Ok(Self {
            told: said.is_some() && said == read_text(item, TOLD),
            mark,
            at_work: pools::holders(item)
                .into_iter()
                .map(|(uid, _)| uid)
                .collect(),
        })
    }
}

/// A change of the mark, where this mark stands.
fn change<'a>(stands: Option<Mark>, how: &str, to: Option<Mark>) -> Update<'a> {
    let mut values = Vec::new();
    let condition = match stands {
        Some(mark) => {
            values.push((":stands", text(&mark.to_string())));
            "#u = :stands"
        }
        None => "attribute_not_exists(#u)",
    };
    values.extend(to.map(|mark| (":to", text(&mark.to_string()))));
    Update {
        key: keys::pool(POOL),
        change: how.to_owned(),
        condition: condition.to_owned(),
        name: PAUSED,
        values,
    }
}

impl DynamoStore {
    /// What stands there of a pause, and who is at work.
    ///
    /// # Errors
    /// The table cannot be asked, or a newer release paused.
    pub async fn standing(&self) -> Answer<Standing> {
        let item = self.table.get(&keys::pool(POOL)).await;
        Standing::of(&item.map_err(calls::port)?.unwrap_or_default())
    }

    /// Has no attempt begin from now on; gives the mark that stands. One that stops attempts at work stays so.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn pause(&self, how: Pause, now: Timestamp) -> Answer<Mark> {
        for _ in 0..TRIES {
            let stands = self.standing().await?.mark;
            if let Some(mark) = stands.filter(|m| m.how == how || m.how == Pause::Now) {
                return Ok(mark);
            }
            let mark = Mark { since: now, how };
            let asked = change(stands, "SET #u = :to", Some(mark));
            if let Written::Done = calls::update(&self.table, &asked).await? {
                return Ok(mark);
            }
        }
        Err(often("paused"))
    }

    /// Has attempts begin again.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn go_on(&self) -> Answer<()> {
        for _ in 0..TRIES {
            let Some(mark) = self.standing().await?.mark else {
                return Ok(());
            };
            let asked = change(Some(mark), &format!("REMOVE #u, {TOLD}"), None);
            if let Written::Done = calls::update(&self.table, &asked).await? {
                return Ok(());
            }
        }
        Err(often("resumed"))
    }

    /// Writes down that all jobs were looked at under this mark, unless another stands by now; gives back what a process
    /// held that died in the middle of a save.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn told_of(&self, mark: Mark) -> Answer<()> {
        self.look_through(POOL).await?;
        let asked = change(Some(mark), &format!("SET {TOLD} = :stands"), None);
        calls::update(&self.table, &asked).await.map(|_| ())
    }
}

fn often(what: &str) -> PortError {
    PortError::Unknown(format!(
        "{what} the deployment: the mark is being changed too often; ask again"
    ))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written_and_one_of_a_newer_release_is_told() {
        for how in [Pause::Drain, Pause::Now] {
            let since = Timestamp::UNIX_EPOCH;
            let mark = Mark { since, how };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for odd in ["", "drain", "slowly 1970-01-01T00:00:00Z", "now then"] {
            let item = Attributes::from([(PAUSED.to_owned(), text(odd))]);
            assert!(Standing::of(&item).is_err(), "{odd}");
        }
    }

    #[test]
    fn all_jobs_were_told_of_a_mark_only_where_it_is_the_same() {
        let since = Timestamp::UNIX_EPOCH;
        let [drain, now] = [Pause::Drain, Pause::Now].map(|how| Mark { since, how }.to_string());
        let told = |stands: Option<&str>, told: &str| {
            let mut item = Attributes::from([(TOLD.to_owned(), text(told))]);
            item.extend(stands.map(|s| (PAUSED.to_owned(), text(s))));
            Standing::of(&item).unwrap().told
        };
        assert!(told(Some(&drain), &drain));
        assert!(!told(Some(&now), &drain) && !told(None, &drain));
    }
}
