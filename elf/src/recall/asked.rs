//! What a seat asks, in the form in which memory keeps such things.

use sandbox_core::port::RecallQuery;

use super::{DEFAULT_TOKENS, MAX_TOKENS};
use crate::{redact::Redactor, text};

/// Longest query text that is read, in bytes, and most files.
const MAX_QUERY: usize = 32 * 1024;
const MAX_FILES: usize = 50;

/// What was asked.
pub(super) struct Asked {
    /// The words: the text and the files.
    pub words: String,
    /// What it is about, where that is named.
    pub domain: Option<String>,
    /// The project, where one is named.
    pub project: Option<String>,
    /// The files the work is at.
    pub files: Vec<String>,
    /// How long the answer may be, in tokens.
    pub tokens: usize,
}

impl Asked {
    /// Cuts it to its bounds.
    pub fn of(query: &RecallQuery, redactor: &Redactor) -> Self {
        let files: Vec<String> = query
            .files
            .iter()
            .take(MAX_FILES)
            .filter_map(|f| text::path(f))
            .collect();
        let mut end = query.text.len().min(MAX_QUERY);
        while !query.text.is_char_boundary(end) {
            end -= 1;
        }
        let tokens = query.max_tokens.unwrap_or(DEFAULT_TOKENS).min(MAX_TOKENS);
        Self {
            words: format!("{} {}", &query.text[..end], files.join(" ")),
            domain: query.domain.as_deref().and_then(|d| redactor.domain(d)),
            project: query.project.as_deref().and_then(|p| redactor.project(p)),
            files,
            tokens: tokens as usize,
        }
    }
}
