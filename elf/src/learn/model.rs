//! All domains of a tenant, and the step that one outcome makes. A job counts for its own domain's
//! usual success; each rule in its prompt is believed about in the rule's domain. Domains are taken
//! to be independent of each other.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::{
    Belief, Block, CONTROL, FIRST_TRIES, NOISE, VOTE,
    block::{Gain, USUAL},
    drift, normal,
    verdict::{self, Verdict},
};

/// What was seen of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step<'a> {
    /// The job's domain.
    pub domain: &'a str,
    /// Numbers of the rules in its prompt.
    pub injected: &'a [u64],
    /// Numbers of the rules that fitted and were kept back.
    pub withheld: &'a [u64],
    /// How well it went: 0 failed, 1 succeeded, between by grade.
    pub success: f64,
    /// How much it counts: 1, or less for a mere opinion.
    pub weight: f64,
}

/// The beliefs of one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    blocks: Vec<Block>,
    /// The block of each domain.
    domains: FxHashMap<String, usize>,
    /// Where each rule stands, by its number.
    homes: FxHashMap<u64, Home>,
}

/// A rule's block, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Home {
    block: usize,
    place: usize,
}

impl Model {
    /// A model with room for so many rules.
    #[must_use]
    pub fn for_rules(rules: usize) -> Self {
        let mut model = Self::default();
        model.homes.reserve(rules);
        model
    }

    /// Takes up a rule, with the effect that is believed of it before there is evidence.
    pub fn add(&mut self, rule: u64, domain: &str, effect: f64) {
        if self.homes.contains_key(&rule) {
            return;
        }
        let block = self.block(domain);
        let place = self.blocks[block].add(rule, effect);
        self.homes.insert(rule, Home { block, place });
    }

    /// The block of a domain; a new one where it has none.
    fn block(&mut self, domain: &str) -> usize {
        if let Some(block) = self.domains.get(domain) {
            return *block;
        }
        let block = self.blocks.len();
        self.domains.insert(domain.to_owned(), block);
        self.blocks.push(Block::default());
        block
    }

    /// What is believed of this rule.
    #[must_use]
    pub fn belief(&self, rule: u64) -> Option<Belief> {
        let home = self.homes.get(&rule)?;
        self.blocks.get(home.block)?.belief(home.place)
    }

    /// What a person is told of this rule.
    #[must_use]
    pub fn verdict(&self, rule: u64) -> Option<Verdict> {
        self.belief(rule).map(Verdict::of)
    }

    /// The effect that this rule may have, drawn from what is believed; the same for the same seed.
    #[must_use]
    pub fn draw(&self, rule: u64, seed: u64) -> Option<f64> {
        let Belief { effect, sd, .. } = self.belief(rule)?;
        let own = normal::mixed(seed ^ normal::mixed(rule));
        Some(effect + sd * normal::draw(own))
    }

    /// The rules of a domain that are expected to help most, the oldest first of equals.
    #[must_use]
    pub fn most_helpful(&self, domain: &str, most: usize) -> Vec<u64> {
        let block = self.of(domain);
        block.map_or_else(Vec::new, |b| b.most_helpful(most))
    }

    fn of(&self, domain: &str) -> Option<&Block> {
        self.blocks.get(*self.domains.get(domain)?)
    }

    /// Whether the rule is kept back this time although it may help: it would be golden, had it ever
    /// been missing from enough prompts to tell. The same for the same seed.
    #[must_use]
    pub fn is_control(&self, rule: u64, seed: u64) -> bool {
        let own = normal::mixed(!seed ^ normal::mixed(rule));
        self.belief(rule).is_some_and(verdict::lacks_control) && normal::uniform(own) <= CONTROL
    }

    /// Whether the rule has its first tries before it.
    #[must_use]
    pub fn is_new(&self, rule: u64) -> bool {
        self.belief(rule)
            .is_none_or(|b| b.tally.injected < FIRST_TRIES)
    }

    /// The usual success of a domain without rules.
    #[must_use]
    pub fn usual(&self, domain: &str) -> Option<f64> {
        self.of(domain).map(Block::usual)
    }

    /// Learns from one job. Rules that were never taken up are left out.
    pub fn learn(&mut self, step: &Step<'_>) {
        if !(step.success.is_finite() && step.weight.is_finite() && step.weight > 0.0) {
            return;
        }
        let own = self.block(step.domain);
        self.blocks[own].fade(drift());
        let seen = self.places(own, step.injected);
        self.step(step, &seen);
        self.count(step);
        for block in seen.keys() {
            self.blocks[*block].judge(verdict::is_golden);
        }
    }

    /// Hears what a job's agent thinks of a rule that stood in its prompt: as if such a job had ended
    /// well or badly, and much weaker. It counts for nothing that makes a rule golden, and no rule
    /// becomes golden by it.
    pub fn hear(&mut self, rule: u64, helpful: bool) {
        let Some(home) = self.homes.get(&rule) else {
            return;
        };
        let step = Step {
            injected: &[rule],
            success: f64::from(u8::from(helpful)),
            weight: VOTE,
            ..Step::default()
        };
        let seen = self.places(home.block, step.injected);
        self.step(&step, &seen);
    }

    /// One step of the filter.
    fn step(&mut self, step: &Step<'_>, seen: &BTreeMap<usize, Vec<usize>>) {
        let gains: Vec<(usize, Gain)> = seen
            .iter()
            .map(|(block, places)| (*block, self.blocks[*block].gain(places)))
            .collect();
        let expected: f64 = seen
            .iter()
            .map(|(block, places)| self.blocks[*block].sum(places))
            .sum();
        let scatter = NOISE / step.weight + gains.iter().map(|(_, own)| own.scatter).sum::<f64>();
        let surprise = step.success.clamp(0.0, 1.0) - expected;
        for (block, gain) in &gains {
            self.blocks[*block].learn(gain, surprise, scatter);
        }
    }

    /// The places that took part, by block: the usual success of the job's domain, and its rules.
    fn places(&self, own: usize, injected: &[u64]) -> BTreeMap<usize, Vec<usize>> {
        let mut seen = BTreeMap::from([(own, vec![USUAL])]);
        for rule in injected.iter().collect::<BTreeSet<_>>() {
            if let Some(home) = self.homes.get(rule) {
                seen.entry(home.block).or_default().push(home.place);
            }
        }
        seen
    }

    fn count(&mut self, step: &Step<'_>) {
        let injected = step.injected.iter().map(|rule| (rule, true));
        let withheld = step.withheld.iter().map(|rule| (rule, false));
        for (rule, was_given) in injected.chain(withheld) {
            if let Some(home) = self.homes.get(rule) {
                self.blocks[home.block].count(home.place, was_given);
            }
        }
    }
}
