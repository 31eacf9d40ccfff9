//! Rules that say the opposite of each other: of these the best draw may come into the prompt, and the
//! others are kept back. Each is so the other's control, and the outcomes decide.

use std::sync::Arc;

use super::{Candidate, Prepared};
use crate::{likeness::Stance, rule::RuleStatus};

/// Those that may come, in the same order. What a person pinned goes before any draw, then what
/// a person decided or holds for an invariant.
pub(super) fn kept<'a, 'b>(
    best: &'b [Candidate<'a>],
    prepared: &Prepared,
) -> Vec<&'b Candidate<'a>> {
    let stances: Vec<Arc<Stance>> = best.iter().map(|c| prepared.stance(c.rule)).collect();
    let mut by_draw: Vec<usize> = (0..best.len()).collect();
    let stands = |c: &Candidate<'_>| {
        let is_pinned = c.rule.status == RuleStatus::Pinned;
        (is_pinned, c.rule.kind.is_stated())
    };
    by_draw.sort_by(|x, y| {
        let (a, b) = (&best[*x], &best[*y]);
        stands(b)
            .cmp(&stands(a))
            .then(b.draw.total_cmp(&a.draw))
            .then(a.order.cmp(&b.order))
    });
    let mut may: Vec<usize> = Vec::with_capacity(best.len());
    for place in by_draw {
        let stance = &stances[place];
        if !may.iter().any(|other| stances[*other].contradicts(stance)) {
            may.push(place);
        }
    }
    may.sort_unstable();
    may.into_iter().map(|place| &best[place]).collect()
}
