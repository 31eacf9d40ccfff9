//! What came of a run, and means with standard errors over many.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    policy::{Policy, Seen},
    world::{Job, Kind, Rule, World},
};
use crate::experiment::figures::Interval;

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Success that was missed, against the best rules of each job.
    pub regret: f64,
    none: f64,
    best: f64,
    got: f64,
    injected: f64,
    jobs: f64,
    /// Golden rules at the end.
    pub end: Golden,
    /// Golden rules at half-time, before effects change.
    pub half: Golden,
    /// Rules that do nothing and were golden at some time nevertheless.
    placebos: BTreeSet<u64>,
    /// The share of those among all that do nothing.
    pub placebo_golden: f64,
    /// Rank correlation of the scores with the true effects.
    pub spearman: f64,
}

/// Which rules are golden at some time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Golden {
    /// How many.
    pub count: f64,
    /// Of those, the share that truly helps (more than 0.1 on the logit); 1 where there is none.
    pub precision: f64,
    /// Of the rules that truly help by 0.3, the share that is golden.
    pub recall: f64,
    /// How many do harm.
    pub harmful: f64,
    /// How many an adversary stated.
    pub adversarial: f64,
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, Serialize, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Its standard error; 0 for one run.
    pub se: f64,
}

/// The means over runs.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "as the figures of one run")]
pub struct Means {
    pub success: Mean,
    pub captured: Mean,
    pub regret: Mean,
    pub injected: Mean,
    pub golden_count: Mean,
    pub golden_precision: Mean,
    pub golden_recall: Mean,
    pub harmful_golden: Mean,
    pub adversarial_golden: Mean,
    pub golden_count_half: Mean,
    pub golden_precision_half: Mean,
    pub golden_recall_half: Mean,
    pub placebo_golden: Mean,
    pub spearman: Mean,
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

impl Golden {
    fn of(world: &World, policy: &dyn Policy, job: u64) -> Self {
        let effect = |r: &Rule| world.effect(r, job);
        let golden: Vec<&Rule> = world
            .rules
            .iter()
            .filter(|r| policy.is_golden(r.number))
            .collect();
        let of = |holds: &dyn Fn(&Rule) -> bool| count(golden.iter().filter(|r| holds(r)).count());
        let helping = of(&|r| effect(r) > 0.1);
        let strong = |r: &Rule| effect(r) >= 0.3;
        let all = world.rules.iter().filter(|r| strong(r)).count();
        Self {
            count: count(golden.len()),
            precision: if golden.is_empty() {
                1.0
            } else {
                helping / count(golden.len())
            },
            recall: of(&strong) / count(all.max(1)),
            harmful: of(&|r| effect(r) < 0.0),
            adversarial: of(&|r| r.kind == Kind::Adversarial),
        }
    }
}

impl Figures {
    pub(super) fn job(&mut self, world: &World, job: &Job, success: f64, injected: usize) {
        let best = world.best(job);
        self.regret += best - success;
        self.none += world.success(job, &[]);
        self.best += best;
        self.got += success;
        self.injected += count(injected);
        self.jobs += 1.0;
    }

    pub(super) fn half(&mut self, world: &World, policy: &dyn Policy) {
        self.half = Golden::of(world, policy, world.jobs().saturating_sub(1) / 2);
    }

    /// Looks at the rules that an outcome is about.
    pub(super) fn learned(&mut self, world: &World, policy: &dyn Policy, seen: &Seen) {
        let rules = seen.injected.iter().filter_map(|n| world.named(*n));
        let golden = rules
            .filter(|r| is_placebo(r) && policy.is_golden(r.number))
            .map(|r| r.number);
        self.placebos.extend(golden);
    }

    pub(super) fn end(&mut self, world: &World, policy: &dyn Policy) {
        self.end = Golden::of(world, policy, world.jobs());
        let all = world.rules.iter().filter(|r| is_placebo(r)).count();
        self.placebo_golden = count(self.placebos.len()) / count(all.max(1));
        let pairs = world
            .rules
            .iter()
            .map(|r| (policy.score(r.number), world.effect(r, world.jobs())));
        self.spearman = spearman(&pairs.collect::<Vec<_>>());
    }

    /// The share of what the best rules add that was got.
    #[must_use]
    pub fn captured(&self) -> f64 {
        (self.got - self.none) / (self.best - self.none).max(f64::MIN_POSITIVE)
    }
}

/// Whether it does nothing, now and later.
fn is_placebo(rule: &Rule) -> bool {
    rule.effects.0.abs() + rule.effects.1.abs() < f64::EPSILON
}

impl Means {
    /// The means of these runs.
    #[must_use]
    pub fn of(all: &[Figures]) -> Self {
        let mean = |f: &dyn Fn(&Figures) -> f64| mean(&all.iter().map(f).collect::<Vec<_>>());
        Self {
            success: mean(&|f| f.got / f.jobs),
            captured: mean(&Figures::captured),
            regret: mean(&|f| f.regret),
            injected: mean(&|f| f.injected / f.jobs),
            golden_count: mean(&|f| f.end.count),
            golden_precision: mean(&|f| f.end.precision),
            golden_recall: mean(&|f| f.end.recall),
            harmful_golden: mean(&|f| f.end.harmful),
            adversarial_golden: mean(&|f| f.end.adversarial),
            golden_count_half: mean(&|f| f.half.count),
            golden_precision_half: mean(&|f| f.half.precision),
            golden_recall_half: mean(&|f| f.half.recall),
            placebo_golden: mean(&|f| f.placebo_golden),
            spearman: mean(&|f| f.spearman),
        }
    }
}

/// The mean of these, with its standard error.
#[must_use]
pub fn mean(all: &[f64]) -> Mean {
    let n = count(all.len()).max(1.0);
    let mean = all.iter().sum::<f64>() / n;
    let squares: f64 = all.iter().map(|x| (x - mean).powi(2)).sum();
    let se = if n > 1.0 {
        (squares / (n - 1.0) / n).sqrt()
    } else {
        0.0
    };
    Mean { mean, se }
}

/// How many times the regret of others ours is, on the same seeds: the ratio of the means, with the 95 % interval
/// that the pairs leave it (the delta method).
#[must_use]
pub fn ratio(ours: &[Figures], theirs: &[Figures]) -> Interval {
    let regrets = |all: &[Figures]| all.iter().map(|f| f.regret).collect::<Vec<_>>();
    let (a, b) = (regrets(ours), regrets(theirs));
    let scale = mean(&b).mean.max(f64::MIN_POSITIVE);
    let ratio = mean(&a).mean / scale;
    let left: Vec<f64> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - ratio * b) / scale)
        .collect();
    let off = Interval::of(&left);
    Interval {
        mean: ratio,
        low: ratio + off.low,
        high: ratio + off.high,
    }
}

/// The rank correlation; equals share their ranks.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let first = ranks(&pairs.iter().map(|p| p.0).collect::<Vec<_>>());
    let second = ranks(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
    let (a, b) = (mean(&first).mean, mean(&second).mean);
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        first
            .iter()
            .zip(&second)
            .map(|(x, y)| f(x - a, y - b))
            .sum()
    };
    let scale = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    if scale > 0.0 {
        sum(&|x, y| x * y) / scale
    } else {
        0.0
    }
}

fn ranks(all: &[f64]) -> Vec<f64> {
    let below = |x: f64| all.iter().filter(|y| y.total_cmp(&x).is_lt()).count();
    let same = |x: f64| all.iter().filter(|y| y.total_cmp(&x).is_eq()).count();
    all.iter()
        .map(|x| count(below(*x)) + (count(same(*x)) - 1.0) / 2.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_correlation_is_one_for_the_same_order_and_minus_one_for_the_opposite() {
        let up = [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)];
        let down = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)];
        assert!((spearman(&up) - 1.0).abs() < 1e-12);
        assert!((spearman(&down) + 1.0).abs() < 1e-12);
        assert!(spearman(&[(1.0, 1.0), (1.0, 2.0)]).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_of_regrets_is_sure_where_the_pairs_agree_however_much_they_scatter() {
        let of = |all: &[f64]| -> Vec<Figures> {
            let one = |regret: &f64| Figures {
                regret: *regret,
                ..Figures::default()
            };
            all.iter().map(one).collect()
        };
        let theirs = of(&[100.0, 400.0, 1_000.0, 2_000.0]);
        let seen = ratio(&of(&[50.0, 200.0, 500.0, 1_000.0]), &theirs);
        assert!((seen.mean - 0.5).abs() < 1e-12 && (seen.high - 0.5).abs() < 1e-9);
        let seen = ratio(&of(&[90.0, 100.0, 900.0, 600.0]), &theirs);
        assert!(seen.low < seen.mean && seen.mean < seen.high, "{seen:?}");
    }
}
