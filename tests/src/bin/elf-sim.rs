//! Runs ways to choose rules through simulated worlds and prints what came of it.
//!
//! usage: elf-sim [--world mixed|…] [--jobs N] [--seeds A..B] [--policy learner|…] [--against elf-mcp|…] [--json]
//!        elf-sim --goals [--seeds A..B] [--json]
//! Without a policy: all of them, as a table. `--world all` is every world. `--against` says how many times the
//! regret is that of another policy on the same seeds. `--goals` measures what is asked of the learner, and fails
//! where it does not hold.

use std::{ops::Range, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use sandbox_tests::{
    experiment::figures::Interval,
    sim::{
        figures::{Mean, Means, ratio},
        goals::{goals, runs},
        policy::POLICIES,
        world::{SHAPES, Shape},
    },
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
    /// Compare the regret with that of this policy on the same seeds
    #[arg(long)]
    against: Option<String>,
    /// Measure what is asked of the learner; ends with 1 where it does not hold
    #[arg(long, conflicts_with_all = ["world", "jobs", "policy", "against"])]
    goals: bool,
    /// One JSON object per world and policy
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seeds = seeds(&args.seeds)?;
    if args.goals {
        return all_goals(&seeds, args.json);
    }
    compare(&args, &seeds)?;
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Args, seeds: &Range<u64>) -> Result<()> {
    let worlds: Vec<&Shape> = SHAPES
        .iter()
        .filter(|s| args.world == "all" || s.name == args.world)
        .collect();
    let known: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
    let asked = |name: &&&str| args.policy.as_deref().is_none_or(|p| p == **name);
    let policies: Vec<&str> = known.iter().filter(asked).copied().collect();
    let other = args.against.as_deref();
    let no_other = other.is_some_and(|o| !known.contains(&o));
    if worlds.is_empty() || policies.is_empty() || no_other {
        let there_are: Vec<&str> = SHAPES.iter().map(|s| s.name).collect();
        bail!("chose what to run: worlds are {there_are:?}, policies are {known:?}");
    }
    if other.is_some() && seeds.clone().count() < 2 {
        bail!("compared two policies: one seed has no interval; give two or more");
    }
    for shape in worlds {
        let jobs = args.jobs.unwrap_or(shape.jobs);
        let theirs = other.map(|other| runs(shape, other, jobs, seeds.clone()));
        for policy in &policies {
            let ours = runs(shape, policy, jobs, seeds.clone());
            let times = theirs.as_ref().map(|theirs| ratio(&ours, theirs));
            let means = Means::of(&ours);
            if args.json {
                let object = object((shape, policy), jobs, &args.seeds, &means)?;
                println!("{}", against(object, other, times));
            } else {
                println!("{}{}", line(shape, policy, &means), beside(other, times));
            }
        }
    }
    Ok(())
}

fn all_goals(seeds: &Range<u64>, as_json: bool) -> Result<ExitCode> {
    let all = goals(seeds, 1);
    for goal in &all {
        if as_json {
            println!("{}", serde_json::to_string(goal)?);
        } else {
            let word = if goal.held { "holds" } else { "MISSED" };
            println!(
                "{} {word:<6} {:.4} (bound {}) {}",
                goal.name, goal.seen, goal.bound, goal.what
            );
        }
    }
    let held = all.iter().all(|g| g.held);
    Ok(ExitCode::from(u8::from(!held)))
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

fn object((shape, policy): (&Shape, &str), jobs: u64, seeds: &str, means: &Means) -> Result<Value> {
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

fn against(mut object: Value, other: Option<&str>, times: Option<Interval>) -> Value {
    if let (Some(other), Some(times)) = (other, times) {
        object["against"] = json!(other);
        object["regret_ratio"] = json!(times.mean);
        object["regret_ratio_low"] = json!(times.low);
        object["regret_ratio_high"] = json!(times.high);
    }
    object
}

fn beside(other: Option<&str>, times: Option<Interval>) -> String {
    let (Some(other), Some(times)) = (other, times) else {
        return String::new();
    };
    format!(
        " regret/{other} {:.3} [{:.3}, {:.3}]",
        times.mean, times.low, times.high
    )
}

fn line(shape: &Shape, policy: &str, means: &Means) -> String {
    let m = |mean: Mean| mean.mean;
    format!(
        "{:<10} {policy:<16} success {:.3} captured {:.3} regret {:6.1} ± {:4.1} injected {:.1} golden {:5.1} precision {:.2} recall {:.2} harmful {:.1} adversarial {:.1} placebo {:.3} ρ {:.2}",
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
        m(means.placebo_golden),
        m(means.spearman),
    )
}
