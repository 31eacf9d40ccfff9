//! The markers by which work states what it learned: `[LEARNED:domain] text`. Reads one strictly;
//! a line that is not quite one is none.

use crate::text;

/// Most lessons of one attempt.
pub const MAX_LESSONS: usize = 50;
/// How a marker begins.
const MARK: &str = "[LEARNED:";

/// What one marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The domain as a slug.
    pub domain: String,
    /// The text, one line.
    pub text: String,
}

/// Reads one marker. Nothing when the domain has no letter or digit, or is longer than 100; when
/// the text is shorter than 5 or longer than 500 characters, has more than one line or characters
/// that a reader cannot see; or when there is another marker in it. `slug` makes a domain of what is
/// said to be one.
#[must_use]
pub fn parse(line: &str, slug: impl Fn(&str) -> Option<String>) -> Option<Learned> {
    let (domain, said) = line.trim().strip_prefix(MARK)?.split_once(']')?;
    if domain.chars().count() > text::MAX_DOMAIN || said.contains(MARK) {
        return None;
    }
    let domain = slug(domain)?;
    let text = text::line("lesson", said, text::RULE).ok()?;
    Some(Learned { domain, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Learned> {
        super::parse(line, text::domain)
    }

    #[test]
    fn a_marker_gives_its_domain_as_a_slug_and_its_text() {
        let expected = Learned {
            domain: "data-lakes".to_owned(),
            text: "Partition by day.".to_owned(),
        };
        assert_eq!(
            parse("[LEARNED:Data Lakes]  Partition by day. "),
            Some(expected)
        );
    }

    #[test]
    fn what_is_not_quite_a_marker_is_none() {
        let long = format!("[LEARNED:a] {}", "x".repeat(501));
        let wide = format!("[LEARNED:{}] a good text", "x".repeat(101));
        let bad = [
            "",
            "a good text",
            "see [LEARNED:a] a good text",
            "[learned:a] a good text",
            "[LEARNED:a a good text",
            "[LEARNED:] a good text",
            "[LEARNED:!!] a good text",
            "[LEARNED:a] four",
            "[LEARNED:a]",
            "[LEARNED:a] two\nlines",
            "[LEARNED:a] tu\u{202e}rned",
            "[LEARNED:a] nul\0byte",
            "[LEARNED:a] nested [LEARNED:b] marker",
            &long,
            &wide,
        ];
        for line in bad {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
