//! Which rules may say nearly what a text says: those that share one of the smallest hashes of its
//! three-word runs (a bottom-k sketch). Cheap to keep and to ask; whether they do, others measure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{likeness::shingles, rule::Rule};

/// Smallest hashes that stand for a text. Texts that share four fifths of their runs all but always
/// have one of eight in common.
const SKETCH: usize = 8;
/// Most rules of one hash: a run that many rules have tells none from the others.
const MOST: usize = 16;
/// Most rules that are worth measuring: what says nearly the same shares most of the sketch.
const CLOSEST: usize = 8;

/// Rules by their sketches.
#[derive(Debug, Default)]
pub struct Twins(HashMap<u64, Vec<u64>>);

impl Twins {
    /// Takes up a rule that is new.
    pub fn add(&mut self, rule: &Rule) {
        for key in sketch(&rule.domain, &shingles(&rule.text)) {
            let here = self.0.entry(key).or_default();
            if here.len() < MOST {
                here.push(rule.number);
            }
        }
    }

    /// Numbers of rules of this domain that may say what has these runs: a few, those that share most first.
    #[must_use]
    pub fn of(&self, domain: &str, shingles: &BTreeSet<u64>) -> Vec<u64> {
        let mut shared: BTreeMap<u64, usize> = BTreeMap::new();
        let here = sketch(domain, shingles).filter_map(|key| self.0.get(&key));
        for number in here.flatten() {
            *shared.entry(*number).or_default() += 1;
        }
        let mut numbers: Vec<u64> = shared.keys().copied().collect();
        numbers.sort_by_key(|number| Reverse(shared.get(number)));
        numbers.truncate(CLOSEST);
        numbers
    }
}

fn sketch(domain: &str, shingles: &BTreeSet<u64>) -> impl Iterator<Item = u64> {
    shingles.iter().take(SKETCH).map(move |shingle| {
        let mut hasher = DefaultHasher::new();
        (domain, shingle).hash(&mut hasher);
        hasher.finish()
    })
}
