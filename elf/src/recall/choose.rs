//! Which of the rules that fit come into the prompt, and in which order.

use std::collections::BTreeSet;

use sandbox_core::port::Lesson;

use super::Candidate;
use crate::{
    index, prompt,
    redact::Redactor,
    rule::{Rule, RuleStatus},
    text,
};

/// Most lessons of one prompt. Context that is not known to help costs more than its tokens.
pub const MAX_LESSONS: usize = 12;
/// New rules that come before those that were drawn.
const NEW_FIRST: usize = 2;
/// Rules whose three-word runs overlap so much say the same.
const SAME: f64 = 0.8;

/// In which order lessons may come: what people pinned; a few that are new; what is drawn to help, by
/// its worth for each token; then the rest of the new. What is drawn to harm does not come, nor what is
/// kept back for its control.
pub(super) fn in_turn<'a, 'b>(best: &'b [Candidate<'a>]) -> Vec<&'b Candidate<'a>> {
    let pinned = |c: &&Candidate<'_>| c.rule.status == RuleStatus::Pinned;
    let mut turn: Vec<&Candidate<'_>> = best.iter().filter(pinned).collect();
    let mut new = best.iter().filter(|c| !pinned(c) && c.is_new);
    turn.extend(new.by_ref().take(NEW_FIRST));
    let mut drawn: Vec<&Candidate<'_>> = best
        .iter()
        .filter(|c| !pinned(c) && !c.is_new && !c.is_control && c.draw > 0.0)
        .collect();
    drawn.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.order.cmp(&b.order)));
    turn.extend(drawn);
    turn.extend(new);
    turn
}

/// What a lesson may add, for each of its tokens.
fn worth(candidate: &Candidate<'_>) -> f64 {
    let tokens = u32::try_from(prompt::tokens(&candidate.rule.text)).unwrap_or(u32::MAX);
    candidate.draw * candidate.score / f64::from(tokens.max(1))
}

/// From the first on, what fits into the budget and says something new.
pub(super) fn choose(best: &[&Candidate<'_>], budget: usize, redactor: &Redactor) -> Vec<Lesson> {
    let mut left = budget.saturating_sub(prompt::tokens(prompt::HEADING));
    let mut chosen: Vec<Lesson> = Vec::new();
    let mut said: Vec<BTreeSet<String>> = Vec::new();
    for candidate in best {
        if chosen.len() == MAX_LESSONS {
            break;
        }
        let lesson = lesson(candidate.rule, redactor);
        let cost = prompt::tokens(&prompt::line(&lesson));
        let shingles = shingles(&lesson.text);
        if cost > left || said.iter().any(|s| overlap(s, &shingles) >= SAME) {
            continue;
        }
        left -= cost;
        chosen.push(lesson);
        said.push(shingles);
    }
    chosen
}

fn lesson(rule: &Rule, redactor: &Redactor) -> Lesson {
    let clean = text::one_line(&redactor.clean(&rule.text));
    Lesson {
        rule: rule.id.clone(),
        domain: rule.domain.clone(),
        text: text::cut(&clean, *text::RULE.end()),
    }
}

/// The runs of three words of a text; all of it where it is shorter.
fn shingles(text: &str) -> BTreeSet<String> {
    let words = index::words(text);
    if words.len() < 3 {
        return BTreeSet::from([words.join(" ")]);
    }
    words.windows(3).map(|w| w.join(" ")).collect()
}

/// Jaccard's measure: shared by all.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let shared = count(a.intersection(b).count());
    shared / count(a.union(b).count()).max(1.0)
}
