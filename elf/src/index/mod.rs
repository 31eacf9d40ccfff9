//! Proposes rules: by the words of a text, by the files they were learned at, by what they are about.
//! Held in the process's own memory, made from the rules at every start and kept in step with the log.
//! Knows nothing of use, prompts or seats.
//!
//! | file | what it is |
//! |---|---|
//! | `words` | what counts as a word |
//! | `text` | BM25 over the words of rules |
//! | `twins` | which rules may say nearly the same |
//! | `places` | which rules belong to a file, a folder, a domain, a project |

mod places;
mod text;
mod twins;
mod words;

pub use places::Places;
pub use text::{Hit, TextIndex};
pub use twins::Twins;
pub use words::words;

use crate::{
    rule::Rule,
    store::{Kept, LedgerError},
};

/// The rules of one tenant, ready to be found.
pub struct Index {
    text: TextIndex,
    places: Places,
    twins: Twins,
}

impl Index {
    /// An index of nothing.
    ///
    /// # Errors
    /// `Unavailable` when the library cannot hold one.
    pub fn new() -> Kept<Self> {
        let text = TextIndex::new().map_err(|e| broken(&e))?;
        let places = Places::default();
        Ok(Self {
            text,
            places,
            twins: Twins::default(),
        })
    }

    /// An index of these rules.
    ///
    /// # Errors
    /// As [`Index::new`].
    pub fn of<'a>(rules: impl Iterator<Item = &'a Rule>) -> Kept<Self> {
        let mut index = Self::new()?;
        rules.for_each(|rule| index.take(rule));
        Ok(index)
    }

    /// Takes a rule up, or what is new of one that is known.
    pub fn take(&mut self, rule: &Rule) {
        if self.places.take(rule) {
            // The explanation often has the words of the failure that the rule does not repeat.
            let text = format!("{} {} {}", rule.domain, rule.text, rule.explanation);
            self.text.add(rule.number, &text);
            self.twins.add(rule);
        }
    }

    /// Which rules belong where.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// Which rules may say nearly the same.
    #[must_use]
    pub const fn twins(&self) -> &Twins {
        &self.twins
    }

    /// The wanted rules whose words fit this text best.
    ///
    /// # Errors
    /// `Unavailable` when the library fails.
    pub fn best(&self, text: &str, most: usize, wanted: impl Fn(u64) -> bool) -> Kept<Vec<Hit>> {
        self.text.best(text, most, wanted).map_err(|e| broken(&e))
    }
}

fn broken(e: &tantivy::TantivyError) -> LedgerError {
    LedgerError::Unavailable(format!("searched memory's rules: {e}"))
}

#[cfg(test)]
mod tests;
