//! Which rules may say nearly what a text says: those that share one of the smallest hashes of its
//! three-word runs (a bottom-k sketch). Cheap to keep and to ask; whether they do, others measure.
//! Nothing that is read needs it, so it is made of the rules when it is first asked, or before that
//! a few at a time.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::words::hash;
use crate::{
    likeness::{self, Shingles},
    rules::Rules,
};

/// Smallest hashes that stand for a text. Texts that share four fifths of their runs all but always
/// have one of eight in common.
const SKETCH: usize = 8;
/// Most rules of one hash: a run that many rules have tells none from the others.
const MOST: usize = 16;
/// Most rules that are worth measuring: what says nearly the same shares most of the sketch.
const CLOSEST: usize = 8;

/// Rules by their sketches.
#[derive(Debug, Default)]
pub struct Twins(Arc<Mutex<Sketches>>);

/// Half of each hash is kept, for there are eight of every rule; a few too many are found by it.
#[derive(Debug, Default)]
struct Sketches {
    /// How many rules are in here: those of the lowest numbers.
    rules: usize,
    /// The first rule of each hash.
    first: FxHashMap<u32, u32>,
    /// The others, where there are any.
    more: FxHashMap<u32, Vec<u32>>,
}

impl Twins {
    /// Taking up the next of the rules that it does not know yet, so many at most, which is to be done without the
    /// rules. Nothing where it knows all.
    pub fn unready(&self, rules: &Rules, most: usize) -> Option<impl FnOnce() + Send + use<>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).rules;
        let next = rules.values().skip(known).take(most);
        let next = next.map(|rule| (rule.number, rule.domain.clone(), rule.text.clone()));
        let next: Vec<(u64, String, String)> = next.collect();
        let sketches = Arc::clone(&self.0);
        let work = move || {
            let keys = |(number, domain, text): &(u64, String, String)| {
                let keys: Vec<u32> = sketch(domain, &Shingles::of(text)).collect();
                (*number, keys)
            };
            let made: Vec<(u64, Vec<u32>)> = next.iter().map(keys).collect();
            let mut sketches = sketches.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever was in a hurry has taken them up by now.
            if sketches.rules == known {
                for (number, keys) in made {
                    sketches.one(number, keys.into_iter());
                }
            }
        };
        (known < rules.len()).then_some(work)
    }

    /// Numbers of rules of this domain that may say what has these runs: a few, those that share most first.
    #[must_use]
    pub fn of(&self, rules: &Rules, domain: &str, shingles: &Shingles) -> Vec<u64> {
        let mut sketches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sketches.take(rules);
        let mut shared: BTreeMap<u64, usize> = BTreeMap::new();
        for key in sketch(domain, shingles) {
            for number in sketches.with(key) {
                *shared.entry(u64::from(number)).or_default() += 1;
            }
        }
        let mut numbers: Vec<u64> = shared.keys().copied().collect();
        numbers.sort_by_key(|number| Reverse(shared.get(number)));
        numbers.truncate(CLOSEST);
        numbers
    }
}

impl Sketches {
    fn take(&mut self, rules: &Rules) {
        for rule in rules.values().skip(self.rules) {
            let shingles = Shingles::of(&rule.text);
            self.one(rule.number, sketch(&rule.domain, &shingles));
        }
    }

    /// Takes up the next rule.
    fn one(&mut self, number: u64, keys: impl Iterator<Item = u32>) {
        self.rules += 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        for key in keys {
            self.add(key, number);
        }
    }

    fn add(&mut self, key: u32, number: u32) {
        if *self.first.entry(key).or_insert(number) != number {
            let more = self.more.entry(key).or_default();
            if more.len() + 1 < MOST {
                more.push(number);
            }
        }
    }

    fn with(&self, key: u32) -> impl Iterator<Item = u32> {
        let more = self.more.get(&key).into_iter().flatten();
        self.first.get(&key).into_iter().chain(more).copied()
    }
}

fn sketch(domain: &str, shingles: &Shingles) -> impl Iterator<Item = u32> {
    let domain = hash(domain);
    let smallest = shingles.smallest(SKETCH).iter();
    let half = |key: u64| u32::try_from(key >> 32).unwrap_or_default();
    smallest.map(move |shingle| half(likeness::run(&[domain, *shingle])))
}
