//! All domains of a tenant, and the step that one outcome makes. A job counts for its own domain's
//! usual success; each rule in its prompt is believed about in the rule's domain. Domains are taken
//! to be independent of each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Belief, Block, CONTROL, FIRST_TRIES, NOISE, VOTE,
    block::USUAL,
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
    blocks: BTreeMap<String, Block>,
    /// The domain of each rule, by its number.
    domains: HashMap<u64, String>,
}

impl Model {
    /// Takes up a rule, with the effect that is believed of it before there is evidence.
    pub fn add(&mut self, rule: u64, domain: &str, effect: f64) {
        if self.domains.contains_key(&rule) {
            return;
        }
        self.domains.insert(rule, domain.to_owned());
        let block = self.blocks.entry(domain.to_owned()).or_default();
        block.add(rule, effect);
    }

    /// What is believed of this rule.
    #[must_use]
    pub fn belief(&self, rule: u64) -> Option<Belief> {
        self.blocks.get(self.domains.get(&rule)?)?.belief(rule)
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

    /// The rules of a domain that are expected to help most, in no order.
    #[must_use]
    pub fn most_helpful(&self, domain: &str, most: usize) -> Vec<u64> {
        let block = self.blocks.get(domain);
        block.map_or_else(Vec::new, |b| b.most_helpful(most))
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
        self.blocks.get(domain).map(Block::usual)
    }

    /// Learns from one job. Rules that were never taken up are left out.
    pub fn learn(&mut self, step: &Step<'_>) {
        if !(step.success.is_finite() && step.weight.is_finite() && step.weight > 0.0) {
            return;
        }
        let own = self.blocks.entry(step.domain.to_owned()).or_default();
        own.fade(drift());
        let seen = self.places(step);
        self.step(step, &seen);
        self.count(step);
        self.judge(seen.keys());
    }

    /// Hears what a job's agent thinks of a rule that stood in its prompt: as if such a job had ended
    /// well or badly, and much weaker. It counts for nothing that makes a rule golden, and no rule
    /// becomes golden by it.
    pub fn hear(&mut self, rule: u64, helpful: bool) {
        let Some(domain) = self.domains.get(&rule).cloned() else {
            return;
        };
        let step = Step {
            domain: &domain,
            injected: &[rule],
            success: f64::from(u8::from(helpful)),
            weight: VOTE,
            ..Step::default()
        };
        let seen = self.places(&step);
        self.step(&step, &seen);
    }

    /// One step of the filter.
    fn step(&mut self, step: &Step<'_>, seen: &BTreeMap<String, Vec<usize>>) {
        let gains: Vec<(String, Vec<f64>, f64)> = seen
            .iter()
            .filter_map(|(domain, places)| {
                let gain = self.blocks.get(domain)?.gain(places);
                let scatter = places.iter().map(|p| gain[*p]).sum();
                Some((domain.clone(), gain, scatter))
            })
            .collect();
        let expected: f64 = seen
            .iter()
            .filter_map(|(domain, places)| Some(self.blocks.get(domain)?.sum(places)))
            .sum();
        let scatter = NOISE / step.weight + gains.iter().map(|(_, _, own)| own).sum::<f64>();
        let surprise = step.success.clamp(0.0, 1.0) - expected;
        for (domain, gain, _) in &gains {
            if let Some(block) = self.blocks.get_mut(domain) {
                block.learn(gain, surprise, scatter);
            }
        }
    }

    /// The places that took part, by domain: the job's usual success, and its rules.
    fn places(&self, step: &Step<'_>) -> BTreeMap<String, Vec<usize>> {
        let mut seen = BTreeMap::from([(step.domain.to_owned(), vec![USUAL])]);
        for rule in step.injected.iter().collect::<BTreeSet<_>>() {
            let domain = self.domains.get(rule);
            let place = domain.and_then(|d| self.blocks.get(d)?.place(*rule));
            if let (Some(domain), Some(place)) = (domain, place) {
                seen.entry(domain.clone()).or_default().push(place);
            }
        }
        seen
    }

    fn count(&mut self, step: &Step<'_>) {
        let injected = step.injected.iter().map(|rule| (rule, true));
        let withheld = step.withheld.iter().map(|rule| (rule, false));
        for (rule, was_given) in injected.chain(withheld) {
            let block = self.domains.get(rule).and_then(|d| self.blocks.get_mut(d));
            if let Some(tally) = block.and_then(|b| b.tally(*rule)) {
                tally.injected += u64::from(was_given);
                tally.withheld += u64::from(!was_given);
            }
        }
    }

    fn judge<'a>(&mut self, domains: impl Iterator<Item = &'a String>) {
        for domain in domains {
            let Some(block) = self.blocks.get_mut(domain) else {
                continue;
            };
            let rules: Vec<u64> = block.rules().collect();
            for rule in rules {
                let golden = block.belief(rule).is_some_and(verdict::is_golden);
                if let Some(tally) = block.tally(rule) {
                    tally.golden = golden;
                }
            }
        }
    }
}
