//! Texts from outside: what is refused, what is cleaned, and the names that are made of them.
//! Knows no secrets; those are found by [`crate::redact`].

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::ElfError;

/// Longest domain, in characters.
pub const MAX_DOMAIN: usize = 100;
/// Longest path of a trail, in characters.
pub const MAX_PATH: usize = 500;
/// Longest project, in characters.
pub const MAX_PROJECT: usize = 500;
/// Shortest and longest rule, in characters.
pub const RULE: std::ops::RangeInclusive<usize> = 5..=500;
/// Longest explanation, in characters.
pub const MAX_EXPLANATION: usize = 2_000;

/// Whether a character can turn, hide or forge what a reader sees: direction marks, zero-width
/// and tag characters.
#[must_use]
pub const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character may stand in a one-line text.
#[must_use]
pub fn is_plain(c: char) -> bool {
    !c.is_control() && !is_deceptive(c)
}

/// Checks one line that a person gives; gives it trimmed.
///
/// # Errors
/// It is too short or too long, has a line break, or has characters that a reader cannot see.
pub fn line(
    field: &'static str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<String, ElfError> {
    checked(field, text, length, is_plain)
}

/// The same where line breaks and tabs are fine.
///
/// # Errors
/// As [`line()`].
pub fn block(
    field: &'static str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<String, ElfError> {
    checked(field, text, length, |c| {
        is_plain(c) || c == '\n' || c == '\t'
    })
}

fn checked(
    field: &'static str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Result<String, ElfError> {
    let text = text.trim();
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        let problem = format!(
            "it has the character {}; only visible text is kept",
            bad.escape_unicode()
        );
        return Err(ElfError::invalid(field, problem));
    }
    let seen = text.chars().count();
    if !length.contains(&seen) {
        let problem = format!(
            "it has {seen} characters; {} to {} are kept",
            length.start(),
            length.end()
        );
        return Err(ElfError::invalid(field, problem));
    }
    Ok(text.to_owned())
}

/// A text as one line: every run of blanks, control and deceptive characters is one space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if is_plain(c) { c } else { ' ' });
    let spaced: String = spaced.collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most this many characters of a text.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// A domain as it is kept: lower case, spaces become dashes, all but a–z, 0–9 and dashes is
/// dropped. Nothing when nothing is left, or when it is too long.
#[must_use]
pub fn domain(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let dashed = lower.chars().map(|c| if c == ' ' { '-' } else { c });
    let slug: String = dashed
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        .collect();
    let fits = slug.len() <= MAX_DOMAIN && slug.bytes().any(|b| b != b'-');
    fits.then_some(slug)
}

/// A project as it is kept: one line, without the user part of a URL, a `.git` or `/` at its end,
/// so that the same project reads the same however it was cloned. Nothing when nothing is left.
#[must_use]
pub fn project(text: &str) -> Option<String> {
    let text = one_line(text);
    let bare = match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", without_user(rest)),
        None => text,
    };
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix(".git").unwrap_or(bare);
    (!bare.is_empty()).then(|| cut(bare, MAX_PROJECT))
}

fn without_user(rest: &str) -> &str {
    let host = rest.split('/').next().unwrap_or(rest);
    host.rfind('@').map_or(rest, |at| &rest[at + 1..])
}

/// A path as trails keep it: without `./` before it. Nothing for one that is empty, too long or not
/// plain text.
#[must_use]
pub fn path(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("./");
    let fits = !text.is_empty() && text.chars().count() <= MAX_PATH && text.chars().all(is_plain);
    fits.then(|| text.to_owned())
}

/// What two rules that say the same have in common: lower case, single spaces, no quotes, no full
/// stop. Signs within the text stay, for in code they carry the meaning.
#[must_use]
pub fn sameness(text: &str) -> String {
    let lower = one_line(text).to_lowercase();
    let bare: String = lower
        .chars()
        .filter(|c| !matches!(c, '`' | '"' | '\'' | '“' | '”' | '‘' | '’'))
        .collect();
    bare.trim_end_matches(['.', '!', ';', ',', ' ']).to_owned()
}

/// The first bytes of a hash over these parts and where each ends, in hexadecimal: the same on every node.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>, bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut hex = String::with_capacity(2 * bytes);
    for byte in digest.iter().take(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test may stop at what it did not expect"
    )]

    use super::*;

    #[test]
    fn a_domain_is_made_a_slug() {
        assert_eq!(domain("Data Lakes!").as_deref(), Some("data-lakes"));
        assert_eq!(domain("C++").as_deref(), Some("c"));
        for none in ["", "  ", "---", "日本", &"x".repeat(101)] {
            assert_eq!(domain(none), None, "{none}");
        }
    }

    #[test]
    fn one_project_has_one_name_however_it_was_cloned() {
        let same = Some("https://host/a/b".to_owned());
        for text in [
            "https://host/a/b",
            "https://host/a/b.git",
            "https://u:p@host/a/b/",
        ] {
            assert_eq!(project(text), same, "{text}");
        }
        assert_eq!(project(" "), None);
    }

    #[test]
    fn what_a_reader_cannot_see_is_refused_and_named() {
        for text in [
            "null\0byte",
            "turned\u{202e}text",
            "two\nlines",
            "zero\u{200b}width",
            "esc\u{1b}[2J",
        ] {
            let error = line("rule", text, RULE).unwrap_err().to_string();
            assert!(error.contains("character \\u{"), "{error}");
        }
        assert!(block("explanation", "two\nlines", 0..=20).is_ok());
    }

    #[test]
    fn too_short_and_too_long_texts_are_refused_with_the_bounds() {
        let error = line("rule", "abc", RULE).unwrap_err().to_string();
        assert!(error.contains("3 characters; 5 to 500"), "{error}");
        assert!(line("rule", &"x".repeat(501), RULE).is_err());
        assert!(line("rule", &"é".repeat(500), RULE).is_ok());
    }

    #[test]
    fn quotes_case_and_a_full_stop_make_no_other_rule_but_signs_do() {
        assert_eq!(sameness("Use  `?` always."), sameness("use ? always"));
        assert_ne!(sameness("use a + b"), sameness("use a - b"));
    }

    #[test]
    fn paths_that_are_no_plain_text_are_dropped() {
        assert_eq!(path("./src/main.rs").as_deref(), Some("src/main.rs"));
        for none in ["", "./", "a\nb", &"x".repeat(501)] {
            assert_eq!(path(none), None, "{none}");
        }
    }
}
