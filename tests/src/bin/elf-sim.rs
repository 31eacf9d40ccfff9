//! Runs ways to choose rules through simulated worlds and prints what came of it.
//!
//! usage: elf-sim [--world mixed|…] [--jobs N] [--seeds A..B] [--policy learner|…] [--json]
//! Without a policy: all of them, as a table. `--world all` is every world.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use clap::Parser;
use sandbox_tests::sim::{
    figures::{Figures, Mean, Means},
    policy::POLICIES,
    run::run,
    world::{SHAPES, Shape, World},
};
use serde_json::{Value, json};

/// Simulates memories and measures what they are worth
#[derive(Parser)]
struct Args {
    /// Which world, or `all`
    #[arg(long, default_value = "mixed")]
    world: String,
    /// How many jobs; the world's own number when absent
    #[arg(long)]
    jobs: Option<u64>,
    /// Which seeds, the last one excluded
    #[arg(long, default_value = "0..10")]
    seeds: String,
    /// Which policy; all when absent
    #[arg(long)]
    policy: Option<String>,
    /// One JSON object per world and policy
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let seeds = seeds(&args.seeds)?;
    let worlds: Vec<&Shape> = SHAPES
        .iter()
        .filter(|s| args.world == "all" || s.name == args.world)
        .collect();
    let named = |name: &&str| args.policy.as_deref().is_none_or(|p| p == *name);
    let policies: Vec<_> = POLICIES.iter().filter(|(name, _)| named(name)).collect();
    if worlds.is_empty() || policies.is_empty() {
        let there_are: Vec<&str> = SHAPES.iter().map(|s| s.name).collect();
        let known: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
        bail!("chose what to run: worlds are {there_are:?}, policies are {known:?}");
    }
    for shape in worlds {
        let jobs = args.jobs.unwrap_or(shape.jobs);
        for (name, make) in &policies {
            let all: Vec<Figures> = seeds
                .clone()
                .map(|seed| run(&World::new(*shape, jobs, seed), &mut *make(seed)))
                .collect();
            let means = Means::of(&all);
            if args.json {
                println!("{}", object(shape, name, jobs, &args.seeds, &means)?);
            } else {
                println!("{}", line(shape, name, &means));
            }
        }
    }
    Ok(())
}

fn seeds(text: &str) -> Result<Range<u64>> {
    let what = || format!("read --seeds {text:?}: it is like 0..10");
    let (from, to) = text.split_once("..").with_context(what)?;
    let seeds = from.parse().with_context(what)?..to.parse().with_context(what)?;
    if seeds.is_empty() {
        bail!("read --seeds {text:?}: it names none");
    }
    Ok(seeds)
}

fn object(shape: &Shape, policy: &str, jobs: u64, seeds: &str, means: &Means) -> Result<Value> {
    let mut object = json!({"world": shape.name, "policy": policy, "jobs": jobs, "seeds": seeds});
    let figures = serde_json::to_value(means)?;
    if let (Some(object), Value::Object(figures)) = (object.as_object_mut(), figures) {
        for (name, figure) in figures {
            object.insert(format!("{name}_se"), figure["se"].clone());
            object.insert(name, figure["mean"].clone());
        }
    }
    Ok(object)
}

fn line(shape: &Shape, policy: &str, means: &Means) -> String {
    let m = |mean: Mean| mean.mean;
    format!(
        "{:<10} {policy:<16} success {:.3} captured {:.3} regret {:6.1} ± {:4.1} injected {:.1} golden {:5.1} precision {:.2} recall {:.2} harmful {:.1} adversarial {:.1} ρ {:.2}",
        shape.name,
        m(means.success),
        m(means.captured),
        m(means.regret),
        means.regret.se,
        m(means.injected),
        m(means.golden_count),
        m(means.golden_precision),
        m(means.golden_recall),
        m(means.harmful_golden),
        m(means.adversarial_golden),
        m(means.spearman),
    )
}
