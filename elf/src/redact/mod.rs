//! Takes secrets out of texts, before they are stored and again before they reach a prompt. What is
//! found becomes `[redacted:<kind>:<hash>]`; the hash is keyed per tenant, so that equal secrets
//! stay equal and nobody without the key can try guesses. Finds known formats ([`patterns`]),
//! secret-like names with values, and what looks random ([`entropy`]); it proves nothing.

pub mod entropy;
mod marks;
mod named;
pub mod patterns;

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};
use sha2::{Digest, Sha256};

use crate::text;
use patterns::{Pattern, TABLE};

/// Longest message of a failure that is kept, in characters.
pub const MAX_MESSAGE: usize = 160;
/// Longest text that is looked at, in bytes; what follows is dropped, for it was not looked at.
const MAX_TEXT: usize = 64 * 1024;

struct Compiled {
    set: RegexSet,
    each: Vec<(&'static Pattern, Regex)>,
}

/// Compiled once. A pattern that does not compile would be left out here; a test compiles each.
static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let each: Vec<(&'static Pattern, Regex)> = TABLE
        .iter()
        .filter_map(|p| Regex::new(p.regex).ok().map(|r| (p, r)))
        .collect();
    let set = RegexSet::new(each.iter().map(|(p, _)| p.regex)).unwrap_or_default();
    Compiled { set, each }
});

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
        for place in &COMPILED.set.matches(text) {
            if let Some((pattern, regex)) = COMPILED.each.get(place) {
                clean = marks::outside(&clean, |piece| self.replace(piece, pattern, regex));
            }
        }
        let mark = |kind: &str, secret: &str| self.mark(kind, secret);
        let clean = marks::outside(&clean, |piece| named::replace(piece, mark));
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
