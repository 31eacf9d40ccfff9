//! The rules of one tenant: found by number, in the order of the log, and by id. Numbers follow each
//! other from 1; nothing is taken out.

use rustc_hash::FxHashMap;

use crate::rule::Rule;

/// Rules by number and by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    all: Vec<Rule>,
    places: FxHashMap<String, usize>,
}

impl Rules {
    /// These rules; nothing where a number is missing, or an id is there twice.
    #[must_use]
    pub fn of(all: Vec<Rule>) -> Option<Self> {
        let mut places = FxHashMap::default();
        places.reserve(all.len());
        for (place, rule) in all.iter().enumerate() {
            let fits = rule.number == place as u64 + 1;
            if !fits || places.insert(rule.id.clone(), place).is_some() {
                return None;
            }
        }
        Some(Self { all, places })
    }

    /// Takes up the next rule. Whether it was: its number must follow the last one's, and its id must
    /// be new.
    pub fn add(&mut self, rule: Rule) -> bool {
        let fits = rule.number == self.next() && !self.contains_key(&rule.id);
        if fits {
            self.places.insert(rule.id.clone(), self.all.len());
            self.all.push(rule);
        }
        fits
    }

    /// The number of the next rule.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.all.len() as u64 + 1
    }

    /// The rule with this number.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Option<&Rule> {
        self.all.get(place(number)?)
    }

    /// The same, to be changed.
    pub fn numbered_mut(&mut self, number: u64) -> Option<&mut Rule> {
        self.all.get_mut(place(number)?)
    }

    /// The rule with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.all.get(*self.places.get(id)?)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Rule> {
        self.all.get_mut(*self.places.get(id)?)
    }

    /// Whether there is a rule with this id.
    #[must_use]
    pub fn contains_key(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// All rules, by their numbers.
    pub fn values(&self) -> std::slice::Iter<'_, Rule> {
        self.all.iter()
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, Rule> {
        self.all.iter_mut()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

fn place(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}
