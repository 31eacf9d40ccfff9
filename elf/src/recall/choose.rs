//! Which of the rules that fit come into the prompt, and in which order.

use std::sync::Arc;

use sandbox_core::port::Lesson;

use super::{Candidate, prepared::Said};
use crate::{
    prompt,
    rule::{Rule, RuleStatus},
    trust::UNPROVEN,
};

/// Most lessons of one prompt. Context that is not known to help costs more than its tokens.
pub const MAX_LESSONS: usize = 12;
/// Decisions and invariants that come before what is measured: half of a prompt is left for that.
const STATED_FIRST: usize = 6;
/// New rules that come before those that were drawn.
const NEW_FIRST: usize = 2;
/// Rules whose three-word runs overlap so much say the same.
const SAME: f64 = 0.8;

/// In which order lessons may come: what people pinned; decisions and invariants that fit best; a few that are new;
/// what is drawn to help, by its worth for each token; then the rest of the new, and of the decisions and
/// invariants. What is drawn to harm does not come, nor what is kept back for its control.
pub(super) fn in_turn<'a, 'b>(best: &[&'b Candidate<'a>]) -> Vec<&'b Candidate<'a>> {
    let pinned = |c: &&Candidate<'_>| c.rule.status == RuleStatus::Pinned;
    let mut turn: Vec<&'b Candidate<'a>> = best.iter().copied().filter(pinned).collect();
    let is_stated = |c: &&Candidate<'_>| c.rule.kind.is_stated();
    let measured = |c: &&Candidate<'_>| !pinned(c) && !is_stated(c);
    let mut stated = best.iter().copied().filter(|c| !pinned(c) && is_stated(c));
    turn.extend(stated.by_ref().take(STATED_FIRST));
    let mut new = best.iter().copied().filter(|c| measured(c) && c.is_new);
    turn.extend(new.by_ref().take(NEW_FIRST));
    let mut drawn: Vec<(f64, &'b Candidate<'a>)> = best
        .iter()
        .copied()
        .filter(|c| measured(c) && !c.is_new && !c.is_control && c.draw > 0.0)
        .map(|c| (worth(c), c))
        .collect();
    drawn.sort_by(|(x, a), (y, b)| y.total_cmp(x).then(a.order.cmp(&b.order)));
    turn.extend(drawn.into_iter().map(|(_, candidate)| candidate));
    turn.extend(new);
    turn.extend(stated);
    turn
}

/// What a lesson may add, for each of its tokens.
fn worth(candidate: &Candidate<'_>) -> f64 {
    let tokens = u32::try_from(prompt::tokens(&candidate.rule.text)).unwrap_or(u32::MAX);
    candidate.draw * candidate.score / f64::from(tokens.max(1))
}

/// From the first on, what fits into the budget and says something new; of what agents said and nobody has
/// tried yet, only so many.
pub(super) fn choose(
    best: &[&Candidate<'_>],
    budget: usize,
    said: impl Fn(&Rule) -> Arc<Said>,
) -> Vec<Lesson> {
    let mut left = budget.saturating_sub(prompt::tokens(prompt::HEADING));
    let mut chosen: Vec<Arc<Said>> = Vec::new();
    let mut unproven = 0;
    for candidate in best {
        if chosen.len() == MAX_LESSONS {
            break;
        }
        let bounded = candidate.is_new && candidate.rule.is_bounded();
        if bounded && unproven == UNPROVEN {
            continue;
        }
        let said = said(candidate.rule);
        if said.cost > left || chosen.iter().any(|c| c.overlap(&said) >= SAME) {
            continue;
        }
        left -= said.cost;
        unproven += usize::from(bounded);
        chosen.push(said);
    }
    chosen.iter().map(|said| said.lesson.clone()).collect()
}
