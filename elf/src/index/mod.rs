//! Proposes rules: by the words of a text, by the files they were learned at, by what they are about.
//! Held in the process's own memory, made from the rules at every start and kept in step with the log.
//! Knows nothing of use, prompts or seats.
//!
//! | file | what it is |
//! |---|---|
//! | `words` | what counts as a word |
//! | `text` | BM25 over the words of rules |
//! | `piece` | which texts have a word, or a pair of words |
//! | `best` | the best of what is found |
//! | `twins` | which rules may say nearly the same |
//! | `places` | which rules belong to a file, a folder, a domain, a project |

mod best;
mod piece;
mod places;
mod text;
mod twins;
mod words;

pub use places::Places;
pub use text::{Hit, Text, TextIndex};
pub use twins::Twins;
pub use words::{each as each_word, hash as hash_of_word, words};

use crate::{rule::Rule, rules::Rules};

/// The rules of one tenant, ready to be found.
pub struct Index {
    text: TextIndex,
    places: Places,
    twins: Twins,
}

impl Index {
    /// An index of these rules.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let (places, text) = std::thread::scope(|scope| {
            let places = scope.spawn(|| Places::of(rules));
            let text = TextIndex::of(rules.values().as_slice(), searched);
            // What its thread could not do is done here.
            (places.join().unwrap_or_else(|_| Places::of(rules)), text)
        });
        Self {
            text,
            places,
            twins: Twins::default(),
        }
    }

    /// Takes a rule up, or what is new of one that is known.
    pub fn take(&mut self, rule: &Rule) {
        if self.places.take(rule) {
            self.text.add(searched(rule));
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
    #[must_use]
    pub fn best(&self, text: &str, most: usize, wanted: impl Fn(u64) -> bool) -> Vec<Hit> {
        self.text.best(text, most, wanted)
    }
}

/// What a rule is found by. The explanation often has the words of the failure that it does not repeat.
fn searched(rule: &Rule) -> Text<'_> {
    Text {
        number: rule.number,
        parts: [&rule.domain, &rule.text, &rule.explanation],
    }
}

#[cfg(test)]
mod tests;
