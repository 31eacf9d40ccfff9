//! Takes secrets out of texts, before they are stored and again before they reach a prompt. What is
//! found becomes `[redacted:<kind>:<hash>]`; the hash is keyed per tenant, so that equal secrets
//! stay equal and nobody without the key can try guesses. It proves nothing.
//!
//! | file | what it finds |
//! |---|---|
//! | `patterns` | the formats of those who issue keys |
//! | `forms` | secrets told by what stands around them, or by more than one part |
//! | `named` | values under names such as `password` |
//! | `beside` | keys without a form of their own, beside the name of who issues them |
//! | `entropy` | what looks random |
//! | `look` | how a key looks that follows no format |
//! | `marks` | what stands where a secret was |

mod beside;
pub mod entropy;
pub mod forms;
mod look;
mod marks;
mod named;
pub mod patterns;

use std::sync::LazyLock;

use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

use crate::text;
use patterns::Pattern;

/// Longest message of a failure that is kept, in characters.
pub const MAX_MESSAGE: usize = 160;
/// Longest text that is looked at, in bytes; what follows is dropped, for it was not looked at.
const MAX_TEXT: usize = 64 * 1024;

/// Compiled once, each for itself: one automaton of them all outgrows its cache, and is several times slower. A pattern
/// that does not compile would be left out here; a test compiles each.
static COMPILED: LazyLock<Vec<(&'static Pattern, Regex)>> = LazyLock::new(|| {
    tables()
        .filter_map(|p| Regex::new(p.regex).ok().map(|r| (p, r)))
        .collect()
});

/// All formats, in the order in which they are applied.
fn tables() -> impl Iterator<Item = &'static Pattern> {
    forms::TABLE.iter().chain(patterns::TABLE)
}

/// Takes secrets out of texts of one tenant.
#[derive(Clone)]
pub struct Redactor {
    key: String,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// With the tenant's key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into() }
    }

    /// The text without its secrets. Cleaning what is clean changes nothing.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let text = bounded(text);
        let mut clean = text.to_owned();
        let found = COMPILED.iter().filter(|(_, regex)| regex.is_match(text));
        for (pattern, regex) in found {
            clean = marks::outside(&clean, |piece| self.replace(piece, pattern, regex));
        }
        let mark = |kind: &str, secret: &str| self.mark(kind, secret);
        let clean = marks::outside(&clean, |piece| named::replace(piece, mark));
        let clean = marks::outside(&clean, |piece| beside::replace(piece, mark));
        marks::outside(&clean, |piece| entropy::replace(piece, mark))
    }

    /// A failure's message as it is kept: the first line that says something, without secrets, at
    /// most [`MAX_MESSAGE`] characters.
    #[must_use]
    pub fn message(&self, text: &str) -> Option<String> {
        // Secrets of several lines are found only in the whole.
        let clean = self.clean(text);
        let first = clean.lines().map(text::one_line).find(|l| !l.is_empty())?;
        Some(text::cut(&first, MAX_MESSAGE))
    }

    /// A project as it is kept and asked for: see [`text::project`].
    #[must_use]
    pub fn project(&self, text: &str) -> Option<String> {
        let named = text::project(text)?;
        Some(text::cut(&self.clean(&named), text::MAX_PROJECT))
    }

    /// A domain as it is kept: see [`text::domain`]. A slug is in lower case and without signs, and no secret can be
    /// told any more, so they are taken out before.
    #[must_use]
    pub fn domain(&self, text: &str) -> Option<String> {
        text::domain(&self.clean(text))
    }

    fn replace(&self, text: &str, pattern: &Pattern, regex: &Regex) -> String {
        let one = |found: &Captures<'_>| -> String {
            let whole = found.get(0).map_or("", |m| m.as_str());
            let secret = found.get(1).map_or(whole, |m| m.as_str());
            if !(pattern.holds)(secret) {
                return whole.to_owned();
            }
            whole.replacen(secret, &self.mark(pattern.kind, secret), 1)
        };
        regex.replace_all(text, one).into_owned()
    }

    fn mark(&self, kind: &str, secret: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key.len().to_be_bytes());
        hash.update(&self.key);
        hash.update(secret);
        marks::mark(kind, &hash.finalize())
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
