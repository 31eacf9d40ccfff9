//! One tenant in the process's own memory: its state with the index of its rules, kept in step with
//! the log. Reads no store by itself.

use jiff::Timestamp;

use crate::{
    entry::{Entry, Row, VERSION},
    fold,
    index::Index,
    learn::Model,
    recall::{Known, Prepared},
    redact::Redactor,
    rows,
    state::State,
    store::{Commit, Item, Kept, Kind, LedgerError, Picture, Put},
};

/// The id of the one item of its kind.
const SECRET: &str = "redaction";

/// Rules that are made ready at a time: about a millisecond to copy what they say.
const PREPARED: usize = 4_000;

/// What is known of one tenant, ready to answer.
pub struct Live {
    pub(crate) state: State,
    pub(crate) redactor: Redactor,
    index: Index,
    prepared: Prepared,
    /// The key, while no commit has carried it to the ledger.
    unsaved_key: Option<String>,
    /// Tells this picture from one that was read later.
    pub(crate) generation: u64,
    /// Commits on their way to the disk.
    pub(crate) on_the_way: u32,
    /// What these were decided on.
    picture: Picture,
}

impl Live {
    /// From a state, of which all is counted and learned again, and the key that was saved with it.
    pub(crate) fn new(
        mut state: State,
        saved: Option<String>,
        generation: u64,
        new_key: impl FnOnce() -> String,
    ) -> Self {
        let unsaved_key = if saved.is_none() {
            Some(new_key())
        } else {
            None
        };
        let key = saved.or_else(|| unsaved_key.clone()).unwrap_or_default();
        state.recount();
        let (learned, index) = side_by_side(&state);
        state.learned = learned;
        Self {
            state,
            redactor: Redactor::new(key),
            index,
            prepared: Prepared::default(),
            unsaved_key,
            generation,
            picture: Picture::default(),
            on_the_way: 0,
        }
    }

    /// What recall is given.
    pub(crate) const fn known(&self) -> Known<'_> {
        Known {
            state: &self.state,
            index: &self.index,
            prepared: &self.prepared,
            redactor: &self.redactor,
        }
    }

    /// Making ready some of what new rules are compared with, to be done apart from the picture. Nothing where all
    /// is ready.
    pub(crate) fn prepare(&self) -> Option<impl FnOnce() + Send + use<>> {
        self.index.twins().unready(&self.state.rules, PREPARED)
    }

    /// Puts entries that stand in the log into the picture.
    ///
    /// # Errors
    /// `Unreadable` when the log has a gap.
    pub(crate) fn follow(&mut self, rows: &[Row]) -> Kept<()> {
        for row in rows {
            if row.seq != self.state.head + 1 {
                return Err(gap(self.state.head, row.seq));
            }
            fold::apply(&mut self.state, row);
            self.index(row);
        }
        Ok(())
    }

    /// New entries with their places.
    pub(crate) fn rows(&self, entries: Vec<Entry>, now: Timestamp) -> Vec<Row> {
        let numbered = (self.state.head + 1..).zip(entries);
        let row = |(seq, entry)| Row {
            v: VERSION,
            seq,
            at: now,
            entry,
        };
        numbered.map(row).collect()
    }

    /// Puts new entries into the picture; gives the commit that makes them durable.
    ///
    /// # Errors
    /// `Unreadable` when something cannot be written as JSON.
    pub(crate) fn take(&mut self, rows: Vec<Row>) -> Kept<Commit> {
        let expected = self.state.head;
        let mut puts = rows::apply(&mut self.state, &rows)?;
        for row in &rows {
            self.index(row);
        }
        if !rows.is_empty() {
            puts.extend(self.unsaved_key.take().map(secret));
        }
        Ok(Commit {
            expected,
            rows,
            puts,
            picture: self.picture.clone(),
        })
    }

    /// Keeps the index in step with what an entry says of a rule.
    fn index(&mut self, row: &Row) {
        let id = match &row.entry {
            Entry::RuleAdded(added) => &added.id,
            Entry::RuleAliased { rule, .. }
            | Entry::Pinned { rule }
            | Entry::Retired { rule, .. }
            | Entry::Activated { rule }
            | Entry::Superseded { rule, .. } => rule,
            _ => return,
        };
        if let Some(rule) = self.state.rules.get(id) {
            self.index.take(rule);
        }
    }
}

/// What is believed of the rules, and their index: neither needs the other, and both take their time.
fn side_by_side(state: &State) -> (Model, Index) {
    std::thread::scope(|scope| {
        let learned = scope.spawn(|| state.believed());
        let index = Index::of(&state.rules);
        // What its thread could not do is done here.
        (learned.join().unwrap_or_else(|_| state.believed()), index)
    })
}

fn secret(key: String) -> Put {
    Put::Stands(Item {
        kind: Kind::Secret,
        id: SECRET.to_owned(),
        seq: 0,
        body: key,
    })
}

/// The key among items, where one was saved.
pub fn key(items: &[Item]) -> Option<String> {
    let saved = items.iter().find(|item| item.kind == Kind::Secret);
    saved.map(|item| item.body.clone())
}

/// What is said of a log with a hole in it.
pub fn gap(head: u64, seen: u64) -> LedgerError {
    LedgerError::Unreadable(format!(
        "read memory's log: after entry {head} came {seen}; restore it from a backup"
    ))
}
