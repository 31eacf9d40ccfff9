//! Measures whether memory helps: attempts until jobs succeed, with memory, without it, and with lessons
//! as long that say nothing. What is measured and how it is judged stands in the module `experiment`.
//!
//! usage: bench-memory [--families N] [--seed N]

use anyhow::Result;
use clap::Parser;
use sandbox_tests::experiment::{Arm, figures::Interval, run};

/// Measures whether memory helps
#[derive(Parser)]
struct Args {
    /// How many families of jobs
    #[arg(long, default_value_t = 20)]
    families: u64,
    /// Where the facts come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { families, seed } = Args::parse();
    let off = run(Arm::Off, seed, families).await;
    let on = run(Arm::On, seed, families).await;
    let placebo = run(Arm::Placebo, seed, families).await;
    for (name, arm) in [
        ("memory off", &off),
        ("memory on", &on),
        ("placebo", &placebo),
    ] {
        let Interval { mean, low, high } = Interval::of(arm);
        println!("{name:<24} attempts of a family  {mean:6.2}  [{low:.2}, {high:.2}]");
    }
    for (name, arm) in [("memory on", &on), ("placebo", &placebo)] {
        let differences: Vec<f64> = arm.iter().zip(&off).map(|(a, b)| a - b).collect();
        let seen = Interval::of(&differences);
        let says = if seen.excludes_zero() {
            "a difference"
        } else {
            "no difference"
        };
        println!(
            "{name:<10} less memory off  {:6.2}  [{:.2}, {:.2}]  {says}",
            seen.mean, seen.low, seen.high
        );
    }
    Ok(())
}
