//! Which lessons a seat gets: pure, and the same for the same seat, query, state and time. Relevance
//! proposes, and what was learned chooses.
//!
//! | file | what it is |
//! |---|---|
//! | `asked` | the query within its bounds |
//! | `propose` | the rules that fit: by words, files, domain and project, fused |
//! | `exclusive` | of rules that say the opposite, at most one |
//! | `choose` | what comes into the prompt, within its tokens |
//! | `prepared` | rules as they stand in prompts, kept ready |

mod asked;
mod choose;
mod exclusive;
mod prepared;
mod propose;

use std::{cmp::Reverse, collections::BTreeSet};

use jiff::Timestamp;
use sandbox_core::{
    Seat,
    port::{RecallQuery, Receipt},
};
use sha2::{Digest, Sha256};

use self::{
    asked::Asked,
    choose::{choose, in_turn},
    propose::propose,
};
use crate::{
    index::Index,
    redact::Redactor,
    rule::{Rule, RuleStatus},
    state::State,
    trail::millionths,
};

pub use choose::MAX_LESSONS;
pub use prepared::Prepared;

/// Tokens of lessons when the query names no number.
pub const DEFAULT_TOKENS: u32 = 1_500;
/// Most tokens of lessons, whatever the query names.
pub const MAX_TOKENS: u32 = 4_000;
/// Most rules that count as eligible: the best ones.
const MAX_ELIGIBLE: usize = 50;

/// What is known when a seat asks.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The tenant's state.
    pub state: &'a State,
    /// Its rules by their words and places.
    pub index: &'a Index,
    /// Those that stood in prompts lately.
    pub prepared: &'a Prepared,
    /// Takes out what was stored before it was known for a secret.
    pub redactor: &'a Redactor,
}

/// A rule that fits.
struct Candidate<'a> {
    rule: &'a Rule,
    /// How well it fits.
    score: f64,
    /// Where it stands among equals, for this seat.
    order: u64,
    /// The effect it may have, drawn for this seat.
    draw: f64,
    /// Whether it is to be tried before it has to win a draw.
    is_new: bool,
    /// Whether it is kept back this time, to see how work goes without it.
    is_control: bool,
}

/// The lessons for this seat.
#[must_use]
pub fn rank(known: Known<'_>, query: &RecallQuery, seat: &Seat, now: Timestamp) -> Receipt {
    let asked = Asked::of(query, known.redactor);
    let best = candidates(known, &asked, seat, now);
    let injected = choose(
        &in_turn(&exclusive::kept(&best, known.prepared)),
        asked.tokens,
        |rule| known.prepared.get(rule, known.redactor),
    );
    let given: BTreeSet<&str> = injected.iter().map(|l| l.rule.as_str()).collect();
    let eligible: Vec<String> = best.iter().map(|c| c.rule.id.clone()).collect();
    let withheld = eligible
        .iter()
        .filter(|id| !given.contains(id.as_str()))
        .cloned()
        .collect();
    Receipt {
        withheld,
        draws: best.iter().map(|c| millionths(c.draw)).collect(),
        eligible,
        injected,
        log_position: known.state.head,
        unavailable: None,
    }
}

/// The best of what fits: what people pinned, then best first.
fn candidates<'a>(
    known: Known<'a>,
    asked: &Asked,
    seat: &Seat,
    now: Timestamp,
) -> Vec<Candidate<'a>> {
    let seed = seed(seat);
    let pinned = |rule: &Rule| Reverse(rule.status == RuleStatus::Pinned);
    let order = |rule: &Rule| mixed(seed ^ rule.number);
    let mut found = propose(known, asked, seed, now);
    found.sort_by(|(a, x), (b, y)| {
        pinned(a)
            .cmp(&pinned(b))
            .then(y.total_cmp(x))
            .then_with(|| order(a).cmp(&order(b)))
    });
    found.truncate(MAX_ELIGIBLE);
    let learned = &known.state.learned;
    let drawn = found.into_iter().map(|(rule, score)| Candidate {
        rule,
        score,
        order: order(rule),
        draw: learned.draw(rule.number, seed).unwrap_or_default(),
        is_new: learned.is_new(rule.number),
        is_control: learned.is_control(rule.number, seed),
    });
    drawn.collect()
}

/// Where a seat's order of equals comes from.
fn seed(seat: &Seat) -> u64 {
    let digest = Sha256::digest(seat.to_string());
    digest
        .iter()
        .take(8)
        .fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// Spreads neighbouring numbers (the finaliser of `SplitMix64`).
const fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests;
