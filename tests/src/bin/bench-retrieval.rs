//! Measures how well memory finds the lesson that a failure asks for.
//!
//! usage: bench-retrieval [--ruff PROGRAM] [--json]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use sandbox_tests::retrieval::{Set, measure, ruff, rustc};

/// Measures how well memory finds the lesson that a failure asks for
#[derive(Parser)]
struct Args {
    /// The program ruff, whose rules make two of the sets
    #[arg(long)]
    ruff: Option<PathBuf>,
    /// One JSON object per set
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let mut sets: Vec<Set> = rustc::sets(folder.path(), 1)?.into();
    sets.push(rustc::paraphrased()?);
    if let Some(program) = &args.ruff {
        sets.extend(ruff::sets(program)?);
    }
    for set in sets {
        let seen = measure(&set);
        if args.json {
            println!(
                "{}",
                serde_json::json!({"set": set.name, "texts": set.texts.len(), "figures": seen})
            );
        } else {
            println!(
                "{:<14} {:>4} texts {:>4} queries   nDCG@10 {:.3}   R@1 {:.3}   R@5 {:.3}   R@10 {:.3}   MRR@10 {:.3}",
                set.name,
                set.texts.len(),
                seen.queries,
                seen.ndcg_at_10,
                seen.recall_at_1,
                seen.recall_at_5,
                seen.recall_at_10,
                seen.mrr_at_10,
            );
        }
    }
    Ok(())
}
