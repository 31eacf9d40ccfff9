//! The memory's own learner, chosen from by Thompson's draws.

use sandbox_elf::{
    learn::{Model, Step, prior},
    trust::{Trust, UNPROVEN},
};

use super::{Policy, Seen, best};
use crate::sim::{
    chance::Chance,
    world::{Job, MOST, Rule},
};

/// The learner of the product.
pub(super) struct Learner {
    model: Model,
    chance: Chance,
}

impl Learner {
    pub(super) fn new(seed: u64) -> Self {
        let model = Model::default();
        let chance = Chance::new(seed).of(100);
        Self { model, chance }
    }
}

impl Policy for Learner {
    fn stated(&mut self, rule: &Rule) {
        // Agents state the rules of these worlds.
        let claimed = prior(rule.claimed).min(Trust::Agent.most_claimed());
        self.model
            .add(rule.number, &rule.domain.to_string(), claimed);
    }

    fn choose(&mut self, job: &Job) -> Vec<u64> {
        let seed = self.chance.of(job.number).bits();
        let drawn = job.eligible.iter().filter_map(|n| {
            if self.model.is_control(*n, seed) {
                return None;
            }
            let draw = self.model.draw(*n, seed)?;
            let first = f64::from(u8::from(self.model.is_new(*n)));
            Some((draw + first, *n))
        });
        let (mut drawn, mut unproven) = (
            best(drawn.filter(|(draw, _)| *draw > 0.0).collect(), usize::MAX),
            0,
        );
        drawn.retain(|n| {
            unproven += usize::from(self.model.is_new(*n));
            !self.model.is_new(*n) || unproven <= UNPROVEN
        });
        drawn.truncate(MOST);
        drawn
    }

    fn learn(&mut self, seen: &Seen) {
        self.model.learn(&Step {
            domain: &seen.domain.to_string(),
            injected: &seen.injected,
            withheld: &seen.withheld,
            success: f64::from(u8::from(seen.success)),
            weight: 1.0,
        });
    }

    fn score(&self, rule: u64) -> f64 {
        self.model.belief(rule).map_or(0.0, |b| b.effect)
    }

    fn is_golden(&self, rule: u64) -> bool {
        self.model.verdict(rule).is_some_and(|v| v.golden)
    }
}
