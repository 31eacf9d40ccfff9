//! The errors of the Rust compiler: a real diagnostic leads to the explanation of its code.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Set, fenced};

/// Codes from E0001 to this one are asked for.
const LAST: u32 = 805;

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    label: Option<String>,
}

/// The sets `rustc` (message and labels) and `rustc-message`, of every `step`th code. Example code is
/// compiled in this folder, and never run.
///
/// # Errors
/// The compiler cannot be run.
pub fn sets(folder: &Path, step: u32) -> Result<[Set; 2]> {
    let mut labelled = Set {
        name: "rustc",
        ..Set::default()
    };
    let mut short = Set {
        name: "rustc-message",
        ..Set::default()
    };
    for (number, code, text) in explanations()? {
        let place = labelled.texts.len();
        if number % step == 0
            && let Some((message, labels)) = diagnosed(&code, &text, folder)?
        {
            labelled
                .queries
                .push((format!("{message} {labels}"), place));
            short.queries.push((message, place));
        }
        let text = text.replace(&code, " ");
        labelled.texts.push(text.clone());
        short.texts.push(text);
    }
    Ok([labelled, short])
}

/// Situations that a person wrote down in other words than the compiler's, each with its code.
const PARAPHRASES: &str = include_str!("paraphrases.tsv");

/// The set `paraphrase`: a situation in plain words leads to the explanation of its code.
///
/// # Errors
/// The compiler cannot be run, or does not know a code.
pub fn paraphrased() -> Result<Set> {
    let known = explanations()?;
    let place = |code: &str| known.iter().position(|(_, known, _)| known == code);
    let queries = PARAPHRASES.lines().map(|line| {
        let (code, query) = line.split_once('\t').context("split a line in two")?;
        let place = place(code).with_context(|| format!("looked for {code}"))?;
        Ok((query.to_owned(), place))
    });
    Ok(Set {
        name: "paraphrase",
        queries: queries.collect::<Result<_>>()?,
        texts: known
            .into_iter()
            .map(|(_, code, text)| text.replace(&code, " "))
            .collect(),
    })
}

/// Every code that is still emitted, with its number and what the compiler says about it.
fn explanations() -> Result<Vec<(u32, String, String)>> {
    let all = (1..=LAST).map(|number| {
        let code = format!("E{number:04}");
        let text = explained(&code)?;
        Ok(text.map(|text| (number, code, text)))
    });
    all.filter_map(Result::transpose).collect()
}

/// What the compiler says about a code; nothing of one that it does not know or no longer emits.
fn explained(code: &str) -> Result<Option<String>> {
    let told = Command::new("rustc").args(["--explain", code]).output();
    let told = told.context("ran rustc --explain")?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let gone = text.contains("#### Note: this error code is no longer emitted by the compiler");
    Ok((told.status.success() && !gone && !text.trim().is_empty()).then_some(text))
}

/// Message and labels of the first diagnostic of this code that the first example gives.
fn diagnosed(code: &str, text: &str, folder: &Path) -> Result<Option<(String, String)>> {
    let (blocks, _) = fenced(text);
    let Some(example) = blocks.into_iter().next() else {
        return Ok(None);
    };
    let has_main = example.contains("fn main");
    let example = if has_main {
        example
    } else {
        format!("{example}\nfn main() {{}}\n")
    };
    let source = folder.join("example.rs");
    std::fs::write(&source, example).context("wrote an example")?;
    let told = Command::new("rustc")
        .args([
            "--edition",
            "2021",
            "--error-format",
            "json",
            "--emit",
            "metadata",
            "-o",
        ])
        .arg(folder.join("example.rmeta"))
        .arg(&source)
        // Examples may use what only unfinished compilers offer.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .context("ran rustc")?;
    let lines = String::from_utf8_lossy(&told.stderr).into_owned();
    let all = lines
        .lines()
        .filter_map(|l| serde_json::from_str::<Diagnostic>(l).ok());
    let mut ours = all.filter(|d| d.code.as_ref().is_some_and(|c| c.code == code));
    Ok(ours.next().map(|found| {
        let labels: Vec<String> = found.spans.into_iter().filter_map(|s| s.label).collect();
        (found.message, labels.join(" "))
    }))
}
