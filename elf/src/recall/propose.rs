//! The rules that fit a query. Each ground ranks what it finds, and the ranks are fused: a rule that
//! several grounds speak for comes before one that only one does. Knows nothing of prompts.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{Known, MAX_ELIGIBLE, asked::Asked};
use crate::{
    rule::Rule,
    state::State,
    trail::{Mark, TrailKey, closeness},
};

/// How soon a rank stops to count; the usual constant of reciprocal rank fusion.
const FUSION: f64 = 60.0;
/// Most rules that the words of a query bring.
const MAX_WORDS: usize = 60;
/// A text that fits less than this share of the best one does not fit.
const WORDS_FLOOR: f64 = 0.2;
/// Most rules that are looked at around each of the query's files.
const MAX_AROUND: usize = 200;
/// Most rules of a domain that are looked at: the newest, and as many that are believed to help most.
const MAX_OF_DOMAIN: usize = 200;

/// What the first rank of each ground is worth.
mod weight {
    /// Shared words.
    pub const WORDS: f64 = 1.0;
    /// The rule was learned at the query's files or near them, more so where work went lately.
    pub const PATH: f64 = 1.0;
    /// The query's domain is the rule's.
    pub const DOMAIN: f64 = 0.5;
    /// The rule is for the query's project, not for all.
    pub const PROJECT: f64 = 0.25;
    /// It must always hold here.
    pub const INVARIANT: f64 = 0.25;
    /// The rule was said lately.
    pub const RECENCY: f64 = 0.1;
}

/// The rules that fit, in the order of their numbers, each with how well it fits.
pub(super) fn propose<'a>(
    known: Known<'a>,
    asked: &Asked,
    seed: u64,
    now: Timestamp,
) -> Vec<(&'a Rule, f64)> {
    let mut fused = Fused::default();
    fused.add(weight::WORDS, by_words(known, asked));
    fused.add(weight::PATH, by_path(known, asked, now));
    fused.add(weight::DOMAIN, by_domain(known, asked, seed));
    fused.add(weight::PROJECT, by_project(known, asked));
    fused.add(weight::INVARIANT, invariants(known, asked));
    fused.add(
        0.0,
        known.index.places().pinned().map(|n| (n, 0.0)).collect(),
    );
    let rules = fused.scores.keys().filter_map(|n| known.state.numbered(*n));
    let fitting: Vec<&Rule> = rules.filter(|r| is_wanted(r, asked)).collect();
    let ages = fitting.iter().map(|r| (r.number, seconds(r.updated_at)));
    let ages = ages.collect();
    fused.add(weight::RECENCY, ages);
    let scored = fitting.into_iter().map(|rule| {
        let score = fused.scores.get(&rule.number).copied().unwrap_or_default();
        (rule, score)
    });
    scored.collect()
}

fn is_wanted(rule: &Rule, asked: &Asked) -> bool {
    rule.is_for(asked.project.as_deref())
}

/// Rules by number with what a ground says of them; more is better.
type Said = Vec<(u64, f64)>;

/// The sum of the grounds.
#[derive(Default)]
struct Fused {
    scores: BTreeMap<u64, f64>,
}

impl Fused {
    /// Adds a ground. Rules of which it says the same share a rank.
    fn add(&mut self, weight: f64, mut said: Said) {
        said.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut rank = 0.0;
        let mut last = None;
        for (place, (number, value)) in (0..).map(f64::from).zip(said) {
            if last != Some(value) {
                rank = place;
                last = Some(value);
            }
            let worth = weight * (FUSION + 1.0) / (FUSION + 1.0 + rank);
            *self.scores.entry(number).or_default() += worth;
        }
    }
}

fn by_words(known: Known<'_>, asked: &Asked) -> Said {
    let wanted = |n| known.state.numbered(n).is_some_and(|r| is_wanted(r, asked));
    let hits = known.index.best(&asked.words, MAX_WORDS, wanted);
    let floor = hits.first().map_or(0.0, |best| best.score * WORDS_FLOOR);
    let fitting = hits.iter().filter(|hit| hit.score >= floor);
    fitting.map(|hit| (hit.number, hit.score)).collect()
}

/// The rules of the domain, all alike: the newest and those that are believed to help most, and of
/// these the ones that are drawn best for this seat.
fn by_domain(known: Known<'_>, asked: &Asked, seed: u64) -> Said {
    let Some(domain) = &asked.domain else {
        return Said::new();
    };
    let learned = &known.state.learned;
    let all = known.index.places().domain(domain);
    let mut some: Vec<u64> = all.iter().rev().take(MAX_OF_DOMAIN).copied().collect();
    if all.len() > MAX_OF_DOMAIN {
        some.extend(learned.most_helpful(domain, MAX_OF_DOMAIN));
        some.sort_unstable();
        some.dedup();
    }
    let wanted = |n: &u64| {
        known
            .state
            .numbered(*n)
            .is_some_and(|r| is_wanted(r, asked))
    };
    some.retain(wanted);
    let drawn = some
        .into_iter()
        .map(|n| (n, learned.draw(n, seed).unwrap_or_default()));
    let mut drawn: Said = drawn.collect();
    drawn.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    drawn.truncate(MAX_ELIGIBLE);
    drawn.into_iter().map(|(number, _)| (number, 1.0)).collect()
}

/// The newest rules of the project, all alike.
fn by_project(known: Known<'_>, asked: &Asked) -> Said {
    let project = asked.project.as_deref();
    let rules = project.map_or(&[][..], |p| known.index.places().project(p));
    let newest = rules.iter().rev().take(MAX_ELIGIBLE);
    newest.map(|number| (*number, 1.0)).collect()
}

/// The newest invariants of the project and of all work, all alike: they hold whatever the words are.
fn invariants(known: Known<'_>, asked: &Asked) -> Said {
    let of = |project| known.index.places().invariants(project).iter().rev();
    let of_all = of(None).take(MAX_ELIGIBLE);
    let of_project = asked.project.as_ref().map(|p| of(Some(p)));
    let of_project = of_project.into_iter().flatten().take(MAX_ELIGIBLE);
    of_project.chain(of_all).map(|n| (*n, 1.0)).collect()
}

/// Rules that were learned at the query's files or near them, by the nearest of their files.
fn by_path(known: Known<'_>, asked: &Asked, now: Timestamp) -> Said {
    let mut heats: HashMap<&str, f64> = HashMap::new();
    let mut found: BTreeMap<u64, f64> = BTreeMap::new();
    for file in &asked.files {
        for (path, rules) in known.index.places().around(file, MAX_AROUND) {
            let heat = *heats
                .entry(path)
                .or_insert_with(|| heat(known.state, asked, path, now));
            let near = closeness(file, path) * f64::midpoint(1.0, heat.min(1.0));
            for rule in rules {
                let best = found.entry(*rule).or_default();
                *best = best.max(near);
            }
        }
    }
    let is_wanted = |n: u64| known.state.numbered(n).is_some_and(|r| is_wanted(r, asked));
    found.retain(|number, near| *near > 0.0 && is_wanted(*number));
    let mut found: Said = found.into_iter().collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    found.truncate(MAX_ELIGIBLE);
    found
}

/// What is left of the trails on a file.
fn heat(state: &State, asked: &Asked, path: &str, now: Timestamp) -> f64 {
    let key = |mark| TrailKey {
        project: asked.project.clone(),
        path: path.to_owned(),
        mark,
    };
    let marks = [Mark::Success, Mark::Failure, Mark::Warning];
    let trails = marks
        .into_iter()
        .filter_map(|m| Some((m, state.trails.get(&key(m))?)));
    trails.map(|(mark, heat)| heat.strength(mark, now)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}
