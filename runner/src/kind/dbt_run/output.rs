//! What dbt says: its last lines, and the counts of its closing line. Everything is bounded.

use std::collections::VecDeque;

use serde_json::{Map, Value};

/// Longest line that is kept, in characters: forty of them still fit into a small status.
const MAX_LINE: usize = 160;
/// The counts of dbt's closing line; others are left out.
const COUNTS: [&str; 6] = ["pass", "warn", "error", "skip", "no-op", "total"];

/// The last lines of a stream.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    most: usize,
    summary: Option<Value>,
}

impl Tail {
    /// Keeps this many lines.
    pub(super) fn new(most: usize) -> Self {
        Self {
            lines: VecDeque::with_capacity(most),
            most,
            summary: None,
        }
    }

    /// Takes the next line.
    pub(super) fn push(&mut self, line: &str) {
        if let Some(summary) = summary(line) {
            self.summary = Some(summary);
        }
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(MAX_LINE).collect());
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The counts of the last closing line; null without one.
    pub(super) fn summary(&self) -> Value {
        self.summary.clone().unwrap_or_default()
    }
}

/// `Done. PASS=1 WARN=0 ERROR=0 SKIP=0 TOTAL=1`, with whatever time stands before it.
fn summary(line: &str) -> Option<Value> {
    let (_, counts) = line.split_once("Done. ")?;
    let mut summary = Map::new();
    for pair in counts.split_whitespace() {
        let Some((name, count)) = pair.split_once('=') else {
            continue;
        };
        let name = name.to_lowercase();
        if let (true, Ok(count)) = (COUNTS.contains(&name.as_str()), count.parse::<u64>()) {
            summary.insert(name.replace('-', "_"), count.into());
        }
    }
    summary
        .contains_key("total")
        .then_some(Value::Object(summary))
}

/// A line without the colours of a terminal and other control characters.
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // A sequence ends with its first letter.
            '\u{1b}' => {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_closing_line_gives_the_counts() {
        let mut tail = Tail::new(2);
        tail.push("12:00:01  Done. PASS=3 WARN=1 ERROR=0 SKIP=2 NO-OP=0 TOTAL=6");
        for n in 0..100 {
            tail.push(&format!("line {n}"));
        }
        let expected = json!({"pass": 3, "warn": 1, "error": 0, "skip": 2, "no_op": 0, "total": 6});
        assert_eq!(tail.summary(), expected);
        assert_eq!(tail.lines().collect::<Vec<_>>(), ["line 98", "line 99"]);
    }

    #[test]
    fn other_lines_give_no_counts() {
        for line in [
            "Done.",
            "Done. All good",
            "PASS=1 TOTAL=1",
            "Done. TOTAL=x PASS=1",
            "",
        ] {
            assert_eq!(summary(line), None, "{line}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut tail = Tail::new(1);
        tail.push(&"\u{e4}".repeat(1000));
        assert_eq!(tail.lines().next().unwrap().chars().count(), MAX_LINE);
    }

    #[test]
    fn colours_and_control_characters_are_left_out() {
        let line = b"\x1b[0m12:00  \x1b[31mERROR\x1b[0m\tx\x07\xff\r";
        assert_eq!(plain(line), "12:00  ERROR x\u{fffd}");
    }
}
