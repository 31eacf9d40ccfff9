//! What came of a run, and means with standard errors over many.

use serde::Serialize;

use super::{
    policy::Policy,
    world::{Job, Kind, Rule, World},
};

/// The figures of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Success that was missed, against the best rules of each job.
    pub regret: f64,
    none: f64,
    best: f64,
    got: f64,
    injected: f64,
    jobs: f64,
    /// Golden rules at the end.
    pub golden_count: f64,
    /// Of those, the share that truly helps (more than 0.1 on the logit); 1 where there is none.
    pub golden_precision: f64,
    /// Of the rules that truly help by 0.3, the share that is golden.
    pub golden_recall: f64,
    /// Golden rules that do harm.
    pub harmful_golden: f64,
    /// Golden rules that an adversary stated.
    pub adversarial_golden: f64,
    /// Rank correlation of the scores with the true effects.
    pub spearman: f64,
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
    pub spearman: Mean,
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
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

    pub(super) fn end(&mut self, world: &World, policy: &dyn Policy) {
        let effect = |r: &Rule| world.effect(r, world.jobs());
        let golden: Vec<&Rule> = world
            .rules
            .iter()
            .filter(|r| policy.is_golden(r.number))
            .collect();
        let helping = golden.iter().filter(|r| effect(r) > 0.1).count();
        let strong = |r: &&Rule| effect(r) >= 0.3;
        let found = golden.iter().copied().filter(strong).count();
        let all = world.rules.iter().filter(strong).count();
        self.golden_count = count(golden.len());
        self.golden_precision = if golden.is_empty() {
            1.0
        } else {
            count(helping) / count(golden.len())
        };
        self.golden_recall = count(found) / count(all.max(1));
        self.harmful_golden = count(golden.iter().filter(|r| effect(r) < 0.0).count());
        self.adversarial_golden = count(
            golden
                .iter()
                .filter(|r| r.kind == Kind::Adversarial)
                .count(),
        );
        let pairs = world
            .rules
            .iter()
            .map(|r| (policy.score(r.number), effect(r)));
        self.spearman = spearman(&pairs.collect::<Vec<_>>());
    }

    /// The share of what the best rules add that was got.
    #[must_use]
    pub fn captured(&self) -> f64 {
        (self.got - self.none) / (self.best - self.none).max(f64::MIN_POSITIVE)
    }
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
            golden_count: mean(&|f| f.golden_count),
            golden_precision: mean(&|f| f.golden_precision),
            golden_recall: mean(&|f| f.golden_recall),
            harmful_golden: mean(&|f| f.harmful_golden),
            adversarial_golden: mean(&|f| f.adversarial_golden),
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
}
