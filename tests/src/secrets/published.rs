//! The samples that a scanner for secrets publishes with its own rules: `kingfisher rules list`, version
//! 1.112.0 of the package `kingfisher-bin` (Apache-2.0). They are asked of the program when this runs,
//! and are nowhere kept.
//!
//! Left out are rules that the scanner does not report itself (`visible: false`: names and numbers of accounts, which
//! others of its rules need beside a secret), samples that its own pattern does not find with this engine of regular expressions,
//! so that nobody can say which part is the secret, and secrets under six letters.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde::Deserialize;

use super::Sample;

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
        let given = rule.examples.len();
        let samples: Vec<Sample> = Regex::new(&rule.pattern)
            .map(|regex| {
                rule.examples
                    .iter()
                    .filter_map(|e| sample(&regex, e))
                    .collect()
            })
            .unwrap_or_default();
        seen.not_found += given - samples.len();
        if !samples.is_empty() {
            seen.rules.push((rule.id, samples));
        }
    }
    Ok(seen)
}

/// The secret is the group named so, else the last, for names and hosts stand before it, else all that was found.
fn sample(regex: &Regex, text: &str) -> Option<Sample> {
    let found = regex.captures(text)?;
    let named = found.name("TOKEN").or_else(|| found.name("token"));
    let secret = named.or_else(|| found.iter().flatten().last())?;
    let secret = of_address(secret.as_str().trim());
    (secret.len() >= 6).then(|| Sample {
        text: text.to_owned(),
        secrets: vec![secret.to_owned()],
    })
}

/// Of an address the password, else its last part: the host may stay.
fn of_address(secret: &str) -> &str {
    let Some((_, rest)) = secret.split_once("://") else {
        return secret;
    };
    match rest.rsplit_once('@') {
        Some((user, _)) => user.split_once(':').map_or(user, |(_, password)| password),
        None => rest.rsplit(['/', '=']).next().unwrap_or(rest),
    }
}
