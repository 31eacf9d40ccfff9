//! When a rule is golden, and what a person is told of it. Pure.

use super::{Belief, NOISE, normal};

/// A rule becomes golden when it is this sure that it helps.
pub const GOLDEN: f64 = 0.975;
/// It stops being golden when that is less sure than this. Between the two it stays what it was.
pub const LOST: f64 = 0.80;
/// The least effect of a golden rule: three points of success.
pub(super) const LEAST_EFFECT: f64 = 0.03;
/// Prompts that a golden rule stood in, and that it fitted and was kept out of: its control. With a smaller one, more than
/// one in a hundred rules that do nothing are golden for a while within their first 200 jobs.
pub(super) const LEAST: (u64, u64) = (15, 16);
/// The middle 90 % of a normal, in standard deviations.
const NINETY: f64 = 1.644_853_626_951_472_2;

/// What is known of a rule, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How sure it is that the rule helps, 0 to 1.
    pub confidence: f64,
    /// The change in success that is expected of it, and the middle 90 % of what it may be.
    pub effect: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Prompts it stood in.
    pub injected: u64,
    /// Prompts it fitted and was kept out of.
    pub withheld: u64,
    /// About how many more jobs it takes until it is golden; nothing when it will not be.
    pub missing: Option<u64>,
    /// Whether it is golden.
    pub golden: bool,
}

impl Verdict {
    /// The verdict on what is believed.
    #[must_use]
    pub fn of(belief: Belief) -> Self {
        Self {
            confidence: helps(belief),
            effect: belief.effect,
            low: belief.effect - NINETY * belief.sd,
            high: belief.effect + NINETY * belief.sd,
            injected: belief.tally.injected,
            withheld: belief.tally.withheld,
            missing: missing(belief),
            golden: belief.tally.golden,
        }
    }
}

/// How sure it is that the effect is above zero.
fn helps(belief: Belief) -> f64 {
    if belief.sd > 0.0 {
        normal::below(belief.effect / belief.sd)
    } else {
        f64::from(u8::from(belief.effect > 0.0))
    }
}

/// Whether a rule is golden now, given whether it was.
pub(super) fn is_golden(belief: Belief) -> bool {
    let tally = belief.tally;
    if tally.golden {
        return helps(belief) >= LOST;
    }
    tally.withheld >= LEAST.1 && seems_golden(belief)
}

/// Whether a rule would be golden if it had been kept out of enough prompts.
pub(super) fn lacks_control(belief: Belief) -> bool {
    let tally = belief.tally;
    !tally.golden && tally.withheld < LEAST.1 && seems_golden(belief)
}

fn seems_golden(belief: Belief) -> bool {
    let tried = belief.tally.injected >= LEAST.0;
    tried && belief.effect >= LEAST_EFFECT && helps(belief) >= GOLDEN
}

/// About how many more jobs with the rule in their prompt it takes until it is golden, if its effect
/// is what is believed now; nothing when that effect will never do.
#[must_use]
pub fn missing(belief: Belief) -> Option<u64> {
    if belief.tally.golden {
        return Some(0);
    }
    if belief.effect < LEAST_EFFECT {
        return None;
    }
    Some(jobs(belief.effect, belief.sd, belief.tally.injected))
}

/// The same, if the effect were this one.
pub(super) fn more_jobs(verdict: &Verdict, effect: f64) -> u64 {
    let sd = (verdict.high - verdict.effect) / NINETY;
    jobs(effect, sd, verdict.injected)
}

fn jobs(effect: f64, sd: f64, injected: u64) -> u64 {
    // Each job narrows the variance as a measurement of this noise does; half of them are control.
    let wanted = (effect / 1.96).powi(2);
    let more = 2.0 * NOISE * (1.0 / wanted - 1.0 / sd.powi(2).max(f64::MIN_POSITIVE));
    let short = LEAST.0.saturating_sub(injected);
    // Neither negative nor beyond what fits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let more = more.clamp(0.0, 1e9).ceil() as u64;
    more.max(short)
}
