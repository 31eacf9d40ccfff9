//! The samples that a scanner for secrets publishes with its own rules: `kingfisher rules list`, version
//! 1.112.0 of the package `kingfisher-bin` (Apache-2.0). They are asked of the program when this runs,
//! and are nowhere kept.
//!
//! What of a sample is the secret, and which are none, `left_out` says. Left out are also rules that the scanner does not report itself (`visible: false`: names and numbers of accounts, which
//! others of its rules need beside a secret), samples that its own pattern does not find with this engine of regular expressions,
//! so that nobody can say which part is the secret, and secrets under six letters.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde::Deserialize;

use super::{Sample, left_out};
use crate::cache;

#[derive(Deserialize)]
struct Rule {
    id: String,
    pattern: String,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    visible: bool,
}

/// What the scanner's rules show.
#[derive(Debug, Default)]
pub struct Published {
    /// The samples of each rule, by its name.
    pub rules: Vec<(String, Vec<Sample>)>,
    /// Rules that the scanner does not report itself.
    pub not_reported: usize,
    /// Samples of which nobody can say what the secret is.
    pub not_found: usize,
    /// Samples that hold no secret, with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// The scanner's program, as `scripts/setup` fetches it.
///
/// # Errors
/// It is not there.
pub fn scanner() -> Result<PathBuf> {
    cache::part("kingfisher", "kingfisher/bin/kingfisher")
}

/// The program ruff, whose explanations are real texts without secrets.
///
/// # Errors
/// It is not there.
pub fn linter() -> Result<PathBuf> {
    cache::part("ruff", "bin/ruff")
}

/// Asks the scanner for its rules.
///
/// # Errors
/// It cannot be run, or tells something else.
pub fn published(scanner: &Path) -> Result<Published> {
    let told = Command::new(scanner)
        .args(["rules", "list", "--format", "json", "--no-update-check"])
        .output()
        .with_context(|| format!("ran {}", scanner.display()))?;
    ensure!(
        told.status.success(),
        "asked the scanner for its rules: {}",
        String::from_utf8_lossy(&told.stderr)
    );
    let all: Vec<Rule> = serde_json::from_slice(&told.stdout).context("read its rules")?;
    let mut seen = Published::default();
    for rule in all {
        if !rule.visible {
            seen.not_reported += 1;
            continue;
        }
        let samples = seen.samples(&rule);
        if !samples.is_empty() {
            seen.rules.push((rule.id, samples));
        }
    }
    Ok(seen)
}

impl Published {
    /// The samples of a rule that hold a secret; the others are counted.
    fn samples(&mut self, rule: &Rule) -> Vec<Sample> {
        let regex = Regex::new(&rule.pattern).ok();
        let mut samples = Vec::new();
        for text in &rule.examples {
            let found = regex.as_ref().and_then(|r| secret(r, &rule.id, text));
            match found {
                None => self.not_found += 1,
                Some(secret) => match left_out::reason(&rule.id, text, secret) {
                    Some(why) => self.left_out.push((rule.id.clone(), why)),
                    None => samples.push(Sample {
                        text: text.clone(),
                        secrets: vec![secret.to_owned()],
                    }),
                },
            }
        }
        samples
    }
}

/// What stands behind the words that [`left_out`] has for this rule; else the group named so, else the last, for names and
/// hosts stand before it, else all that was found.
fn secret<'a>(regex: &Regex, rule: &str, text: &'a str) -> Option<&'a str> {
    let found = regex.captures(text)?;
    if let Some(words) = left_out::behind(rule) {
        let (_, rest) = text.split_once(words)?;
        return rest.split(['"', '\'', ',', '&', ' ', '@', '\n']).next();
    }
    let named = found.name("TOKEN").or_else(|| found.name("token"));
    let secret = named.or_else(|| found.iter().flatten().last())?;
    let secret = of_address(secret.as_str().trim());
    (secret.len() >= 6).then_some(secret)
}

/// Of an address the password, else its last part: the host may stay.
fn of_address(secret: &str) -> &str {
    let Some((_, rest)) = secret.split_once("://") else {
        return secret;
    };
    match rest.rsplit_once('@') {
        Some((user, _)) if !user.contains('/') || user.contains(':') => {
            user.split_once(':').map_or(user, |(_, password)| password)
        }
        Some((path, _)) => last(path),
        None => last(rest),
    }
}

fn last(path: &str) -> &str {
    path.rsplit(['/', '=']).next().unwrap_or(path)
}
