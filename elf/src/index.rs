//! Finds rules by their words: BM25 over words and the parts of identifiers, in the process's own
//! memory, rebuilt from the rules at every start. Ranks by words alone and knows nothing of use.
//!
//! A plain inverted index: right for tens of thousands of rules. For more, a search library takes
//! its place behind the same two functions.

use std::collections::{BTreeMap, HashMap};

/// BM25's usual parameters: how soon repeated words stop to count, and how much length counts.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Most different words of a query; the rest of a long text adds little.
const MAX_QUERY_WORDS: usize = 256;

/// Words that are in every text.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has", "have",
    "if", "in", "is", "it", "its", "not", "of", "on", "or", "so", "that", "the", "their", "then",
    "there", "this", "to", "was", "we", "when", "will", "with", "you", "your",
];

/// An index of texts by their number.
#[derive(Clone, Debug, Default)]
pub struct Index {
    postings: HashMap<String, Vec<(u64, u32)>>,
    lengths: BTreeMap<u64, u32>,
    words: u64,
}

impl Index {
    /// Adds a text. A number is added once.
    pub fn add(&mut self, number: u64, text: &str) {
        let words = words(text);
        let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
        for (word, count) in counts {
            self.postings.entry(word).or_default().push((number, count));
        }
        self.lengths.insert(number, length);
        self.words += u64::from(length);
    }

    /// How well each text that shares a word with the query fits it; more is better, from 0.
    #[must_use]
    pub fn scores(&self, query: &str) -> BTreeMap<u64, f64> {
        let mut asked = words(query);
        asked.sort();
        asked.dedup();
        // The rarest words say most, should there be too many.
        asked.sort_by_key(|w| self.postings.get(w).map_or(usize::MAX, Vec::len));
        asked.truncate(MAX_QUERY_WORDS);
        let mut scores = BTreeMap::new();
        for word in &asked {
            self.score_word(word, &mut scores);
        }
        scores
    }

    fn score_word(&self, word: &str, scores: &mut BTreeMap<u64, f64>) {
        let Some(postings) = self.postings.get(word) else {
            return;
        };
        let (all, with) = (
            float(self.lengths.len() as u64),
            float(postings.len() as u64),
        );
        let rarity = ((all - with + 0.5) / (with + 0.5)).ln_1p();
        let average = float(self.words.max(1)) / all.max(1.0);
        for (number, count) in postings {
            let length = f64::from(self.lengths.get(number).copied().unwrap_or_default());
            let count = f64::from(*count);
            let weight = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / average));
            *scores.entry(*number).or_default() += rarity * weight;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn float(n: u64) -> f64 {
    n as f64
}

/// The words of a text in lower case: whole identifiers, and the parts that case and underscores
/// divide them into.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for token in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
        let parts = parts(token);
        if parts.len() > 1 {
            found.push(token.to_lowercase());
        }
        found.extend(parts);
    }
    found.retain(|w| !w.is_empty() && w.len() <= 64 && !STOP.contains(&w.as_str()));
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    fn best(index: &Index, query: &str) -> Option<u64> {
        let scores = index.scores(query);
        let best = scores.iter().max_by(|a, b| a.1.total_cmp(b.1));
        best.map(|(number, _)| *number)
    }

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
    fn the_text_that_shares_the_rarer_words_is_best() {
        let mut index = Index::default();
        index.add(1, "Run the linter before every commit");
        index.add(2, "Run migrations before every deploy");
        index.add(3, "Retry the upload after a timeout");
        assert_eq!(
            best(&index, "the deploy failed: relation missing, migrations?"),
            Some(2)
        );
        assert_eq!(best(&index, "lint errors from the linter"), Some(1));
        assert_eq!(best(&index, "UploadTimeout"), Some(3));
    }

    #[test]
    fn a_query_without_a_common_word_finds_nothing() {
        let mut index = Index::default();
        index.add(1, "Run the linter before every commit");
        assert!(index.scores("the and of to").is_empty());
        assert!(index.scores("quantum chromodynamics").is_empty());
        assert!(Index::default().scores("linter").is_empty());
    }
}
