//! Measures how many secrets memory takes out of texts, and how many real texts it spoils.
//!
//! usage: bench-redaction [--samples N] [--json]

use std::{collections::BTreeMap, time::Instant};

use anyhow::Result;
use clap::Parser;
use sandbox_tests::{
    retrieval::{ruff, rustc},
    secrets::{
        Found, Sample, by_format, harmless, held_back,
        published::{linter, published, scanner},
        spoiled,
    },
};

/// Rounds over the real texts whose time is taken.
const ROUNDS: usize = 20;

/// Measures how many secrets memory takes out of texts, and how many real texts it spoils
#[derive(Parser)]
struct Args {
    /// How many texts of each format
    #[arg(long, default_value_t = 250)]
    samples: usize,
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
    let texts = real()?;
    let changed = spoiled(&texts);
    println!("{} of {} real texts changed", changed.len(), texts.len());
    for text in changed {
        println!("{text}");
    }
    let (_, looks): (Vec<_>, Vec<_>) = harmless::texts(args.samples).into_iter().unzip();
    let changed = spoiled(&looks);
    println!("{} of {} look-alikes changed", changed.len(), looks.len());
    for text in changed {
        println!("{text}");
    }
    let held = held_back(&texts);
    println!("{} of {} real texts held back", held.len(), texts.len());
    for (text, why) in held {
        println!("  {why}: {:.60}", text.escape_debug().to_string());
    }
    others(&args)?;
    pace(&texts);
    Ok(())
}

/// How fast real texts are looked at: the best of some rounds, for others are at work as well.
#[expect(clippy::cast_precision_loss, reason = "some millions of bytes")]
fn pace(texts: &[String]) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let round = || {
        let began = Instant::now();
        std::hint::black_box(spoiled(texts));
        began.elapsed().as_secs_f64()
    };
    let best = (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min);
    let (texts, bytes) = (texts.len() as f64, bytes as f64);
    println!(
        "{:.1} µs a text of {:.0} bytes, {:.1} MB/s",
        best / texts * 1e6,
        bytes / texts,
        bytes / best / 1e6
    );
}

/// What is found of another scanner's samples, rule by rule where something is missed.
fn others(args: &Args) -> Result<()> {
    let seen = published(&scanner()?)?;
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
        "{} rules; left out: {} rules that are not reported, {} samples that are not found, {} that are no secrets:",
        seen.rules.len(),
        seen.not_reported,
        seen.not_found,
        seen.left_out.len()
    );
    let mut reasons = BTreeMap::<&str, usize>::new();
    for (_, why) in &seen.left_out {
        *reasons.entry(why).or_default() += 1;
    }
    for (why, count) in reasons {
        println!("  {count:>3} {why}");
    }
    Ok(())
}

/// What the compiler and the linter explain, whole.
fn real() -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [explained, _] = rustc::sets(folder.path(), u32::MAX)?;
    let [linted, _] = ruff::sets(&linter()?)?;
    Ok(explained.texts.into_iter().chain(linted.texts).collect())
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
