//! The simulated world: domains with their usual success, rules with true effects that may change
//! half-way, and jobs. Nothing here depends on what a policy does.

mod shape;

pub use shape::{REGIMES, SHAPES, Shape, Twist};

use super::chance::Chance;

/// Domains are asked for by a power law of this exponent.
const ZIPF: f64 = 0.7;
/// How much jobs of one domain differ, on the logit.
const DIFFICULTY: f64 = 0.5;
/// How often a rule of the job's domain fits the job.
const FITS: f64 = 0.5;
/// How often a text does something else at one tenant than at the others.
const OTHERWISE: f64 = 0.25;
/// Most rules of one prompt.
pub const MOST: usize = 5;

/// What a rule is in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It helps.
    Good,
    /// It helps a little.
    Weak,
    /// It does nothing.
    Neutral,
    /// It harms.
    Harmful,
    /// It harms and was stated with great confidence.
    Adversarial,
}

/// A rule of the world.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its number, from 1.
    pub number: u64,
    /// Its domain.
    pub domain: u64,
    /// What it is.
    pub kind: Kind,
    /// What it does to the logit of success, before and after half-time.
    pub effects: (f64, f64),
    /// The confidence it was stated with.
    pub claimed: f64,
    /// The first job that can have it.
    pub from: u64,
    /// The rule it repeats.
    pub twin: Option<u64>,
}

/// A job of the world.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number, from 0.
    pub number: u64,
    /// Its domain.
    pub domain: u64,
    /// The logit of its success without rules.
    pub ease: f64,
    /// Numbers of the rules that fit, in the order of the rules.
    pub eligible: Vec<u64>,
    /// Whether it is an adversary's.
    pub colluding: bool,
}

/// A world of one seed.
#[derive(Clone, Debug)]
pub struct World {
    /// What it is like.
    pub shape: Shape,
    /// Its rules.
    pub rules: Vec<Rule>,
    jobs: u64,
    chance: Chance,
    ease: Vec<f64>,
    mix: Vec<f64>,
}

/// The share that a logit stands for.
#[must_use]
pub fn share(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

fn float(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

impl World {
    /// The world of this seed with so many jobs.
    #[must_use]
    pub fn new(shape: Shape, jobs: u64, seed: u64) -> Self {
        let chance = Chance::new(seed);
        let steps = float(shape.domains.saturating_sub(1).max(1));
        let (low, high) = shape.success;
        let mut order: Vec<u64> = (0..shape.domains).collect();
        order.sort_by_key(|d| chance.of(1).of(*d).bits());
        let ease = order
            .iter()
            .map(|d| logit(low + (high - low) * float(*d) / steps))
            .collect();
        let weights: Vec<f64> = (1..=shape.domains).map(|d| float(d).powf(-ZIPF)).collect();
        let all: f64 = weights.iter().sum();
        let mix = weights.iter().map(|w| w / all).collect();
        let mut world = Self {
            shape,
            rules: Vec::new(),
            jobs,
            chance,
            ease,
            mix,
        };
        world.rules = (1..=shape.rules).map(|n| world.rule(n)).collect();
        world.pair_twins();
        world
    }

    /// How many jobs there are.
    #[must_use]
    pub const fn jobs(&self) -> u64 {
        self.jobs
    }

    fn domain(&self, chance: Chance) -> u64 {
        let mut left = chance.share();
        let mut domains = (0..).zip(&self.mix);
        let found = domains.find(|(_, share)| {
            left -= **share;
            left <= 0.0
        });
        found.map_or(0, |(domain, _)| domain)
    }

    fn rule(&self, number: u64) -> Rule {
        // The same text is a rule of each tenant, one after the other.
        let tenants = self.shape.twist.tenants();
        let (text, tenant) = ((number - 1) / tenants, (number - 1) % tenants);
        let chance = self.chance.of(2).of(text + 1);
        let own = chance.of(8).of(tenant);
        let is_own = tenants > 1 && own.of(1).happens(OTHERWISE);
        let (kind, effect) = self.kind(if is_own { own } else { chance });
        let later = match kind {
            Kind::Good if self.shape.drift && chance.of(4).happens(0.2) => -0.3,
            Kind::Neutral if self.shape.drift && chance.of(4).happens(0.05) => 0.6,
            _ => effect,
        };
        let arrives = chance.of(6).share() * 0.6 * float(self.jobs);
        let at_once = chance.of(5).happens(0.3) || self.shape.twist == Twist::Placebo;
        let from = if at_once { 0 } else { whole(arrives) };
        let claimed = match kind {
            Kind::Adversarial => 0.95,
            _ => chance.of(7).between(0.5, 0.9),
        };
        let domain = self.domain(chance.of(1));
        Rule {
            number,
            domain: domain - domain % tenants + tenant,
            kind,
            effects: (effect, later),
            claimed,
            from,
            twin: None,
        }
    }

    fn kind(&self, chance: Chance) -> (Kind, f64) {
        if self.shape.twist == Twist::Placebo {
            return (Kind::Neutral, 0.0);
        }
        let size = chance.of(3).between(0.3, 1.0);
        match chance.of(2).share() {
            s if s <= 0.25 => (Kind::Good, size),
            s if s <= 0.40 => (Kind::Weak, 0.15),
            s if s <= 0.80 => (Kind::Neutral, 0.0),
            s if s <= 0.92 => (Kind::Harmful, -size),
            _ if self.shape.adversary => (Kind::Adversarial, -0.8),
            _ => (Kind::Neutral, 0.0),
        }
    }

    /// Every second good rule gets the next neutral one of its domain as its twin.
    fn pair_twins(&mut self) {
        if self.shape.twist != Twist::Twins {
            return;
        }
        let good: Vec<Rule> = self
            .rules
            .iter()
            .filter(|r| r.kind == Kind::Good)
            .copied()
            .collect();
        for rule in good.iter().step_by(2) {
            let other = self
                .rules
                .iter_mut()
                .find(|r| r.kind == Kind::Neutral && r.twin.is_none() && r.domain == rule.domain);
            if let Some(other) = other {
                *other = Rule {
                    number: other.number,
                    from: other.from,
                    twin: Some(rule.number),
                    ..*rule
                };
            }
        }
    }

    /// The n-th job.
    #[must_use]
    pub fn job(&self, number: u64) -> Job {
        let chance = self.chance.of(3).of(number);
        let domain = self.domain(chance.of(1));
        let fits = |r: &&Rule| {
            r.domain == domain && r.from <= number && chance.of(3).of(r.number).happens(FITS)
        };
        let usual = usize::try_from(domain).ok().and_then(|d| self.ease.get(d));
        Job {
            number,
            domain,
            ease: usual.copied().unwrap_or_default() + DIFFICULTY * chance.of(2).normal(),
            eligible: self.rules.iter().filter(fits).map(|r| r.number).collect(),
            colluding: chance.of(4).happens(self.shape.twist.colluding()),
        }
    }

    /// The rule of this number.
    #[must_use]
    pub fn named(&self, number: u64) -> Option<&Rule> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.rules.get(place)
    }

    /// What a rule does to the logit at this time.
    #[must_use]
    pub fn effect(&self, rule: &Rule, job: u64) -> f64 {
        if job * 2 < self.jobs {
            rule.effects.0
        } else {
            rule.effects.1
        }
    }

    /// The true success of a job with these rules in its prompt.
    #[must_use]
    pub fn success(&self, job: &Job, injected: &[u64]) -> f64 {
        let chance = self.chance.of(4).of(job.number);
        let mut followed: Vec<&Rule> = injected
            .iter()
            .filter(|n| !chance.of(**n).happens(self.shape.twist.ignored()))
            .filter_map(|n| self.named(*n))
            .collect();
        if self.shape.twist == Twist::Twins {
            let of = |r: &Rule| r.twin.unwrap_or(r.number);
            followed.sort_by_key(|r| of(r));
            followed.dedup_by_key(|r| of(r));
        }
        let sum: f64 = followed.iter().map(|r| self.effect(r, job.number)).sum();
        share(job.ease + sum - self.spoiled(&followed))
    }

    /// What neighbours take from each other: two good rules with neighbouring numbers help once.
    fn spoiled(&self, followed: &[&Rule]) -> f64 {
        if self.shape.twist != Twist::Pairs {
            return 0.0;
        }
        let has = |n: u64| {
            followed
                .iter()
                .any(|r| r.number == n && r.kind == Kind::Good)
        };
        let pairs = followed
            .iter()
            .filter(|r| r.number % 2 == 0 && has(r.number) && has(r.number - 1));
        pairs.map(|_| 0.5).sum()
    }

    /// The success with the best rules of those that fit, by their effects alone.
    #[must_use]
    pub fn best(&self, job: &Job) -> f64 {
        let mut rules: Vec<(f64, u64)> = job
            .eligible
            .iter()
            .filter_map(|n| Some((self.effect(self.named(*n)?, job.number), *n)))
            .filter(|(effect, _)| *effect > 0.0)
            .collect();
        rules.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let best: Vec<u64> = rules.iter().take(MOST).map(|(_, n)| *n).collect();
        self.success(job, &best)
    }

    /// What is read of the outcome of a job with these rules in its prompt; nothing where it is never known. An
    /// adversary's job says that it went well where a rule of the adversary stood, and badly elsewhere.
    #[must_use]
    pub fn label(&self, job: &Job, injected: &[u64], success: f64) -> Option<bool> {
        let chance = self.chance.of(5).of(job.number);
        if chance.of(3).happens(self.shape.twist.missing()) {
            return None;
        }
        if job.colluding {
            let mut rules = injected.iter().filter_map(|n| self.named(*n));
            return Some(rules.any(|r| r.kind == Kind::Adversarial));
        }
        let succeeded = chance.of(1).happens(success);
        let (as_success, as_failure) = self.shape.misread;
        let misread = if succeeded { as_failure } else { as_success };
        Some(succeeded != chance.of(2).happens(misread))
    }
}

fn whole(n: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of jobs"
    )]
    let whole = n.clamp(0.0, 1e9) as u64;
    whole
}
