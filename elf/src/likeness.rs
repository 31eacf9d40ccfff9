//! How alike two rules are, and whether they say the opposite. Pure, without a model: by their words.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::index;

/// Words that turn what is said round.
const NOT: [&str; 6] = ["never", "not", "dont", "avoid", "no", "cannot"];
/// Words that say how strongly, and nothing of what.
const FILL: [&str; 16] = [
    "always", "do", "does", "must", "should", "please", "a", "an", "the", "to", "be", "is", "are",
    "in", "of", "use",
];
/// Words between what is preferred and what it is preferred to.
const OVER: [&str; 3] = [" over ", " instead of ", " rather than "];
/// Fewest words that a rule must be about for it to have an opposite.
const LEAST: usize = 2;

/// The runs of three words of a text, each by its hash; all of it where it is shorter.
pub fn shingles(text: &str) -> BTreeSet<u64> {
    let words = index::words(text);
    if words.len() < 3 {
        return BTreeSet::from([hash(&words)]);
    }
    words.windows(3).map(hash).collect()
}

/// The same within a process, and for nothing outside of it.
fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

/// How much two texts share, 0 to 1 (Jaccard's measure).
pub fn overlap(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let shared = one.intersection(other).count();
    let all = one.len() + other.len() - shared;
    count(shared) / count(all).max(1.0)
}

/// The words with a digit in them: rules that differ in these differ.
pub fn figures(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let with_digit = words.filter(|w| w.chars().any(|c| c.is_ascii_digit()));
    with_digit.map(str::to_lowercase).collect()
}

/// What a rule is about, and on which side it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stance {
    about: BTreeSet<String>,
    is_against: bool,
    /// What is preferred, and to what.
    prefers: Option<(BTreeSet<String>, BTreeSet<String>)>,
}

impl Stance {
    /// The stance of a text.
    pub fn of(text: &str) -> Self {
        let text = text.to_lowercase().replace(['\'', '\u{2019}'], "");
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| !w.is_empty())
            .collect();
        let turns = words.iter().filter(|w| NOT.contains(w)).count();
        Self {
            about: content(&text),
            is_against: turns % 2 == 1,
            prefers: OVER.iter().find_map(|over| preferred(&text, over)),
        }
    }

    /// Whether one cannot do both: the same with and without a not, or a preference turned round.
    pub fn contradicts(&self, other: &Self) -> bool {
        if let (Some((a, b)), Some((x, y))) = (&self.prefers, &other.prefers) {
            let named = !a.is_empty() && !b.is_empty() && a != b;
            return named && a == y && b == x;
        }
        self.is_against != other.is_against
            && self.about.len() >= LEAST
            && self.about == other.about
    }
}

fn preferred(text: &str, over: &str) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let (one, other) = text.split_once(over)?;
    let mut one = content(one);
    one.remove("prefer");
    Some((one, content(other)))
}

fn content(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let says = |w: &&str| !w.is_empty() && !NOT.contains(w) && !FILL.contains(w);
    words.filter(says).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opposite(one: &str, other: &str) -> bool {
        let (one, other) = (Stance::of(one), Stance::of(other));
        assert_eq!(one.contradicts(&other), other.contradicts(&one));
        one.contradicts(&other)
    }

    #[test]
    fn the_same_with_and_without_a_not_is_a_contradiction() {
        assert!(opposite(
            "Always mock the clock in tests.",
            "Never mock the clock in tests"
        ));
        assert!(opposite("Do commit lock files", "Don't commit lock files"));
        assert!(opposite(
            "Squash the merge commits",
            "Do not squash merge commits"
        ));
        assert!(opposite(
            "Prefer tabs over spaces",
            "prefer spaces over tabs."
        ));
        assert!(opposite(
            "Use rebase instead of merge",
            "Use merge rather than rebase"
        ));
    }

    #[test]
    fn what_is_about_something_else_or_agrees_is_none() {
        assert!(!opposite("Always mock the clock", "Never mock the network"));
        assert!(!opposite("Never mock the clock", "Do not mock the clock"));
        assert!(!opposite(
            "Prefer tabs over spaces",
            "Prefer tabs over commas"
        ));
        assert!(!opposite("Always", "Never"));
        assert!(!opposite(
            "Do not avoid panics in tests",
            "Allow panics in tests"
        ));
    }

    #[test]
    fn figures_tell_rules_apart() {
        assert_ne!(
            figures("wait 30 seconds for E0308"),
            figures("wait 300 seconds for E0308")
        );
        assert_eq!(figures("no number here"), BTreeSet::new());
    }
}
