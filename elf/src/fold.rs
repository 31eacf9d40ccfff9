//! What an entry means: the one place where state changes. Pure and total: the same log gives the
//! same state, and an entry about something that is not there changes nothing.

use jiff::Timestamp;
use sandbox_core::{Seat, Uid, port::Receipt};

use crate::{
    entry::{Ended, Entry, Row, RuleAdded, Source},
    label::Label,
    plan,
    rule::{Rule, RuleStatus},
    state::{self, Attempt, Cast, State, Taught},
    trail::{Heat, Mark, TrailKey},
    trouble,
};

/// Most trails of a tenant; beyond it the faintest go.
const MAX_TRAILS: usize = 20_000;

/// Something that an entry has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// A rule, by its id.
    Rule(String),
    /// A trail, which may be gone.
    Trail(TrailKey),
    /// A job.
    Job(Uid),
    /// A plan, which may be forgotten.
    Plan(u64),
}

/// Puts one entry into the state; says what it changed, each thing once or more.
pub fn apply(state: &mut State, row: &Row) -> Vec<Touched> {
    state.head = row.seq;
    match &row.entry {
        Entry::RuleAdded(added) => rule_added(state, added, row.at),
        Entry::RuleAliased {
            rule,
            source,
            files,
        } => rule_aliased(state, rule, source, files, row.at),
        Entry::Outcome(ended) => ended_at(state, ended),
        Entry::Receipt { seat, receipt } => given(state, seat, receipt),
        Entry::TrailLaid {
            project,
            paths,
            mark,
            at,
        } => laid(state, project.as_ref(), paths, *mark, *at),
        Entry::Vote {
            seat,
            rule,
            helpful,
        } => voted(state, seat, rule, *helpful),
        Entry::Opinion { rule, helpful } => changed(state, rule, |rule| rule.thought(*helpful)),
        Entry::Planned(planned) => plan::begun(state, planned, row.at),
        Entry::Reviewed(reviewed) => plan::ended(state, reviewed, row.at),
        Entry::Pinned { rule } => set(state, rule, RuleStatus::Pinned, row.at),
        Entry::Retired { rule, .. } => set(state, rule, RuleStatus::Retired, row.at),
        Entry::Activated { rule } => set(state, rule, RuleStatus::Active, row.at),
        Entry::Superseded { rule, by } => superseded(state, rule, by, row.at),
    }
}

/// The state that a log amounts to.
#[must_use]
pub fn replay<'a>(log: impl IntoIterator<Item = &'a Row>) -> State {
    let mut state = State::default();
    for row in log {
        apply(&mut state, row);
    }
    state
}

fn rule_added(state: &mut State, added: &RuleAdded, at: Timestamp) -> Vec<Touched> {
    if state.rules.contains_key(&added.id) {
        return rule_aliased(state, &added.id, &added.source, &added.files, at);
    }
    let rule = Rule::new((state.rules.next(), state.head), added, at);
    let number = rule.number;
    state::take_up(&mut state.learned, &rule);
    state.rules.add(rule);
    let mut touched = vec![Touched::Rule(added.id.clone())];
    touched.extend(stated(state, &added.source, number));
    touched
}

fn rule_aliased(
    state: &mut State,
    id: &str,
    source: &Source,
    files: &[String],
    at: Timestamp,
) -> Vec<Touched> {
    let number = state.rules.get(id).map(|r| r.number);
    let mut touched = changed(state, id, |rule| {
        rule.said(source, files, at);
        if rule.status == RuleStatus::Proposed {
            rule.status = RuleStatus::Active;
        }
    });
    touched.extend(number.and_then(|number| stated(state, source, number)));
    touched
}

/// Notes which seat stated a rule, so that it does not count there again.
fn stated(state: &mut State, source: &Source, number: u64) -> Option<Touched> {
    let seat = source.seat.as_ref()?;
    let attempt = attempt(state, seat);
    if attempt.stated.contains(&number) {
        return None;
    }
    attempt.stated.push(number);
    Some(Touched::Job(seat.uid.clone()))
}

fn set(state: &mut State, id: &str, status: RuleStatus, at: Timestamp) -> Vec<Touched> {
    changed(state, id, |rule| {
        rule.status = status;
        rule.superseded_by = None;
        rule.updated_at = at;
    })
}

/// Only a rule that is there can take the place of another.
fn superseded(state: &mut State, id: &str, by: &str, at: Timestamp) -> Vec<Touched> {
    if id == by || !state.rules.contains_key(by) {
        return Vec::new();
    }
    changed(state, id, |rule| {
        rule.status = RuleStatus::Retired;
        rule.superseded_by = Some(by.to_owned());
        rule.updated_at = at;
    })
}

fn changed(state: &mut State, id: &str, change: impl FnOnce(&mut Rule)) -> Vec<Touched> {
    match state.rules.get_mut(id) {
        Some(rule) => {
            change(rule);
            vec![Touched::Rule(id.to_owned())]
        }
        None => Vec::new(),
    }
}

fn attempt<'a>(state: &'a mut State, seat: &Seat) -> &'a mut Attempt {
    let job = state.jobs.entry(seat.uid.clone()).or_default();
    job.attempts.entry(seat.attempt).or_default()
}

/// The first receipt of a seat counts, and only until it has ended: what comes later stood in no
/// prompt.
fn given(state: &mut State, seat: &Seat, receipt: &Receipt) -> Vec<Touched> {
    let number = |id: &String| Some(state.rules.get(id)?.number);
    let injected = receipt.injected.iter().filter_map(|l| number(&l.rule));
    let injected: Vec<u64> = injected.collect();
    let withheld = receipt.withheld.iter().filter_map(number).collect();
    let attempt = attempt(state, seat);
    if attempt.injected.is_some() || attempt.label.is_some() {
        return Vec::new();
    }
    (attempt.injected, attempt.withheld) = (Some(injected), withheld);
    let attempt = attempt.clone();
    state.count_given(&attempt);
    vec![Touched::Job(seat.uid.clone())]
}

/// The first end of a seat counts; its lessons and trails are entries of their own.
fn ended_at(state: &mut State, ended: &Ended) -> Vec<Touched> {
    let seq = state.head;
    let attempt = attempt(state, &ended.seat);
    if attempt.label.is_some() {
        return Vec::new();
    }
    attempt.label = Some(ended.label);
    attempt.lesson = taught(ended, seq);
    attempt.trouble = trouble::key(ended);
    let attempt = attempt.clone();
    let key = attempt.trouble.as_deref();
    state.troubles.add(key, &ended.seat.uid);
    if let Some(taught) = &attempt.lesson {
        state::learn(&mut state.learned, &attempt, taught);
    }
    state.count_end(&attempt);
    vec![Touched::Job(ended.seat.uid.clone())]
}

/// What an end teaches; nothing where it says nothing about the work. A grade tells more than the
/// bare end.
fn taught(ended: &Ended, seq: u64) -> Option<Taught> {
    let success = match ended.label {
        Label::Success => 1.0,
        Label::Failure => 0.0,
        Label::Unknown => return None,
    };
    Some(Taught {
        seq,
        domain: ended.domain.as_ref().unwrap_or(&ended.job_type).clone(),
        success: ended.grade.unwrap_or(success),
    })
}

fn laid(
    state: &mut State,
    project: Option<&String>,
    paths: &[String],
    mark: Mark,
    at: Timestamp,
) -> Vec<Touched> {
    let mut touched = Vec::with_capacity(paths.len());
    for path in paths {
        let key = TrailKey {
            project: project.cloned(),
            path: path.clone(),
            mark,
        };
        if !state.trails.contains_key(&key) && state.trails.len() >= MAX_TRAILS {
            touched.extend(forget_faintest(state, at));
        }
        let heat = state.trails.entry(key.clone()).or_insert(Heat::new(at));
        heat.touch(mark, at);
        touched.push(Touched::Trail(key));
    }
    touched
}

/// Forgets a tenth of all trails at once, so that a full tenant does not search at every touch.
fn forget_faintest(state: &mut State, now: Timestamp) -> Vec<Touched> {
    let strength = |key: &TrailKey, heat: &Heat| heat.strength(key.mark, now);
    let mut trails: Vec<(f64, TrailKey)> = state
        .trails
        .iter()
        .map(|(key, heat)| (strength(key, heat), key.clone()))
        .collect();
    trails.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    trails.truncate(MAX_TRAILS / 10);
    let mut touched = Vec::with_capacity(trails.len());
    for (_, key) in trails {
        state.trails.remove(&key);
        touched.push(Touched::Trail(key));
    }
    touched
}

/// One vote per seat and rule, and only where the rule stood in the prompt.
fn voted(state: &mut State, seat: &Seat, id: &str, helpful: bool) -> Vec<Touched> {
    let Some(number) = state.rules.get(id).map(|r| r.number) else {
        return Vec::new();
    };
    let job = state.jobs.get_mut(&seat.uid);
    let Some(attempt) = job.and_then(|j| j.attempts.get_mut(&seat.attempt)) else {
        return Vec::new();
    };
    let had = attempt
        .injected
        .as_ref()
        .is_some_and(|i| i.contains(&number));
    if !had || attempt.votes.contains(&number) {
        return Vec::new();
    }
    attempt.votes.push(number);
    let cast = Cast {
        seq: state.head,
        rule: number,
        helpful,
    };
    attempt.cast.push(cast);
    state.learned.hear(number, helpful);
    let mut touched = changed(state, id, |rule| {
        rule.votes_for += u64::from(helpful);
        rule.votes_against += u64::from(!helpful);
    });
    touched.push(Touched::Job(seat.uid.clone()));
    touched
}
