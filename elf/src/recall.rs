//! Which lessons a seat gets: pure, and the same for the same seat, query, state and time. Relevance
//! proposes, and what was learned chooses.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use jiff::Timestamp;
use sandbox_core::{
    Seat,
    port::{Lesson, RecallQuery, Receipt},
};
use sha2::{Digest, Sha256};

use crate::{
    index::{self, Index},
    prompt,
    redact::Redactor,
    rule::{Rule, RuleStatus},
    state::State,
    text,
    trail::{Mark, TrailKey, closeness, millionths},
};

/// Tokens of lessons when the query names no number.
pub const DEFAULT_TOKENS: u32 = 1_500;
/// Most tokens of lessons, whatever the query names.
pub const MAX_TOKENS: u32 = 4_000;
/// Most lessons of one prompt. Context that is not known to help costs more than its tokens.
pub const MAX_LESSONS: usize = 12;
/// New rules that come before those that were drawn.
const NEW_FIRST: usize = 2;
/// Most rules that count as eligible: the best ones.
const MAX_ELIGIBLE: usize = 50;
/// Longest query text that is read, in bytes, and most files.
const MAX_QUERY: usize = 32 * 1024;
const MAX_FILES: usize = 50;
/// Rules whose three-word runs overlap so much say the same.
const SAME: f64 = 0.8;

/// What each ground adds to the score of a rule.
mod weight {
    /// Shared words, from 0 to this; half of it at a BM25 score of [`WORDS_HALF`].
    pub const WORDS: f64 = 1.0;
    pub const WORDS_HALF: f64 = 4.0;
    /// The query's domain is the rule's.
    pub const DOMAIN: f64 = 0.4;
    /// The rule was learned at the query's files or near them, more so where work went lately.
    pub const PATH: f64 = 0.4;
    /// The rule is for the query's project, not for all.
    pub const PROJECT: f64 = 0.2;
    /// The rule was said lately; halves every [`RECENCY_HALF`] seconds.
    pub const RECENCY: f64 = 0.1;
    pub const RECENCY_HALF: f64 = 30.0 * 24.0 * 3600.0;
}

/// What is known when a seat asks.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The tenant's state.
    pub state: &'a State,
    /// Its rules by their words.
    pub index: &'a Index,
    /// Takes out what was stored before it was known for a secret.
    pub redactor: &'a Redactor,
}

/// A rule that fits, with its score.
struct Candidate<'a> {
    rule: &'a Rule,
    score: f64,
    order: u64,
    /// The effect it may have, drawn for this seat.
    draw: f64,
    /// Whether it is to be tried before it has to win a draw.
    is_new: bool,
    /// Whether it is kept back this time, to see how work goes without it.
    is_control: bool,
}

/// What was asked, in the form in which memory keeps such things.
struct Asked {
    words: String,
    domain: Option<String>,
    project: Option<String>,
    files: Vec<String>,
    tokens: usize,
}

/// The lessons for this seat.
#[must_use]
pub fn rank(known: Known<'_>, query: &RecallQuery, seat: &Seat, now: Timestamp) -> Receipt {
    let asked = Asked::of(query, known.redactor);
    let best = candidates(known, &asked, seat, now);
    let injected = choose(&in_turn(&best), asked.tokens, known.redactor);
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

impl Asked {
    fn of(query: &RecallQuery, redactor: &Redactor) -> Self {
        let files: Vec<String> = query
            .files
            .iter()
            .take(MAX_FILES)
            .filter_map(|f| text::path(f))
            .collect();
        let mut end = query.text.len().min(MAX_QUERY);
        while !query.text.is_char_boundary(end) {
            end -= 1;
        }
        let tokens = query.max_tokens.unwrap_or(DEFAULT_TOKENS).min(MAX_TOKENS);
        Self {
            words: format!("{} {}", &query.text[..end], files.join(" ")),
            domain: query.domain.as_deref().and_then(text::domain),
            project: query.project.as_deref().and_then(|p| redactor.project(p)),
            files,
            tokens: tokens as usize,
        }
    }
}

/// The best of what fits, best first.
fn candidates<'a>(
    known: Known<'a>,
    asked: &Asked,
    seat: &Seat,
    now: Timestamp,
) -> Vec<Candidate<'a>> {
    let words = known.index.scores(&asked.words);
    let mut paths = Paths::new(known.state, asked, now);
    let seed = seed(seat);
    let rules = known
        .state
        .rules
        .values()
        .filter(|r| r.is_for(asked.project.as_deref()));
    let mut found: Vec<Candidate<'a>> = rules
        .filter_map(|rule| {
            let words = words.get(&rule.number).copied().unwrap_or_default();
            let score = score(rule, asked, (words, paths.near(rule)), now)?;
            let order = mixed(seed ^ rule.number);
            let learned = &known.state.learned;
            Some(Candidate {
                rule,
                score,
                order,
                draw: learned.draw(rule.number, seed).unwrap_or_default(),
                is_new: learned.is_new(rule.number),
                is_control: learned.is_control(rule.number, seed),
            })
        })
        .collect();
    let pinned = |c: &Candidate<'_>| Reverse(c.rule.status == RuleStatus::Pinned);
    found.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        pinned(a)
            .cmp(&pinned(b))
            .then(by_score)
            .then(a.order.cmp(&b.order))
    });
    found.truncate(MAX_ELIGIBLE);
    found
}

/// The sum of the grounds; nothing for a rule that has none.
fn score(rule: &Rule, asked: &Asked, found: (f64, f64), now: Timestamp) -> Option<f64> {
    let (words, near) = found;
    let domain = asked.domain.as_ref() == Some(&rule.domain);
    let project = rule.project.is_some();
    let fits = words > 0.0 || near > 0.0 || domain || project || rule.status == RuleStatus::Pinned;
    if !fits {
        return None;
    }
    let age = now.duration_since(rule.updated_at).as_secs_f64().max(0.0);
    Some(
        weight::WORDS * words / (words + weight::WORDS_HALF)
            + weight::PATH * near
            + if domain { weight::DOMAIN } else { 0.0 }
            + if project { weight::PROJECT } else { 0.0 }
            + weight::RECENCY * 0.5_f64.powf(age / weight::RECENCY_HALF),
    )
}

/// How near rules were learned to the query's files; each file is looked at once.
struct Paths<'a> {
    state: &'a State,
    asked: &'a Asked,
    now: Timestamp,
    seen: HashMap<&'a str, f64>,
}

impl<'a> Paths<'a> {
    fn new(state: &'a State, asked: &'a Asked, now: Timestamp) -> Self {
        let seen = HashMap::new();
        Self {
            state,
            asked,
            now,
            seen,
        }
    }

    /// From 0 to 1: as the nearest of the rule's files.
    fn near(&mut self, rule: &'a Rule) -> f64 {
        if self.asked.files.is_empty() {
            return 0.0;
        }
        let files = rule.files.iter();
        files.map(|f| self.file(f)).fold(0.0, f64::max)
    }

    fn file(&mut self, file: &'a str) -> f64 {
        if let Some(known) = self.seen.get(file) {
            return *known;
        }
        let asked = self.asked.files.iter();
        let nearest = asked.map(|f| closeness(f, file)).fold(0.0, f64::max);
        let near = nearest * f64::midpoint(1.0, self.heat(file).min(1.0));
        self.seen.insert(file, near);
        near
    }

    /// What is left of the trails on a file.
    fn heat(&self, file: &str) -> f64 {
        let key = |mark| TrailKey {
            project: self.asked.project.clone(),
            path: file.to_owned(),
            mark,
        };
        let marks = [Mark::Success, Mark::Failure, Mark::Warning];
        let trails = marks
            .into_iter()
            .filter_map(|m| Some((m, self.state.trails.get(&key(m))?)));
        trails
            .map(|(mark, heat)| heat.strength(mark, self.now))
            .sum()
    }
}

/// In which order lessons may come: what people pinned; a few that are new; what is drawn to help, by
/// its worth for each token; then the rest of the new. What is drawn to harm does not come, nor what is
/// kept back for its control.
fn in_turn<'a, 'b>(best: &'b [Candidate<'a>]) -> Vec<&'b Candidate<'a>> {
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
fn choose(best: &[&Candidate<'_>], budget: usize, redactor: &Redactor) -> Vec<Lesson> {
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
