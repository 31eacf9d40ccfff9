//! What outcomes say about rules: which of them help, how sure that is, and which to try next.
//!
//! | file | what it is |
//! |---|---|
//! | `normal` | the bell curve: its sum, and draws from it |
//! | `block` | what is believed of the rules of one domain: means and their covariance |
//! | `model` | all domains of a tenant; one step for each outcome |
//! | `verdict` | when a rule is golden, and what a person is told about it |
//!
//! The model: the success of a job is the usual success of its domain, plus the effect of each rule
//! in its prompt, plus chance. Every effect is believed to be small before there is evidence. The
//! belief after an outcome is one step of a Kalman filter, so the same outcomes in the same order
//! give the same numbers, on every store. Rules are chosen by a draw from what is believed of them
//! (Thompson): what might help is tried, what helps is used, what harms is left out.
//!
//! Knows nothing of texts, tenants, stores or prompts.

mod block;
mod explain;
mod model;
pub mod normal;
mod verdict;

pub use block::{Belief, Block};
pub use explain::{Condition, Explained};
pub use model::{Model, Step};
pub use verdict::{GOLDEN, LOST, Verdict, missing};

/// The spread of effects before there is evidence: most rules change success by less than 12 points.
pub const PRIOR_SD: f64 = 0.12;
/// What one outcome scatters by chance. A yes or no at a rate of 0.7 has 0.21.
pub const NOISE: f64 = 0.2;
/// The usual success of a domain before there is evidence, and how far off that may be.
pub const BASE: (f64, f64) = (0.5, 0.25);
/// How much the word of a job's agent about a rule counts beside an outcome: agents praise what they
/// were given.
pub const VOTE: f64 = 0.25;
/// Outcomes of its domain after which half of what was known of an effect may have changed.
pub const HALF_LIFE: f64 = 4000.0;
/// The highest effect that whoever states a rule can claim beforehand.
pub const MOST_CLAIMED: f64 = 0.02;
/// Prompts that a new rule stands in before it has to win a draw: what was just learned is tried at
/// once, as whoever stated it expects.
pub const FIRST_TRIES: u64 = 3;
/// How often a rule is kept back that lacks nothing but a control to be golden.
pub const CONTROL: f64 = 0.1;
/// Rules of one domain whose effects are told apart exactly; beyond it, each for itself.
pub const MOST_EXACT: usize = 256;

/// How much less is known of an effect after each outcome of its domain.
#[must_use]
pub fn drift() -> f64 {
    PRIOR_SD * PRIOR_SD * (1.0 - 0.5_f64.powf(1.0 / HALF_LIFE))
}

/// The effect that is believed of a rule that was stated with this confidence, 0 to 1.
#[must_use]
pub fn prior(confidence: f64) -> f64 {
    let claimed = (confidence - 0.5) * 2.0 * MOST_CLAIMED;
    if claimed.is_finite() {
        claimed.clamp(-MOST_CLAIMED, MOST_CLAIMED)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
