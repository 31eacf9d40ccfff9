//! Rules as they stand in prompts, made once: what a rule says never changes, and to clean it costs
//! more than to choose it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sandbox_core::port::Lesson;

use crate::{
    likeness::{Shingles, Stance},
    prompt,
    redact::Redactor,
    rule::Rule,
    text,
};

/// Most rules that are kept ready; about a kilobyte each.
const MOST: usize = 8_192;

/// A rule as it stands in a prompt.
#[derive(Debug)]
pub struct Said {
    /// Its lesson.
    pub lesson: Lesson,
    /// The tokens of its line.
    pub cost: usize,
    /// Its runs of three words.
    shingles: Shingles,
}

/// Rules that were made ready, by their number.
#[derive(Debug, Default)]
pub struct Prepared {
    rules: Mutex<HashMap<u64, Arc<Said>>>,
    /// What they are for and against. Apart, for more rules are compared than come into prompts.
    stances: Mutex<HashMap<u64, Arc<Stance>>>,
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

    /// What this rule is for and against, ready.
    pub fn stance(&self, rule: &Rule) -> Arc<Stance> {
        let mut stances = self.stances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stance) = stances.get(&rule.number) {
            return Arc::clone(stance);
        }
        if stances.len() >= MOST {
            stances.clear();
        }
        let stance = Arc::new(Stance::of(&rule.text));
        stances.insert(rule.number, Arc::clone(&stance));
        stance
    }
}

impl Said {
    fn of(rule: &Rule, redactor: &Redactor) -> Self {
        let clean = format!("{}{}", rule.kind.lead(), redactor.clean(&rule.text));
        let clean = text::one_line(&clean);
        let lesson = Lesson {
            rule: rule.id.clone(),
            domain: rule.domain.clone(),
            text: text::cut(&clean, *text::RULE.end()),
        };
        Self {
            cost: prompt::tokens(&prompt::line(&lesson)),
            shingles: Shingles::of(&lesson.text),
            lesson,
        }
    }

    /// How much of it the other says too, 0 to 1 (Jaccard's measure).
    pub fn overlap(&self, other: &Self) -> f64 {
        self.shingles.overlap(&other.shingles)
    }
}
