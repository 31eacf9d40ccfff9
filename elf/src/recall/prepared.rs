//! Rules as they stand in prompts, made once: what a rule says never changes, and to clean it costs
//! more than to choose it.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use sandbox_core::port::Lesson;

use crate::{index, prompt, redact::Redactor, rule::Rule, text};

/// Most rules that are kept ready; some kilobytes each.
const MOST: usize = 2_048;

/// A rule as it stands in a prompt.
#[derive(Debug)]
pub struct Said {
    /// Its lesson.
    pub lesson: Lesson,
    /// The tokens of its line.
    pub cost: usize,
    /// Its runs of three words, each by its hash; all of it where it is shorter.
    shingles: BTreeSet<u64>,
}

/// Rules that were made ready, by their number.
#[derive(Debug, Default)]
pub struct Prepared {
    rules: Mutex<HashMap<u64, Arc<Said>>>,
}

impl Prepared {
    /// This rule, ready.
    pub fn get(&self, rule: &Rule, redactor: &Redactor) -> Arc<Said> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = rules.get(&rule.number) {
            return Arc::clone(said);
        }
        if rules.len() >= MOST {
            rules.clear();
        }
        let said = Arc::new(Said::of(rule, redactor));
        rules.insert(rule.number, Arc::clone(&said));
        said
    }
}

impl Said {
    fn of(rule: &Rule, redactor: &Redactor) -> Self {
        let clean = text::one_line(&redactor.clean(&rule.text));
        let lesson = Lesson {
            rule: rule.id.clone(),
            domain: rule.domain.clone(),
            text: text::cut(&clean, *text::RULE.end()),
        };
        Self {
            cost: prompt::tokens(&prompt::line(&lesson)),
            shingles: shingles(&lesson.text),
            lesson,
        }
    }

    /// How much of it the other says too, 0 to 1 (Jaccard's measure).
    pub fn overlap(&self, other: &Self) -> f64 {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let shared = self.shingles.intersection(&other.shingles).count();
        let all = self.shingles.len() + other.shingles.len() - shared;
        count(shared) / count(all).max(1.0)
    }
}

fn shingles(text: &str) -> BTreeSet<u64> {
    let words = index::words(text);
    if words.len() < 3 {
        return BTreeSet::from([hash(&words)]);
    }
    words.windows(3).map(hash).collect()
}

/// The same within a process, and for nothing outside of it.
fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}
