//! The confidence counters of the Python ancestor and of the framework it came from, by their
//! formulas, to compare with.

use std::collections::BTreeMap;

use super::{Policy, Seen, best};
use crate::sim::{
    chance::Chance,
    world::{Job, Kind, MOST, Rule},
};

/// A rule below this confidence is not given.
const FLOOR: f64 = 0.3;
/// The documented bar of golden rules.
const BAR: f64 = 0.9;

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    confidence: f64,
    validated: u64,
    violated: u64,
    golden: bool,
}

fn by_confidence(rules: &BTreeMap<u64, Counted>, job: &Job) -> Vec<u64> {
    let known = job
        .eligible
        .iter()
        .filter_map(|n| Some((*n, rules.get(n)?)));
    let given = known.filter(|(_, r)| r.confidence >= FLOOR || r.golden);
    // Golden ones first, then by confidence.
    best(
        given
            .map(|(n, r)| (r.confidence + f64::from(u8::from(r.golden)), n))
            .collect(),
        MOST,
    )
}

/// Adds a step for each success of a prompt it stood in, and takes one for each failure.
pub(super) struct Counter {
    rules: BTreeMap<u64, Counted>,
    chance: Chance,
    up: f64,
    down: f64,
    /// How often an agent says so after a success and after a failure.
    told: (f64, f64),
    /// The hook's own bar: ten validations, and more than ten for each violation; never lost.
    hook: bool,
}

impl Counter {
    /// +0.05, −0.10, by the outcomes.
    pub(super) fn fed_by_outcomes(seed: u64) -> Self {
        let chance = Chance::new(seed).of(101);
        Self {
            rules: BTreeMap::new(),
            chance,
            up: 0.05,
            down: 0.10,
            told: (1.0, 1.0),
            hook: false,
        }
    }

    /// The same by what agents say: 60 % of successes, 30 % of failures.
    pub(super) fn fed_by_itself(seed: u64) -> Self {
        Self {
            told: (0.6, 0.3),
            ..Self::fed_by_outcomes(seed)
        }
    }

    /// +0.01, −0.02, by the outcomes, with the hook's bar.
    pub(super) fn hook(seed: u64) -> Self {
        Self {
            up: 0.01,
            down: 0.02,
            hook: true,
            ..Self::fed_by_outcomes(seed)
        }
    }

    fn count(&mut self, number: u64, success: bool) {
        let (up, down, hook) = (self.up, self.down, self.hook);
        let Some(rule) = self.rules.get_mut(&number) else {
            return;
        };
        let before = rule.confidence;
        rule.validated += u64::from(success);
        rule.violated += u64::from(!success);
        let after = if success { before + up } else { before - down };
        rule.confidence = after.clamp(0.0, 1.0);
        rule.golden = if hook {
            let ratio = rule.validated / rule.violated.max(1);
            rule.golden || (rule.confidence >= BAR && rule.validated >= 10 && ratio > 10)
        } else {
            // The statement reads the confidence of before, so the flag is one update late.
            before >= BAR
        };
    }
}

impl Policy for Counter {
    fn stated(&mut self, rule: &Rule) {
        let confidence = rule.claimed;
        self.rules.insert(
            rule.number,
            Counted {
                confidence,
                ..Counted::default()
            },
        );
        if rule.kind == Kind::Adversarial {
            (0..5).for_each(|_| self.count(rule.number, true));
        }
    }

    fn choose(&mut self, job: &Job) -> Vec<u64> {
        by_confidence(&self.rules, job)
    }

    fn learn(&mut self, seen: &Seen) {
        let often = if seen.success {
            self.told.0
        } else {
            self.told.1
        };
        if self.chance.of(seen.number).happens(often) {
            seen.injected
                .iter()
                .for_each(|n| self.count(*n, seen.success));
        }
    }

    fn score(&self, rule: u64) -> f64 {
        self.rules.get(&rule).map_or(0.0, |r| r.confidence)
    }

    fn is_golden(&self, rule: u64) -> bool {
        self.rules.get(&rule).is_some_and(|r| r.golden)
    }
}

/// Jobs of a simulated day, for what is bounded by time.
const A_DAY: u64 = 200;

/// The lifecycle's moving average: at most five updates a day, an hour apart.
#[derive(Default)]
pub(super) struct Lifecycle {
    rules: BTreeMap<u64, Counted>,
    updates: BTreeMap<u64, (u64, u64, u64)>,
}

impl Lifecycle {
    fn update(&mut self, number: u64, success: bool, job: u64) {
        let Some(rule) = self.rules.get_mut(&number) else {
            return;
        };
        let (day, today, last) = self.updates.entry(number).or_insert((u64::MAX, 0, 0));
        let first = *day == u64::MAX;
        if *day != job / A_DAY {
            (*day, *today) = (job / A_DAY, 0);
        }
        if *today >= 5 || (!first && job - *last < A_DAY / 24) {
            return;
        }
        (*today, *last) = (*today + 1, job);
        rule.validated += u64::from(success);
        rule.violated += u64::from(!success);
        let c = rule.confidence;
        let raw = if success {
            c + 0.1 * (1.0 - c)
        } else {
            c - 0.1 * c
        };
        let alpha = smoothing(c, rule.validated + rule.violated, success);
        rule.confidence = (c + alpha * (raw - c)).clamp(0.05, 0.95);
        rule.golden = rule.confidence > BAR && rule.validated > 10;
    }
}

/// How much of an update counts: by how often the rule was used, and where it stands.
fn smoothing(confidence: f64, used: u64, up: bool) -> f64 {
    let (rise, fall) = match confidence {
        _ if used <= 5 => (0.30, 0.30),
        c if c > 0.8 => (0.10, 0.15),
        c if c < 0.3 => (0.25, 0.20),
        _ if used >= 20 => (0.15, 0.20),
        _ => (0.20, 0.25),
    };
    if up { rise } else { fall }
}

impl Policy for Lifecycle {
    fn stated(&mut self, rule: &Rule) {
        let confidence = rule.claimed;
        self.rules.insert(
            rule.number,
            Counted {
                confidence,
                ..Counted::default()
            },
        );
    }

    fn choose(&mut self, job: &Job) -> Vec<u64> {
        by_confidence(&self.rules, job)
    }

    fn learn(&mut self, seen: &Seen) {
        seen.injected
            .iter()
            .for_each(|n| self.update(*n, seen.success, seen.number));
    }

    fn score(&self, rule: u64) -> f64 {
        self.rules.get(&rule).map_or(0.0, |r| r.confidence)
    }

    fn is_golden(&self, rule: u64) -> bool {
        self.rules.get(&rule).is_some_and(|r| r.golden)
    }
}
