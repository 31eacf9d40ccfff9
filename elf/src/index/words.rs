//! What counts as a word: the words of prose, whole identifiers, and the parts they are made of; and
//! which words stand side by side.

use tantivy::tokenizer::{
    Language, PreTokenizedStream, PreTokenizedString, Stemmer, TextAnalyzer, Token, Tokenizer,
};

/// What stands between two words that stand side by side.
const PAIR: &str = " ";
/// Longest word, in bytes. What is longer is no word but data.
const LONGEST: usize = 64;

/// Words that are in every text.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has", "have",
    "if", "in", "is", "it", "its", "not", "of", "on", "or", "so", "that", "the", "their", "then",
    "there", "this", "to", "was", "we", "when", "will", "with", "you", "your",
];

/// The words of a text in lower case: whole identifiers, and the parts that case and underscores
/// divide them into.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for token in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if is_plain(token) {
            found.push(token.to_lowercase());
            continue;
        }
        let parts = parts(token);
        if parts.len() > 1 {
            found.push(token.to_lowercase());
        }
        found.extend(parts);
    }
    found.retain(|w| !w.is_empty() && w.len() <= LONGEST && !STOP.contains(&w.as_str()));
    found
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

/// Whether this is two words that stand side by side.
pub(super) fn is_pair(word: &str) -> bool {
    word.contains(PAIR)
}

/// The words without their endings, `fails`, `failed` and `failing` are the same; and the pairs.
pub(super) fn analyzer() -> TextAnalyzer {
    let stemmer = Stemmer::new(Language::English);
    TextAnalyzer::builder(Words).filter(stemmer).build()
}

#[derive(Clone)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = PreTokenizedStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> PreTokenizedStream {
        let mut all = words(text);
        let pairs: Vec<String> = all.windows(2).map(|w| w.join(PAIR)).collect();
        all.extend(pairs);
        let numbered = all.into_iter().enumerate();
        let tokens = numbered.map(|(position, text)| Token {
            position,
            text,
            ..Token::default()
        });
        PreTokenizedString {
            text: String::new(),
            tokens: tokens.collect(),
        }
        .into()
    }
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
    fn what_is_longer_than_a_word_is_left_out() {
        assert!(words(&"x".repeat(65)).is_empty());
    }
}
