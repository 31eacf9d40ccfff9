//! What is asked of the learner, and whether it holds.

use std::ops::Range;

use serde::Serialize;

use super::{
    figures::{Figures, Means, ratio},
    policy::POLICIES,
    run::run,
    world::{REGIMES, SHAPES, Shape, World},
};

/// Worlds of one rule that does nothing, for each seed of the others: they are small, and what is asked of them is rare.
const PLACEBOS: u64 = 100;

/// The world in which outcomes are forged.
const FORGED: &str = "colluding";

/// What is asked, and what was seen.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Goal {
    /// Its short name.
    pub name: &'static str,
    /// What is measured.
    pub what: String,
    /// The figure.
    pub seen: f64,
    /// What it must be.
    pub bound: f64,
    /// Whether it holds.
    pub held: bool,
}

impl Goal {
    fn at_most(name: &'static str, what: impl Into<String>, seen: f64, bound: f64) -> Self {
        let what = what.into();
        let held = seen <= bound;
        Self {
            name,
            what,
            seen,
            bound,
            held,
        }
    }

    fn at_least(name: &'static str, what: impl Into<String>, seen: f64, bound: f64) -> Self {
        let held = seen >= bound;
        Self {
            held,
            ..Self::at_most(name, what, seen, bound)
        }
    }
}

/// The runs of a policy in a world, one for each seed; nothing where there is no such policy.
#[must_use]
pub fn runs(shape: &Shape, policy: &str, jobs: u64, seeds: Range<u64>) -> Vec<Figures> {
    let found = POLICIES.iter().find(|(name, _)| *name == policy);
    found.map_or_else(Vec::new, |(_, make)| {
        seeds
            .map(|seed| run(&World::new(*shape, jobs, seed), &mut *make(seed)))
            .collect()
    })
}

/// Measures every world with these seeds, in `part` of its jobs (1 for all).
#[must_use]
pub fn goals(seeds: &Range<u64>, part: u64) -> Vec<Goal> {
    let jobs = |shape: &Shape| shape.jobs / part.max(1);
    let (mut all, mut mixed) = (Vec::new(), Vec::new());
    for shape in SHAPES.iter().filter(|s| s.name != "placebo") {
        let seen = runs(shape, "learner", jobs(shape), seeds.clone());
        all.push((shape.name, Means::of(&seen)));
        if shape.name == "mixed" {
            let theirs = runs(shape, "elf-mcp", jobs(shape), seeds.clone());
            mixed = vec![(seen, theirs)];
        }
    }
    let mut goals = Vec::new();
    for (ours, theirs) in &mixed {
        let times = ratio(ours, theirs);
        let what = "regret, times that of elf-mcp on the same seeds";
        goals.push(Goal::at_most("S1", what, times.mean, 0.78));
        let what = "its upper bound of 95 %";
        goals.push(Goal::at_most("S1", what, times.high, 0.85));
    }
    goals.extend(judged(&all));
    goals.push(placebo(seeds));
    goals
}

/// What is asked of golden rules and of estimates.
fn judged(all: &[(&'static str, Means)]) -> Vec<Goal> {
    let regimes = || all.iter().filter(|(name, _)| REGIMES.contains(name));
    let worst = |by: &dyn Fn(&Means) -> f64, of: &[(&'static str, Means)]| {
        let seen = of.iter().map(|(name, means)| (*name, by(means)));
        let worst = seen.max_by(|a, b| a.1.total_cmp(&b.1));
        worst.unwrap_or(("no world", f64::NAN))
    };
    let regimes: Vec<_> = regimes().cloned().collect();
    let (at, less) = worst(&|m| -m.golden_precision.mean, &regimes);
    let precision = format!("golden rules that help, worst of five worlds ({at})");
    let (at, harm) = worst(&|m| m.harmful_golden.mean, &regimes);
    let harmful = format!("golden rules that do harm, worst of five worlds ({at})");
    let (forged, honest): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|(n, _)| *n == FORGED);
    let (at, bad) = worst(&|m| m.adversarial_golden.mean, &honest);
    let adversarial = format!("golden rules of an adversary, worst of all other worlds ({at})");
    let (_, lied) = worst(&|m| m.adversarial_golden.mean, &forged);
    let mixed = all.iter().find(|(name, _)| *name == "mixed");
    let rank = mixed.map_or(f64::NAN, |(_, m)| m.spearman.mean);
    vec![
        Goal::at_least("S2", precision, -less, 0.85),
        Goal::at_most("S3", harmful, harm, 1.0),
        Goal::at_most("S4", adversarial, bad, 0.0),
        Goal::at_most(
            "S4",
            "the same where he forges every twentieth outcome",
            lied,
            0.1,
        ),
        Goal::at_least(
            "S5",
            "rank correlation of estimates with true effects, mixed",
            rank,
            0.65,
        ),
    ]
}

fn placebo(seeds: &Range<u64>) -> Goal {
    let shape = SHAPES.iter().find(|s| s.name == "placebo");
    let many = seeds.start * PLACEBOS..seeds.end * PLACEBOS;
    let seen = shape.map_or_else(Vec::new, |s| runs(s, "learner", s.jobs, many));
    let often = Means::of(&seen).placebo_golden.mean;
    let what = "a rule that does nothing ever golden within 200 jobs at a success of 0.8";
    Goal::at_most("S6", what, often, 0.01)
}
