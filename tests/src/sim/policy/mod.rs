//! Ways to choose rules. Each sees what a memory sees: rules as they are stated, jobs with the rules
//! that fit, and what is read of outcomes.

mod ancestor;
mod learner;
mod rates;

use super::world::{Job, Rule};

/// What is read of one job.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The job's domain.
    pub domain: u64,
    /// Its number.
    pub number: u64,
    /// Rules in its prompt.
    pub injected: Vec<u64>,
    /// Rules that fitted and were kept back.
    pub withheld: Vec<u64>,
    /// Whether it is read as success.
    pub success: bool,
}

/// A way to choose rules.
pub trait Policy {
    /// A rule was stated.
    fn stated(&mut self, rule: &Rule);
    /// The rules for a job's prompt.
    fn choose(&mut self, job: &Job) -> Vec<u64>;
    /// An outcome became known.
    fn learn(&mut self, seen: &Seen);
    /// What the rule is thought to be worth; any scale.
    fn score(&self, rule: u64) -> f64;
    /// Whether the rule is held to be proven.
    fn is_golden(&self, rule: u64) -> bool;
}

/// Makes a policy, whose chance follows from the seed.
type Make = fn(u64) -> Box<dyn Policy>;

/// The policies there are.
pub const POLICIES: &[(&str, Make)] = &[
    ("learner", |seed| Box::new(learner::Learner::new(seed))),
    ("none", |_| Box::new(Nothing)),
    ("elf-mcp", |seed| {
        Box::new(ancestor::Counter::fed_by_outcomes(seed))
    }),
    ("elf-self-report", |seed| {
        Box::new(ancestor::Counter::fed_by_itself(seed))
    }),
    ("elf-hook", |seed| Box::new(ancestor::Counter::hook(seed))),
    (
        "elf-lifecycle",
        |_| Box::new(ancestor::Lifecycle::default()),
    ),
    ("beta", |seed| Box::new(rates::Beta::new(seed))),
    ("holdout", |seed| Box::new(rates::Holdout::new(seed))),
];

/// No memory.
struct Nothing;

impl Policy for Nothing {
    fn stated(&mut self, _: &Rule) {}
    fn choose(&mut self, _: &Job) -> Vec<u64> {
        Vec::new()
    }
    fn learn(&mut self, _: &Seen) {}
    fn score(&self, _: u64) -> f64 {
        0.0
    }
    fn is_golden(&self, _: u64) -> bool {
        false
    }
}

/// The best by a score, highest first; equals in the order of the rules.
fn best(mut scored: Vec<(f64, u64)>, most: usize) -> Vec<u64> {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().take(most).map(|(_, n)| n).collect()
}
