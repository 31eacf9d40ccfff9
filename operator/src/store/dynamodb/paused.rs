//! That a deployment is paused: a mark in each page of its pool of slots. Every start has to change one of them, so once the
//! mark stands in all no attempt begins, whoever decided it before. That is when the pause is in force; whoever decides
//! from what stands there begins nothing from the first mark on. It is put into the first page first and taken out of it
//! last, so one that was stopped in the middle is told by the first page, and done to its end by whoever asks again.

use std::{collections::BTreeSet, fmt, str::FromStr};

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
    pages::Pages,
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

/// What the pages say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// That it is paused, or is being paused.
    pub mark: Option<Mark>,
    /// Whether the mark stands in every page, so that no attempt can begin.
    pub in_force: bool,
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

fn marked(page: &Attributes) -> Answer<Option<Mark>> {
    let said = read_text(page, PAUSED);
    let mark = said.as_deref().map(str::parse).transpose();
    mark.map_err(|e: String| PortError::Unknown(format!("read the pause: {e}")))
}

impl Standing {
    fn of(pages: &Pages) -> Answer<Self> {
        let marks = pages.each().map(|(_, page)| marked(page));
        let marks = marks.collect::<Answer<Vec<_>>>()?;
        let mark = marks.iter().flatten().next().copied();
        let in_force = marks.iter().all(Option::is_some);
        let first = pages.each().next();
        let told = first.and_then(|(_, page)| read_text(page, TOLD));
        let at_work: BTreeSet<Uid> = pages.holders().into_iter().map(|h| h.uid).collect();
        Ok(Self {
            mark,
            in_force,
            told: in_force && told == mark.map(|mark| mark.to_string()),
            at_work: at_work.into_iter().collect(),
        })
    }
}

/// A change of the mark in a page, where this mark stands.
fn change<'a>(page: u8, stands: Option<Mark>, how: &str, to: Option<Mark>) -> Update<'a> {
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
        key: keys::pool(POOL, page),
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
        Standing::of(&*self.pages(POOL).await?)
    }

    /// Has no attempt begin from now on; gives the mark that stands. One that stops attempts at work stays so.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn pause(&self, how: Pause, now: Timestamp) -> Answer<Mark> {
        for _ in 0..TRIES {
            let pages = self.pages(POOL).await?;
            let stands = Standing::of(&pages)?.mark;
            let stands = stands.filter(|m| m.how == how || m.how == Pause::Now);
            let mark = stands.unwrap_or(Mark { since: now, how });
            let mut changes = Vec::new();
            for (page, item) in pages.each() {
                let stands = marked(item)?;
                // The others are closed by any mark; what it says is said by the first.
                if stands.is_none() || (page == 0 && stands != Some(mark)) {
                    changes.push(change(page, stands, "SET #u = :to", Some(mark)));
                }
            }
            if changes.is_empty() {
                return Ok(mark);
            }
            self.change_all(&changes).await?;
        }
        Err(often("paused"))
    }

    /// Has attempts begin again.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn go_on(&self) -> Answer<()> {
        for _ in 0..TRIES {
            let pages = self.pages(POOL).await?;
            let mut changes = Vec::new();
            for (page, item) in pages.each().rev() {
                if let Some(mark) = marked(item)? {
                    let how = format!("REMOVE #u, {TOLD}");
                    changes.push(change(page, Some(mark), &how, None));
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            self.change_all(&changes).await?;
        }
        Err(often("resumed"))
    }

    /// Makes these changes in their order, up to one that somebody else was before.
    async fn change_all(&self, changes: &[Update<'_>]) -> Answer<()> {
        for change in changes {
            if let Written::Stands(_) = calls::update(&self.table, change).await? {
                break;
            }
        }
        Ok(())
    }

    /// Writes down that all jobs were looked at under this mark, which was in force then, unless another stands by now;
    /// gives back what a process held that died in the middle of a save.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn told_of(&self, mark: Mark) -> Answer<()> {
        let pages = self.pages(POOL).await?;
        self.look_through(POOL, &pages).await?;
        let asked = change(0, Some(mark), &format!("SET {TOLD} = :stands"), None);
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
    use super::{super::pages::PAGES, *};

    #[test]
    fn a_mark_is_read_as_it_is_written_and_one_of_a_newer_release_is_told() {
        for how in [Pause::Drain, Pause::Now] {
            let since = Timestamp::UNIX_EPOCH;
            let mark = Mark { since, how };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for odd in ["", "drain", "slowly 1970-01-01T00:00:00Z", "now then"] {
            assert!(Standing::of(&pages(&[Some(odd)], None)).is_err(), "{odd}");
        }
    }

    /// Pages in which these marks stand, and of which all were told.
    fn pages(marks: &[Option<&str>], told: Option<&str>) -> Pages {
        let page = |(page, mark): (u8, Option<&str>)| {
            let mut item = keys::pool(POOL, page).attributes();
            item.extend(mark.map(|mark| (PAUSED.to_owned(), text(mark))));
            item.extend(told.map(|told| (TOLD.to_owned(), text(told))));
            item
        };
        Pages::of((0..).zip(marks.iter().copied()).map(page).collect())
    }

    #[test]
    fn all_jobs_were_told_of_a_mark_only_where_it_is_the_same() {
        let since = Timestamp::UNIX_EPOCH;
        let [drain, now] = [Pause::Drain, Pause::Now].map(|how| Mark { since, how }.to_string());
        let told = |stands, told| {
            let pages = pages(&[stands; PAGES as usize], Some(told));
            Standing::of(&pages).unwrap().told
        };
        assert!(told(Some(&*drain), &*drain));
        assert!(!told(Some(&*now), &*drain) && !told(None, &*drain));
    }

    #[test]
    fn a_pause_is_in_force_when_every_page_is_marked_and_closes_from_the_first_on() {
        let since = Timestamp::UNIX_EPOCH;
        let mark = Mark {
            since,
            how: Pause::Drain,
        };
        let text = mark.to_string();
        for marked in 0..=usize::from(PAGES) {
            let mut marks = [None; PAGES as usize];
            marks[..marked].fill(Some(&*text));
            let pages = pages(&marks, Some(&text));
            let standing = Standing::of(&pages).unwrap();
            let all = marked == usize::from(PAGES);
            assert_eq!((standing.in_force, standing.told), (all, all), "{marked}");
            assert_eq!(standing.mark, (marked > 0).then_some(mark), "{marked}");
            assert_eq!(pages.is_closed(), marked > 0, "{marked}");
        }
    }
}
