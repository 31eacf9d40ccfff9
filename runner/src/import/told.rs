//! What an import says: how many of what, and what was passed over and why. Secrets are not shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use sandbox_operator::face::http::auth::{KeySource, Keys};

/// What was found.
#[derive(Debug, Default)]
pub struct Told {
    counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
    lines: Vec<String>,
    passed_over: Vec<String>,
}

impl Told {
    /// One more, or more, of this.
    pub fn count(&mut self, what: &'static str, how: &str, many: u64) {
        if many > 0 {
            *self
                .counts
                .entry(what)
                .or_default()
                .entry(how.to_owned())
                .or_default() += many;
        }
    }

    /// This was passed over.
    pub fn passed_over(&mut self, file: &Path, what: &str, why: &str) {
        let what = if what.is_empty() {
            String::new()
        } else {
            format!(" {what}")
        };
        let line = format!("passed over {}{what}: {why}", file.display());
        self.passed_over.push(plain(&line));
    }

    /// The table of keys is only looked at: `serve` reads it as it is.
    pub fn keys(&mut self, file: &Path) {
        let source = KeySource {
            file: Some(file.to_owned()),
            ..KeySource::default()
        };
        if let Err(e) = Keys::new(source) {
            self.passed_over(file, "", &e.to_string());
            return;
        }
        let text = std::fs::read(file).unwrap_or_default();
        let table: BTreeMap<String, String> = serde_json::from_slice(&text).unwrap_or_default();
        let clients: BTreeSet<&String> = table.values().collect();
        self.lines.push(format!(
            "keys: {} of {} clients; nothing is copied, `serve` reads this file as it is: API_KEYS_FILE={}",
            table.len(),
            clients.len(),
            file.display()
        ));
    }
}

/// A text without what could move the cursor or change colours.
fn plain(text: &str) -> String {
    let seen = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(seen).collect()
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, how) in &self.counts {
            let how: Vec<String> = how.iter().map(|(how, n)| format!("{n} {how}")).collect();
            writeln!(f, "{what}: {}", how.join(", "))?;
        }
        for line in self.lines.iter().chain(&self.passed_over) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
