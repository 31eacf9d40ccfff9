//! Failures that repeat themselves: the same first line at different jobs becomes a rule on trial,
//! without a model. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_core::{FailureClass, Uid};

use crate::{
    decide,
    entry::{Ended, Entry, RuleAdded, Source, SourceKind},
    kind::RuleKind,
    label::Label,
    rule::{self, RuleStatus},
    state::State,
    text,
};

/// Bytes of a key.
const KEY: usize = 16;
/// Jobs that have to fail alike.
const JOBS: usize = 3;
/// Jobs that are remembered of each failure; more say nothing new.
const MOST: usize = 100;
/// The domain of jobs that name none.
const DOMAIN: &str = "failures";
/// Fewest words with a letter that a message must have to tell something.
const WORDS: usize = 2;
/// From this length on, a word of hexadecimal digits is somebody's id.
const ID: usize = 8;

/// Which jobs failed alike, by the failure's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<String, BTreeSet<Uid>>);

impl Troubles {
    /// Notes that this job failed so.
    pub fn add(&mut self, key: Option<&str>, job: &Uid) {
        let Some(key) = key else { return };
        let jobs = self.0.entry(key.to_owned()).or_default();
        if jobs.len() < MOST {
            jobs.insert(job.clone());
        }
    }

    fn of(&self, key: &str) -> BTreeSet<Uid> {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

/// The key of a failure of the work: the same for jobs of a project and domain whose first line is the
/// same but for numbers and ids.
pub fn key(ended: &Ended) -> Option<String> {
    let said = said(ended)?;
    let project = ended.project.as_deref().unwrap_or_default();
    Some(text::digest([project, domain(ended), &said], KEY))
}

/// The rule of a failure that is there for the third time, or one more job to speak for it. Nothing
/// where a person retired it.
pub fn rule(state: &State, ended: &Ended) -> Option<Entry> {
    let (said, key) = (said(ended)?, key(ended)?);
    let mut jobs = state.troubles.of(&key);
    let is_news = jobs.len() < MOST && jobs.insert(ended.seat.uid.clone());
    if !is_news || jobs.len() < JOBS {
        return None;
    }
    let source = Source {
        kind: SourceKind::Runner,
        seat: Some(ended.seat.clone()),
    };
    let files: Vec<String> = ended.files.iter().take(rule::MAX_FILES).cloned().collect();
    let text = format!("Jobs here failed again and again with this; find its cause first: {said}");
    let text = text::cut(&text, *text::RULE.end());
    let project = ended.project.as_deref();
    let (kind, domain) = (RuleKind::Heuristic, domain(ended));
    let known = decide::known_id(state, kind, project, (domain, &text));
    if let Some(id) = known {
        let status = state.rules.get(&id).map(|r| r.status);
        return (status != Some(RuleStatus::Retired)).then_some(Entry::RuleAliased {
            rule: id,
            source,
            files,
        });
    }
    let names: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    let seen = format!("Seen at jobs {}.", names.join(", "));
    let full = state.rules.len() >= decide::MAX_RULES;
    (!full).then(|| {
        let proven = std::iter::once(said.as_str()).chain(names.iter().map(String::as_str));
        let project = ended.project.clone();
        Entry::RuleAdded(Box::new(RuleAdded {
            explanation: text::cut(&seen, text::MAX_EXPLANATION),
            proof: Some(text::digest(proven, KEY)),
            files,
            ..RuleAdded::new(kind, project, (domain.to_owned(), text), source)
        }))
    })
}

fn domain(ended: &Ended) -> &str {
    ended.domain.as_deref().unwrap_or(DOMAIN)
}

/// What failed, without what differs from job to job. Nothing where the work is not to blame, or where
/// it tells nothing.
fn said(ended: &Ended) -> Option<String> {
    let of_work = matches!(
        ended.class,
        Some(FailureClass::AgentError | FailureClass::OutputRejected)
    );
    if ended.label != Label::Failure || !of_work {
        return None;
    }
    let said = alike(ended.message.as_deref()?);
    let words = said.split(|c: char| !c.is_alphabetic());
    (words.filter(|w| w.len() > 1).count() >= WORDS).then_some(said)
}

/// A message with its numbers and ids as `#`. A word that has letters too, such as `E0308`, stays.
fn alike(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut word = String::new();
    for c in text::one_line(message).chars().chain([' ']) {
        if c.is_alphanumeric() || c == '-' || c == '_' {
            word.push(c);
            continue;
        }
        said.push_str(if is_own(&word) { "#" } else { &word });
        word.clear();
        said.push(c);
    }
    said.trim_end().to_owned()
}

/// Whether a word is a number or an id, which the next job has another of.
fn is_own(word: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || c == '-';
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    let has_digit = word.chars().any(|c| c.is_ascii_digit());
    has_digit && (word.chars().all(digits) || (word.len() >= ID && word.chars().all(hex)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_differ_from_job_to_job_and_codes_do_not() {
        let one = alike(
            "error[E0308]: mismatched types at src/main.rs:12:5 in 0b9bb6c0-9a0a-4f5a-8f8f-1",
        );
        let other = alike(
            "error[E0308]:  mismatched types at src/main.rs:340:17 in 1c9bb6c0-0a0a-4f5a-8f8f-2",
        );
        assert_eq!(one, other);
        assert_eq!(
            one,
            "error[E0308]: mismatched types at src/main.rs:#:# in #"
        );
        assert_ne!(
            one,
            alike("error[E0382]: mismatched types at src/main.rs:12:5 in 0b9bb6c0")
        );
    }
}
