//! What can go wrong with a call, and which failure of the job that is.
//!
//! A wrong key, address or question is the job's or the server's to correct (`InvalidSpec`, not
//! tried again); a limit is `RateLimited`; everything else on the other side or on the way is
//! `Infrastructure`. Texts from the other side are cut, cleaned and free of keys.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass};

use super::answer::ApiError;

/// Longest text of the other side that is repeated, in bytes: with a remedy it fits a status.
const MAX_TEXT: usize = 400;

/// Why a try gave no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No connection.
    Unreachable(String),
    /// The connection broke, or nothing came for too long.
    Broken(String),
    /// The API said no.
    Refused(Refusal),
    /// What came is not the Messages API.
    Garbled(String),
}

/// How the API said no.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) request: String,
    pub(super) after: Option<Duration>,
}

impl Trouble {
    /// The trouble of an error that came within a stream: it has the status of its kind.
    pub(super) fn in_stream(error: &ApiError) -> Self {
        let status = match error.kind.as_str() {
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            _ => 500,
        };
        Self::Refused(Refusal {
            status,
            text: error.message.clone(),
            ..Refusal::default()
        })
    }

    /// The same with texts that may stand in a status: cleaned, and without this secret.
    pub(super) fn cleaned(mut self, secret: &str) -> Self {
        let texts = match &mut self {
            Self::Unreachable(text) | Self::Broken(text) | Self::Garbled(text) => {
                [Some(text), None]
            }
            Self::Refused(r) => [Some(&mut r.text), Some(&mut r.request)],
        };
        for text in texts.into_iter().flatten() {
            // The secret goes first: cut in half it would not be found any more.
            *text = clean(&text.replace(secret, "[key]"));
        }
        self
    }

    /// Whether the same question may be answered a little later.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Refused(r) => matches!(r.status, 408 | 409 | 429 | 500..=599),
            Self::Garbled(_) => false,
        }
    }

    /// How long the other side asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.after,
            _ => None,
        }
    }

    /// The job's failure after so many tries.
    pub(super) fn failure(&self, tries: u32) -> Failure {
        let text = match tries {
            1 => format!("asked the model: {self}; {}", self.remedy()),
            _ => format!("asked the model {tries} times: {self}; {}", self.remedy()),
        };
        let mut failure = Failure::new(self.class(), text);
        if failure.class == FailureClass::RateLimited {
            failure.until = self
                .retry_after()
                .and_then(|d| Timestamp::now().checked_add(d).ok());
        }
        failure
    }

    fn class(&self) -> FailureClass {
        match self {
            Self::Refused(r) if r.status == 429 => FailureClass::RateLimited,
            Self::Refused(_) if !self.may_pass() => FailureClass::InvalidSpec,
            _ => FailureClass::Infrastructure,
        }
    }

    fn remedy(&self) -> &'static str {
        let Self::Refused(refusal) = self else {
            return "look at the network and at ANTHROPIC_BASE_URL of `sandbox serve`";
        };
        match refusal.status {
            300..=399 => "set ANTHROPIC_BASE_URL of `sandbox serve` to where this leads",
            401 => "set ANTHROPIC_API_KEY of `sandbox serve` to a valid key",
            402 => "look at the account's billing",
            403 => "use a key that is allowed to do this",
            404 => "look at the job's model and at ANTHROPIC_BASE_URL of `sandbox serve`",
            413 => "make the prompt or the files to read smaller",
            429 => "wait, or use a key with a higher limit",
            408 | 409 | 500..=599 => "try again later",
            _ => "correct the job and submit it again",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) => write!(f, "no connection ({text})"),
            Self::Broken(text) => write!(f, "the answer broke off ({text})"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Garbled(text) => write!(f, "the answer is not the Messages API's: {text}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.text.is_empty() {
            write!(f, " ({})", self.text)?;
        }
        if !self.request.is_empty() {
            write!(f, ", request {}", self.request)?;
        }
        Ok(())
    }
}

/// A text of the other side as it may stand in a status: one line, cut, without keys.
fn clean(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let line = text.replace(char::is_control, " ");
    let word = |w: &str| {
        if is_key(w) {
            "[key]".to_owned()
        } else {
            w.to_owned()
        }
    };
    line.split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a word looks like a key of an API.
fn is_key(word: &str) -> bool {
    let at = word.find("sk-").filter(|at| {
        let before = word[..*at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric())
    });
    at.is_some_and(|at| word.len() - at > 8)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A refusal as a client meets it.
    pub(in crate::model) fn refused(status: u16, after: Option<Duration>) -> Trouble {
        Trouble::Refused(Refusal {
            status,
            after,
            ..Refusal::default()
        })
    }

    #[test]
    fn each_refusal_has_its_class() {
        use FailureClass::{Infrastructure, InvalidSpec, RateLimited};
        let classes = [
            (302, InvalidSpec),
            (400, InvalidSpec),
            (401, InvalidSpec),
            (403, InvalidSpec),
            (404, InvalidSpec),
            (413, InvalidSpec),
            (429, RateLimited),
            (500, Infrastructure),
            (529, Infrastructure),
        ];
        for (status, class) in classes {
            assert_eq!(refused(status, None).failure(1).class, class, "{status}");
        }
    }

    #[test]
    fn a_limit_says_until_when() {
        let after = Some(Duration::from_secs(90));
        assert!(
            refused(429, after)
                .failure(1)
                .until
                .is_some_and(|t| t > Timestamp::now())
        );
        assert_eq!(refused(529, after).failure(1).until, None);
    }

    #[test]
    fn an_error_within_a_stream_has_the_status_of_its_kind() {
        for (kind, passes) in [("overloaded_error", true), ("invalid_request_error", false)] {
            let error = ApiError {
                kind: kind.to_owned(),
                message: "m".to_owned(),
            };
            assert_eq!(Trouble::in_stream(&error).may_pass(), passes, "{kind}");
        }
    }

    #[test]
    fn a_secret_is_hidden_whole_even_where_the_text_is_cut() {
        let secret = "gateway-secret";
        let text = format!("{}{secret}", "x".repeat(MAX_TEXT - 5));
        let trouble = Trouble::Garbled(text).cleaned(secret);
        assert!(!trouble.to_string().contains("gatew"), "{trouble}");
    }

    #[test]
    fn a_text_of_the_other_side_is_one_short_line_without_keys() {
        let text = clean("bad\nkey: \"sk-ant-api03-abcdef\" \u{1b}[31m task-list-of-things");
        assert_eq!(text, "bad key: [key] [31m task-list-of-things");
        assert_eq!(clean(&"x".repeat(1000)).len(), MAX_TEXT);
    }
}
