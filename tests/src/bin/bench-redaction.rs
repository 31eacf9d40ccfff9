//! Measures how many secrets memory takes out of texts, and how many real texts it spoils.
//!
//! usage: bench-redaction [--ruff PROGRAM] [--scanner PROGRAM] [--samples N] [--json]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use sandbox_tests::{
    retrieval::{ruff, rustc},
    secrets::{Found, Sample, by_format, held_back, published::published, spoiled},
};

/// Measures how many secrets memory takes out of texts, and how many real texts it spoils
#[derive(Parser)]
struct Args {
    /// How many texts of each format
    #[arg(long, default_value_t = 250)]
    samples: usize,
    /// The program ruff, whose explanations are real texts without secrets
    #[arg(long)]
    ruff: Option<PathBuf>,
    /// The program kingfisher, a scanner for secrets whose rules have samples
    #[arg(long)]
    scanner: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let found = by_format(args.samples);
    for of in &found {
        tell(&args, of)?;
    }
    let all = Found {
        name: "all formats".into(),
        texts: found.iter().map(|f| f.texts).sum(),
        clean: found.iter().map(|f| f.clean).sum(),
        missed: None,
    };
    tell(&args, &all)?;
    let texts = real(&args)?;
    let changed = spoiled(&texts);
    println!("{} of {} real texts changed", changed.len(), texts.len());
    for text in changed {
        println!("{text}");
    }
    let held = held_back(&texts);
    println!("{} of {} real texts held back", held.len(), texts.len());
    for (text, why) in held {
        println!("  {why}: {:.60}", text.escape_debug().to_string());
    }
    args.scanner
        .as_ref()
        .map_or(Ok(()), |program| others(&args, program))
}

/// What is found of another scanner's samples, rule by rule where something is missed.
fn others(args: &Args, scanner: &std::path::Path) -> Result<()> {
    let seen = published(scanner)?;
    for (name, samples) in &seen.rules {
        let found = Found::among(name, samples);
        if found.clean < found.texts {
            tell(args, &found)?;
        }
    }
    let all: Vec<Sample> = seen.rules.iter().flat_map(|(_, s)| s.clone()).collect();
    tell(
        args,
        &Found {
            missed: None,
            ..Found::among("all published samples", &all)
        },
    )?;
    println!(
        "{} rules; left out: {} rules that are not reported, {} samples that are not found",
        seen.rules.len(),
        seen.not_reported,
        seen.not_found
    );
    Ok(())
}

/// What the compiler and the linter explain, whole.
fn real(args: &Args) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [explained, _] = rustc::sets(folder.path(), u32::MAX)?;
    let mut texts = explained.texts;
    if let Some(program) = &args.ruff {
        let [explained, _] = ruff::sets(program)?;
        texts.extend(explained.texts);
    }
    Ok(texts)
}

fn tell(args: &Args, of: &Found) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string(of)?);
    } else {
        println!(
            "{:<32} {:>5} texts   recall {:.4}   {}",
            of.name,
            of.texts,
            of.recall(),
            of.missed.as_deref().unwrap_or_default().escape_debug()
        );
    }
    Ok(())
}
