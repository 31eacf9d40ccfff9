//! What is written down when something is told: entries from words. Pure; whatever comes in is
//! cleaned and redacted here, before it is an entry.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sandbox_core::{Seat, port::AttemptOutcome};

use crate::{
    ElfError, NewRule,
    entry::{Ended, Entry, RuleAdded, Source, SourceKind},
    kind::RuleKind,
    label::Label,
    lesson::{self, Learned, MAX_LESSONS},
    redact::Redactor,
    rule::{self, Rule, RuleStatus, id_of},
    state::State,
    text::{self, MAX_DOMAIN, MAX_EXPLANATION, MAX_PROJECT, RULE},
    trail::{Mark, millionths},
    trouble,
};

/// Most files of one attempt.
const MAX_FILES: usize = 100;
/// Longest word of a job type, in characters.
pub const MAX_JOB_TYPE: usize = 50;
/// Most rules of a tenant.
pub const MAX_RULES: usize = 1_000_000;

/// The entries of an attempt's end; none for a seat whose end is known.
pub fn record(
    known: (&State, &Redactor),
    seat: &Seat,
    told: &AttemptOutcome,
    now: Timestamp,
) -> Vec<Entry> {
    let (state, redactor) = known;
    if state.attempt(seat).is_some_and(|a| a.label.is_some()) {
        return Vec::new();
    }
    let mut ended = ended(redactor, seat, told, now);
    let mut lessons = Lessons::new(state, redactor, &ended);
    lessons.take(&told.lessons);
    let Lessons {
        ids,
        dropped,
        entries,
        ..
    } = lessons;
    (ended.lessons, ended.dropped) = (ids, dropped);
    let trail = trail(&ended);
    let repeated = trouble::rule(state, &ended);
    std::iter::once(Entry::Outcome(Box::new(ended)))
        .chain(entries)
        .chain(repeated)
        .chain(trail)
        .collect()
}

fn ended(redactor: &Redactor, seat: &Seat, told: &AttemptOutcome, now: Timestamp) -> Ended {
    let grade = told
        .grade
        .filter(|g| g.is_finite())
        .map(|g| millionths(g.clamp(0.0, 1.0)));
    Ended {
        seat: seat.clone(),
        job_type: text::cut(
            &redactor.clean(&text::one_line(&told.job_type)),
            MAX_JOB_TYPE,
        ),
        project: told.project.as_deref().and_then(|p| redactor.project(p)),
        domain: told.domain.as_deref().and_then(|d| redactor.domain(d)),
        outcome: told.outcome,
        class: told.class,
        label: Label::of(told.outcome, told.class),
        message: told.message.as_deref().and_then(|m| redactor.message(m)),
        grade,
        usage: told.usage,
        files: files(redactor, &told.files),
        lessons: Vec::new(),
        dropped: 0,
        // A runner whose clock is ahead would lay trails that do not fade.
        at: told.at.min(now),
    }
}

/// Paths as they are kept: each once, no more than there may be.
pub fn files(redactor: &Redactor, told: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let paths = told
        .iter()
        .filter_map(|f| text::path(f))
        .map(|f| redactor.clean(&f));
    paths
        .filter(|f| seen.insert(f.clone()))
        .take(MAX_FILES)
        .collect()
}

fn trail(ended: &Ended) -> Option<Entry> {
    let mark = match ended.label {
        Label::Success => Mark::Success,
        Label::Failure => Mark::Failure,
        Label::Unknown => Mark::Warning,
    };
    (!ended.files.is_empty()).then(|| Entry::TrailLaid {
        project: ended.project.clone(),
        paths: ended.files.clone(),
        mark,
        at: ended.at,
    })
}

/// The lessons of one attempt on their way to rules.
struct Lessons<'a> {
    state: &'a State,
    redactor: &'a Redactor,
    source: Source,
    project: Option<String>,
    files: Vec<String>,
    ids: Vec<String>,
    dropped: u32,
    entries: Vec<Entry>,
}

impl<'a> Lessons<'a> {
    fn new(state: &'a State, redactor: &'a Redactor, ended: &Ended) -> Self {
        Self {
            state,
            redactor,
            source: Source {
                kind: SourceKind::Agent,
                seat: Some(ended.seat.clone()),
            },
            project: ended.project.clone(),
            // As many as a rule remembers; the outcome has them all.
            files: ended.files.iter().take(rule::MAX_FILES).cloned().collect(),
            ids: Vec::new(),
            dropped: 0,
            entries: Vec::new(),
        }
    }

    fn take(&mut self, told: &[String]) {
        for (place, line) in told.iter().enumerate() {
            match lesson::parse(line, |d| self.redactor.domain(d)).filter(|_| place < MAX_LESSONS) {
                Some(learned) => self.one(learned),
                None => self.dropped = self.dropped.saturating_add(1),
            }
        }
    }

    /// A lesson is one piece of evidence per attempt, however often the attempt states it, and
    /// none where it only repeats what stood in its prompt.
    fn one(&mut self, learned: Learned) {
        let text = clean_rule(self.redactor, &learned.text);
        let project = self.project.as_deref();
        let kind = RuleKind::Heuristic;
        let id = known_id(self.state, kind, project, (&learned.domain, &text));
        let id = id.unwrap_or_else(|| id_of(kind, project, &learned.domain, &text));
        if self.ids.contains(&id) {
            return;
        }
        match self.state.rules.get(&id) {
            Some(rule) if self.is_no_news(rule) => {}
            Some(_) => self.entries.push(aliased(&id, &self.source, &self.files)),
            None if self.is_full() => {
                self.dropped += 1;
                return;
            }
            None => self.entries.push(self.added(learned.domain, text)),
        }
        self.ids.push(id);
    }

    fn added(&self, domain: String, text: String) -> Entry {
        let (project, source) = (self.project.clone(), self.source.clone());
        Entry::RuleAdded(Box::new(RuleAdded {
            files: self.files.clone(),
            ..RuleAdded::new(RuleKind::Heuristic, project, (domain, text), source)
        }))
    }

    /// Whether it stood in the prompt, or was stated here before.
    fn is_no_news(&self, rule: &Rule) -> bool {
        let seat = self.source.seat.as_ref();
        seat.is_some_and(|seat| self.state.has_heard(seat, rule))
    }

    fn is_full(&self) -> bool {
        self.state.rules.len() + self.entries.len() >= MAX_RULES
    }
}

fn clean_rule(redactor: &Redactor, text: &str) -> String {
    text::cut(&redactor.clean(text), *RULE.end())
}

fn aliased(id: &str, source: &Source, files: &[String]) -> Entry {
    Entry::RuleAliased {
        rule: id.to_owned(),
        source: source.clone(),
        files: files.to_vec(),
    }
}

/// The rule that already says this, for this project or for all.
pub fn known_id(
    state: &State,
    kind: RuleKind,
    project: Option<&str>,
    (domain, text): (&str, &str),
) -> Option<String> {
    let ids = [project, None].map(|project| id_of(kind, project, domain, text));
    ids.into_iter().find(|id| state.rules.contains_key(id))
}

/// What is written down when a rule takes the place of another, and the new rule's id. It is a rule of its own
/// however alike the two are.
///
/// # Errors
/// `NotFound` for the other; as [`taught`].
pub fn supersede(
    state: &State,
    added: RuleAdded,
    other: &str,
) -> Result<(Vec<Entry>, String), ElfError> {
    let gone = state.rule(other);
    let gone = gone.ok_or_else(|| ElfError::not_found("rule", other))?;
    let (entry, id) = taught(state, added.judged())?;
    if gone.id == id {
        let problem = "it is that rule itself; say what holds now";
        return Err(ElfError::invalid("supersedes", problem));
    }
    let superseded = Entry::Superseded {
        rule: gone.id.clone(),
        by: id.clone(),
    };
    Ok((vec![entry, superseded], id))
}

/// The entry of a rule that was checked, and the rule's id.
///
/// # Errors
/// It was retired, or there are too many.
pub fn taught(state: &State, added: RuleAdded) -> Result<(Entry, String), ElfError> {
    let said = (added.domain.as_str(), added.text.as_str());
    let known = known_id(state, added.kind, added.project.as_deref(), said);
    let Some(id) = known else {
        if state.rules.len() >= MAX_RULES {
            return Err(ElfError::Full(MAX_RULES));
        }
        let id = added.id.clone();
        return Ok((Entry::RuleAdded(Box::new(added)), id));
    };
    if state
        .rules
        .get(&id)
        .is_some_and(|r| r.status == RuleStatus::Retired)
    {
        return Err(ElfError::Retired(id));
    }
    Ok((aliased(&id, &added.source, &[]), id))
}

/// A rule that somebody states, cleaned and redacted.
///
/// # Errors
/// Something in it cannot be kept.
pub fn checked(redactor: &Redactor, rule: &NewRule) -> Result<RuleAdded, ElfError> {
    let domain = text::line("domain", &rule.domain, 1..=MAX_DOMAIN)?;
    let no_slug = || ElfError::invalid("domain", "it has no letter a to z and no digit");
    let domain = redactor.domain(&domain).ok_or_else(no_slug)?;
    let text = clean_rule(redactor, &text::line("rule", &rule.text, RULE)?);
    let explanation = text::block("explanation", &rule.explanation, 0..=MAX_EXPLANATION)?;
    let given = rule
        .project
        .as_deref()
        .map(|p| text::line("project", p, 0..=MAX_PROJECT));
    let project = given.transpose()?.and_then(|p| redactor.project(&p));
    let source = Source {
        kind: SourceKind::Human,
        seat: None,
    };
    Ok(RuleAdded {
        explanation: text::cut(&redactor.clean(&explanation), MAX_EXPLANATION),
        ..RuleAdded::new(rule.kind, project, (domain, text), source)
    })
}
