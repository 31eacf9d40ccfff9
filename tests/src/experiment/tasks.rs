//! The tasks: families that share one fact, which nothing can know that was not told it.

use std::fmt::Write;

use crate::sim::chance::Chance;

/// How many jobs of a family follow each other.
pub const JOBS: u64 = 3;
/// How often an agent that fails says what it found out.
const TELLS: f64 = 0.5;

/// Jobs that fail for the same reason.
#[derive(Clone, Debug)]
pub struct Family {
    /// The module it is about.
    module: String,
    /// The failure that its tasks report.
    error: String,
    /// The word without which no attempt succeeds.
    pub key: String,
    /// A word of the same length that helps nobody.
    placebo: String,
    /// For each of its jobs, whether an agent that fails says what it found out.
    tells: Vec<bool>,
}

impl Family {
    /// The n-th family of a seed.
    #[must_use]
    pub fn new(seed: u64, n: u64) -> Self {
        let chance = Chance::new(seed).of(n);
        let name = |of| word(chance.of(of));
        Self {
            module: format!("{}_{}", name(1), name(2)),
            error: format!("E{:04} {} lane", chance.of(3).bits() % 10_000, name(4)),
            key: name(5),
            placebo: name(6),
            tells: (0..JOBS)
                .map(|job| chance.of(7).of(job).happens(TELLS))
                .collect(),
        }
    }

    /// The task of its n-th job.
    #[must_use]
    pub fn task(&self, job: u64) -> String {
        let Self { module, error, .. } = self;
        format!("Job {job} of {module}: its build stops with `{error}`. Mend it.")
    }

    /// What an agent finds out by failing: the fact, or a text as long that helps nobody.
    fn found_out(&self, is_placebo: bool) -> String {
        let Self { module, error, .. } = self;
        let key = if is_placebo { &self.placebo } else { &self.key };
        format!("[LEARNED:build] For `{error}` in {module} set the lane to {key}.")
    }

    /// What an agent does with the tasks of this family, as rules of a scenario: it succeeds where the
    /// fact stands in its prompt, and fails where it does not.
    #[must_use]
    pub fn rules(&self, is_placebo: bool) -> String {
        let Self { module, key, .. } = self;
        let mut rules = format!(
            "- when: {{prompt_contains: 'lane to {key}'}}\n  steps: [{{bash: 'echo {key} >lane; git add lane; \
             git commit -q -m {module}'}}]\n"
        );
        for (job, tells) in (0_u64..).zip(&self.tells) {
            let says = if *tells {
                self.found_out(is_placebo)
            } else {
                "I do not know why.".to_owned()
            };
            // Writing to a string cannot fail.
            let _ = write!(
                rules,
                "- when: {{prompt_contains: 'Job {job} of {module}:'}}\n  steps:\n    - say: {says:?}\n    - fail: billing_error\n"
            );
        }
        rules
    }
}

/// A rule of earlier work that has nothing to do with any of it.
#[must_use]
pub fn noise(seed: u64, n: u64) -> String {
    let chance = Chance::new(!seed).of(n);
    let name = |of| word(chance.of(of));
    format!(
        "For `E{:04} {} lane` in {}_{} set the lane to {}.",
        chance.of(1).bits() % 10_000,
        name(2),
        name(3),
        name(4),
        name(5),
    )
}

/// A word of seven letters that can be said.
fn word(chance: Chance) -> String {
    let pick = |from: &[u8], n: u64| {
        let place = chance.of(n).bits() % from.len() as u64;
        let letter = usize::try_from(place).ok().and_then(|p| from.get(p));
        char::from(letter.copied().unwrap_or(b'a'))
    };
    (0..7)
        .map(|n| {
            let letters: &[u8] = if n % 2 == 0 {
                b"bdfgklmnprstvz"
            } else {
                b"aeiou"
            };
            pick(letters, n)
        })
        .collect()
}
