//! How alike two rules are, and whether they say the opposite. Pure, without a model: by their words.

use std::collections::BTreeSet;

use crate::{
    index::{self, hash_of_word as hash},
    learn::normal::mixed,
};

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

/// The runs of three words of a text, each by its hash, in order and each once; all of it where it is
/// shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shingles(Vec<u64>);

impl Shingles {
    /// The runs of a text.
    pub fn of(text: &str) -> Self {
        let mut words: Vec<u64> = Vec::new();
        index::each_word(text, |word| words.push(hash(word)));
        if words.len() < 3 {
            return Self(vec![run(&words)]);
        }
        let mut runs: Vec<u64> = words.windows(3).map(run).collect();
        runs.sort_unstable();
        runs.dedup();
        Self(runs)
    }

    /// The smallest of the hashes.
    pub fn smallest(&self, most: usize) -> &[u64] {
        &self.0[..most.min(self.0.len())]
    }

    /// How much two texts share, 0 to 1 (Jaccard's measure).
    pub fn overlap(&self, other: &Self) -> f64 {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (mut mine, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        let mut shared = 0;
        while let ([a, one @ ..], [b, two @ ..]) = (mine, theirs) {
            shared += usize::from(a == b);
            mine = if a <= b { one } else { mine };
            theirs = if b <= a { two } else { theirs };
        }
        let all = self.0.len() + other.0.len() - shared;
        count(shared) / count(all).max(1.0)
    }
}

/// The hash of a run of hashes.
#[inline]
pub fn run(hashes: &[u64]) -> u64 {
    hashes.iter().fold(0, |all, one| mixed(all ^ one))
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
    about: Content,
    is_against: bool,
    /// What is preferred, and to what.
    prefers: Option<(Content, Content)>,
}

/// The words that say what something is about, each by its hash, in order and each once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content(Vec<u64>);

impl Stance {
    /// The stance of a text.
    pub fn of(text: &str) -> Self {
        let mut text = text.to_lowercase();
        text.retain(|c| c != '\'' && c != '\u{2019}');
        let turns = words(&text).filter(|w| NOT.contains(w)).count();
        Self {
            about: Content::of(&text),
            is_against: turns % 2 == 1,
            prefers: OVER.iter().find_map(|over| preferred(&text, over)),
        }
    }

    /// Whether one cannot do both: the same with and without a not, or a preference turned round.
    pub fn contradicts(&self, other: &Self) -> bool {
        if let (Some((a, b)), Some((x, y))) = (&self.prefers, &other.prefers) {
            let named = !a.0.is_empty() && !b.0.is_empty() && a != b;
            return named && a == y && b == x;
        }
        self.is_against != other.is_against
            && self.about.0.len() >= LEAST
            && self.about == other.about
    }
}

fn preferred(text: &str, over: &str) -> Option<(Content, Content)> {
    let (one, other) = text.split_once(over)?;
    let mut one = Content::of(one);
    one.0.retain(|word| *word != hash("prefer"));
    Some((one, Content::of(other)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|w| !w.is_empty())
}

impl Content {
    fn of(text: &str) -> Self {
        let says = |w: &&str| !NOT.contains(w) && !FILL.contains(w);
        let mut found: Vec<u64> = words(text).filter(says).map(hash).collect();
        found.sort_unstable();
        found.dedup();
        Self(found)
    }
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
