//! Policies that count successes per rule: with and without a control, to compare with.

use std::collections::BTreeMap;

use super::{Policy, Seen, best};
use crate::sim::{
    chance::Chance,
    world::{Job, MOST, Rule},
};

/// Successes and all.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    good: f64,
    all: f64,
}

impl Rate {
    fn add(&mut self, success: bool) {
        self.good += f64::from(u8::from(success));
        self.all += 1.0;
    }

    /// The mean and standard deviation of a Beta that began even.
    fn belief(self) -> (f64, f64) {
        let (a, b) = (self.good + 1.0, self.all - self.good + 1.0);
        let mean = a / (a + b);
        (mean, (mean * (1.0 - mean) / (a + b + 1.0)).sqrt())
    }

    /// The lower end of Wilson's interval of 95 %.
    fn at_least(self) -> f64 {
        let (z, n) = (1.96_f64, self.all.max(1.0));
        let p = self.good / n;
        let middle = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        (middle - half) / (1.0 + z * z / n)
    }
}

/// Success when injected, drawn from; golden above the rate of the domain.
pub(super) struct Beta {
    rules: BTreeMap<u64, (u64, Rate)>,
    domains: BTreeMap<u64, Rate>,
    chance: Chance,
}

impl Beta {
    pub(super) fn new(seed: u64) -> Self {
        let chance = Chance::new(seed).of(102);
        Self {
            rules: BTreeMap::new(),
            domains: BTreeMap::new(),
            chance,
        }
    }
}

impl Policy for Beta {
    fn stated(&mut self, rule: &Rule) {
        self.rules
            .insert(rule.number, (rule.domain, Rate::default()));
    }

    fn choose(&mut self, job: &Job) -> Vec<u64> {
        let chance = self.chance.of(job.number);
        let drawn = job.eligible.iter().filter_map(|n| {
            let (mean, sd) = self.rules.get(n)?.1.belief();
            Some((mean + sd * chance.of(*n).normal(), *n))
        });
        best(drawn.collect(), MOST)
    }

    fn learn(&mut self, seen: &Seen) {
        self.domains
            .entry(seen.domain)
            .or_default()
            .add(seen.success);
        for number in &seen.injected {
            if let Some((_, rate)) = self.rules.get_mut(number) {
                rate.add(seen.success);
            }
        }
    }

    fn score(&self, rule: u64) -> f64 {
        self.rules
            .get(&rule)
            .map_or(0.0, |(_, rate)| rate.belief().0)
    }

    fn is_golden(&self, rule: u64) -> bool {
        let Some((domain, rate)) = self.rules.get(&rule) else {
            return false;
        };
        let usual = self.domains.get(domain).map_or(0.5, |r| r.belief().0);
        rate.all >= 15.0 && rate.at_least() > usual
    }
}

/// Each rule against its own control: kept out of a fifth of the prompts that it fits, of a tenth
/// once it is golden.
pub(super) struct Holdout {
    rules: BTreeMap<u64, Arms>,
    chance: Chance,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arms {
    with: Rate,
    without: Rate,
    golden: bool,
    harmful: bool,
}

impl Arms {
    /// The difference of the arms in standard errors.
    fn lift(self) -> (f64, f64) {
        let ((a, x), (b, y)) = (self.with.belief(), self.without.belief());
        (a - b, (a - b) / x.hypot(y))
    }

    fn judge(&mut self) {
        if self.with.all < 15.0 || self.without.all < 10.0 {
            return;
        }
        let (_, z) = self.lift();
        self.golden = if self.golden { z > 0.84 } else { z > 1.96 };
        self.harmful = z < -1.28;
    }
}

impl Holdout {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rules: BTreeMap::new(),
            chance: Chance::new(seed).of(103),
        }
    }
}

impl Policy for Holdout {
    fn stated(&mut self, rule: &Rule) {
        self.rules.insert(rule.number, Arms::default());
    }

    fn choose(&mut self, job: &Job) -> Vec<u64> {
        let chance = self.chance.of(job.number);
        let given = job.eligible.iter().filter_map(|n| {
            let arms = self.rules.get(n).filter(|a| !a.harmful)?;
            let kept_back = if arms.golden { 0.1 } else { 0.2 };
            let is_given = !chance.of(*n).happens(kept_back);
            is_given.then(|| (arms.lift().0 + f64::from(u8::from(arms.golden)), *n))
        });
        best(given.collect(), MOST)
    }

    fn learn(&mut self, seen: &Seen) {
        let injected = seen.injected.iter().map(|n| (n, true));
        for (number, was_given) in injected.chain(seen.withheld.iter().map(|n| (n, false))) {
            if let Some(arms) = self.rules.get_mut(number) {
                let arm = if was_given {
                    &mut arms.with
                } else {
                    &mut arms.without
                };
                arm.add(seen.success);
                arms.judge();
            }
        }
    }

    fn score(&self, rule: u64) -> f64 {
        self.rules.get(&rule).map_or(0.0, |a| a.lift().0)
    }

    fn is_golden(&self, rule: u64) -> bool {
        self.rules.get(&rule).is_some_and(|a| a.golden)
    }
}
