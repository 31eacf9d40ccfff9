//! The rules of ruff: a message leads to its explanation, and example code leads to prose.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use sandbox_elf::index::words;
use serde::Deserialize;

use super::{Set, fenced};

#[derive(Deserialize)]
struct Rule {
    name: String,
    code: Option<String>,
    message_formats: Vec<String>,
    explanation: String,
    status: serde_json::Value,
}

/// The sets `ruff` and `hard` that this program tells of itself.
///
/// # Errors
/// It cannot be run, or tells something else.
pub fn sets(ruff: &Path) -> Result<[Set; 2]> {
    let told = std::process::Command::new(ruff)
        .args(["rule", "--all", "--output-format", "json"])
        .output()
        .with_context(|| format!("ran {}", ruff.display()))?;
    ensure!(
        told.status.success(),
        "asked ruff for its rules: {:?}",
        told.status
    );
    let all: Vec<Rule> = serde_json::from_slice(&told.stdout).context("read ruff's rules")?;
    let live = all
        .into_iter()
        .filter(|r| r.code.is_some() && r.status.get("Removed").is_none());
    let mut messages = Set {
        name: "ruff",
        ..Set::default()
    };
    let mut hard = Set {
        name: "hard",
        ..Set::default()
    };
    for rule in live {
        let place = messages.texts.len();
        let text = without_name(&rule);
        let message = rule.message_formats.first();
        let message = message.map(|m| without_places(m)).unwrap_or_default();
        // Two messages are nothing but a name that is put in.
        if !words(&message).is_empty() {
            messages.queries.push((message, place));
        }
        let (blocks, prose) = fenced(&text);
        if let Some(code) = blocks.into_iter().next() {
            hard.queries.push((code, place));
        }
        messages.texts.push(text);
        hard.texts.push(prose);
    }
    Ok([messages, hard])
}

/// The explanation without the words that name the rule, and without what it refers to.
fn without_name(rule: &Rule) -> String {
    let own = rule.explanation.split("## References").next();
    let own = own.unwrap_or_default().replace(&rule.name, " ");
    own.replace(rule.code.as_deref().unwrap_or_default(), " ")
}

/// The message without what stands for names: `{name}`.
fn without_places(message: &str) -> String {
    let mut text = String::new();
    let mut depth = 0_u32;
    for c in message.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text
}
