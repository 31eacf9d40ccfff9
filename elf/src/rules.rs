//! The rules of one tenant: found by number, in the order of the log, and by id. Numbers follow each
//! other from 1; nothing is taken out.

use hashbrown::{HashTable, hash_table::Entry};

use crate::{index::hash_of_word as hash, rule::Rule};

/// Rules by number and by id.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    all: Vec<Rule>,
    /// Places by the hash of the id, which stands in the rule itself.
    places: HashTable<u32>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Rules {
    /// These rules; nothing where a number is missing, or an id is there twice.
    #[must_use]
    pub fn of(all: Vec<Rule>) -> Option<Self> {
        let mut rules = Self {
            places: HashTable::with_capacity(all.len()),
            all,
        };
        for place in 0..rules.all.len() {
            let fits = rules.all[place].number == place as u64 + 1;
            if !fits || !rules.note(place) {
                return None;
            }
        }
        Some(rules)
    }

    /// Takes up the next rule. Whether it was: its number must follow the last one's, and its id must
    /// be new.
    pub fn add(&mut self, rule: Rule) -> bool {
        if rule.number != self.next() || self.contains_key(&rule.id) {
            return false;
        }
        self.all.push(rule);
        self.note(self.all.len() - 1)
    }

    /// Notes the id of the rule at this place. Whether no other has it.
    fn note(&mut self, place: usize) -> bool {
        let Ok(number) = u32::try_from(place) else {
            return false;
        };
        let id_at = |place: &u32| &self.all[*place as usize].id;
        let id = &self.all[place].id;
        let is = |other: &u32| id_at(other) == id;
        match self.places.entry(hash(id), is, |other| hash(id_at(other))) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(number);
                true
            }
        }
    }

    fn place(&self, id: &str) -> Option<usize> {
        let is = |place: &u32| self.all[*place as usize].id == id;
        self.places.find(hash(id), is).map(|place| *place as usize)
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
        self.all.get(self.place(id)?)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Rule> {
        let place = self.place(id)?;
        self.all.get_mut(place)
    }

    /// Whether there is a rule with this id.
    #[must_use]
    pub fn contains_key(&self, id: &str) -> bool {
        self.place(id).is_some()
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
