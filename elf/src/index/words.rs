//! What counts as a word: the words of prose, whole identifiers, and the parts they are made of; and
//! which words stand side by side.

use std::{hash::Hasher, sync::LazyLock};

use frostem::{Algorithm, Stemmer};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::learn::normal::mixed;

/// Most words of which the stem is kept.
const MOST_KNOWN: usize = 100_000;
/// Longest word, in bytes. What is longer is no word but data.
const LONGEST: usize = 64;

/// Words that are in every text.
const STOP: [&str; 38] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has", "have",
    "if", "in", "is", "it", "its", "not", "of", "on", "or", "so", "that", "the", "their", "then",
    "there", "this", "to", "was", "we", "when", "will", "with", "you", "your",
];

/// The same, packed: every word of every text is looked up among them.
static PACKED: LazyLock<FxHashSet<u64>> =
    LazyLock::new(|| STOP.iter().filter_map(|word| packed(word)).collect());

#[inline]
fn is_stop(word: &str) -> bool {
    packed(word).is_some_and(|word| PACKED.contains(&word))
}

/// A short word as a number; nothing for one that is longer than any of [`STOP`].
#[inline]
fn packed(word: &str) -> Option<u64> {
    let fits = word.len() <= 5;
    fits.then(|| word.bytes().fold(0, |all, byte| all << 8 | u64::from(byte)))
}

/// The words of a text in lower case: whole identifiers, and the parts that case and underscores
/// divide them into.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    each(text, |word| found.push(word.to_owned()));
    found
}

/// The same one by one, without keeping them.
pub fn each(text: &str, mut word: impl FnMut(&str)) {
    let mut one = |found: &str| {
        if !found.is_empty() && found.len() <= LONGEST && !is_stop(found) {
            word(found);
        }
    };
    let mut rest = text;
    while let Some((found, is_lower, after)) = run(rest) {
        if is_lower {
            one(found);
        } else {
            tokens(found, &mut one);
        }
        rest = after;
    }
}

/// The next bytes that no sign of ASCII divides, whether they are lower-case letters and digits of ASCII alone, and
/// what follows them. Most words are told from the others by their bytes.
#[inline]
fn run(text: &str) -> Option<(&str, bool, &str)> {
    let bytes = text.as_bytes();
    let from = bytes
        .iter()
        .position(|b| KINDS[usize::from(*b)] != DIVIDES)?;
    let mut seen = 0;
    let mut within = |b: &u8| {
        let kind = KINDS[usize::from(*b)];
        seen |= kind;
        kind != DIVIDES
    };
    let length = bytes[from..].iter().take_while(|b| within(b)).count();
    // ASCII stands on both sides of each bound.
    let (run, after) = text.get(from..)?.split_at_checked(length)?;
    Some((run, seen == LOWER, after))
}

/// What a byte is to a word, as bits.
static KINDS: [u8; 256] = kinds();
const DIVIDES: u8 = 0;
const LOWER: u8 = 1;
const OTHER: u8 = 2;

const fn kinds() -> [u8; 256] {
    let mut kinds = [OTHER; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            kinds[byte as usize] = LOWER;
        } else if !(byte.is_ascii_uppercase() || byte == b'_') {
            kinds[byte as usize] = DIVIDES;
        }
        byte += 1;
    }
    kinds
}

/// The words of a run that has capitals, underscores or letters beyond ASCII.
fn tokens(run: &str, one: &mut impl FnMut(&str)) {
    for token in run.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if is_plain(token) {
            one(&token.to_lowercase());
            continue;
        }
        let parts = parts(token);
        if parts.len() > 1 {
            one(&token.to_lowercase());
        }
        for part in &parts {
            one(part);
        }
    }
}

/// Whether it has no parts: most words do not.
fn is_plain(token: &str) -> bool {
    !token.contains('_') && !token.chars().skip(1).any(char::is_uppercase)
}

/// `parseHTTPHeader_v2` → parse, http, header, v2.
fn parts(token: &str) -> Vec<String> {
    let chars: Vec<char> = token.chars().collect();
    let mut parts = vec![String::new()];
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1);
        let rises = c.is_uppercase() && before.is_some_and(|b| !b.is_uppercase());
        let word_after_capitals = c.is_uppercase()
            && before.is_some_and(char::is_uppercase)
            && after.is_some_and(|a| a.is_lowercase());
        if *c == '_' || rises || word_after_capitals {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| *c != '_') {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|p| !p.is_empty());
    parts
}

/// What is looked for, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Term {
    /// A word without its ending: `fails`, `failed` and `failing` are the same.
    Word(u64),
    /// Two words that stand side by side.
    Pair(u64),
}

impl Term {
    pub(super) const fn is_pair(self) -> bool {
        matches!(self, Self::Pair(_))
    }
}

/// The hash of two words that stand side by side.
#[inline]
pub(super) const fn pair(one: u64, other: u64) -> u64 {
    mixed(mixed(one) ^ other)
}

/// Takes endings off. Words that came once are known by their hash.
#[derive(Default)]
pub(super) struct Stems(FxHashMap<u64, u64>);

impl Stems {
    /// Adds the words of a text, each by the hash of its stem.
    pub(super) fn of(&mut self, text: &str, found: &mut Vec<u64>) {
        let stemmer = Stemmer::new(Algorithm::English);
        if self.0.len() > MOST_KNOWN {
            self.0.clear();
        }
        each(text, |word| {
            let known = self.0.entry(hash(word));
            found.push(*known.or_insert_with(|| hash(&stemmer.stem(word))));
        });
    }

    /// What there is to look for in a text, each once.
    pub(super) fn terms(&mut self, text: &str) -> Vec<Term> {
        let mut words = Vec::new();
        self.of(text, &mut words);
        let pairs = words.windows(2).map(|two| Term::Pair(pair(two[0], two[1])));
        let mut terms: Vec<Term> = pairs.collect();
        terms.extend(words.into_iter().map(Term::Word));
        terms.sort_unstable();
        terms.dedup();
        terms
    }
}

/// The hash of a word: the same in every process, and on every machine of this byte order.
#[must_use]
#[inline]
pub fn hash(word: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(word.as_bytes());
    mixed(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_found_whole_and_by_their_parts() {
        let found = words("call parseHTTPHeader_v2() in my_mod");
        for word in [
            "parsehttpheader_v2",
            "parse",
            "http",
            "header",
            "v2",
            "my_mod",
            "my",
            "mod",
            "call",
        ] {
            assert!(found.iter().any(|f| f == word), "{word} in {found:?}");
        }
    }

    #[test]
    fn words_that_differ_in_their_endings_are_one_whether_they_came_before_or_not() {
        let mut stems = Stems::default();
        let first = stems.terms("failing retries");
        assert_eq!(first, stems.terms("fails retry"));
        assert_eq!(first, stems.terms("failing retries"));
        assert_ne!(first, stems.terms("retry fails"));
        assert_eq!(first.iter().filter(|term| term.is_pair()).count(), 1);
        assert!(stems.terms("of the").is_empty());
    }

    #[test]
    fn letters_beyond_ascii_are_letters_and_signs_beyond_it_divide() {
        let found = words("two Größen—naïveCafé,x_Ü\u{3000}3½ 東京…ok");
        let wanted = [
            "two",
            "größen",
            "naïvecafé",
            "naïve",
            "café",
            "x_ü",
            "x",
            "ü",
            "3½",
            "東京",
            "ok",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_longer_than_a_word_is_left_out() {
        assert!(words(&"x".repeat(65)).is_empty());
    }
}
