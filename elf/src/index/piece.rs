//! A piece of the index of texts: for each word and each pair of words, the texts that have it. Knows
//! nothing of what that is worth.

use std::{
    borrow::Cow,
    ops::Deref,
    sync::{Mutex, OnceLock, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{
    text::Text,
    words::{Stems, Term, pair},
};

/// Most texts of a piece: their places have 20 bits.
pub(super) const MAX_TEXTS: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 20;
const PLACE: u64 = MAX_TEXTS as u64 - 1;
/// Bits of how often a text has a word.
const COUNT_BITS: u32 = 8;
const MOST_OFTEN: u32 = (1 << COUNT_BITS) - 1;
/// Bits of a pair that say on which shelf it is.
const SHELF_BITS: u32 = 8;
/// Pairs of late texts that are kept in order by themselves.
const MANY_PAIRS: usize = 8_192;

/// Texts in the order in which they came.
#[derive(Default)]
pub(super) struct Piece {
    numbers: Vec<u64>,
    /// How many words each has.
    lengths: Vec<u16>,
    longest: u16,
    words: u64,
    /// Which list is that of a word, by its hash.
    places: FxHashMap<u64, u32>,
    lists: Vec<Vec<u32>>,
    pairs: Pairs,
    /// The words of the text that is being added.
    text: Vec<u64>,
}

/// Words that stand side by side, each time by a part of their hash and the place of the text: most are
/// in one text alone, so that a list for each would be mostly list.
#[derive(Default)]
struct Pairs {
    /// Where pairs of very many texts are put while these come; no shelf otherwise.
    open: Vec<Vec<u64>>,
    /// The same once they are all there.
    shelves: Vec<Shelf>,
    /// Each in order, and of later texts than the one before.
    runs: Vec<Vec<u64>>,
    /// Of the last texts.
    fresh: Vec<u64>,
}

/// Pairs whose first bits are the same. They are put in order when one of them is first looked for: a query looks
/// for few, and to sort all takes a good part of a start.
#[derive(Default)]
struct Shelf {
    found: Mutex<Vec<u64>>,
    sorted: OnceLock<Vec<u64>>,
}

/// The texts of a piece that have a word, in their order, each with how often it has it.
pub(super) struct List<'a>(Cow<'a, [u32]>);

impl Piece {
    /// For very many texts that come one after the other; [`Piece::pack`] ends that.
    pub(super) fn of_many() -> Self {
        Self {
            pairs: Pairs::of_many(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, text: Text<'_>, stems: &mut Stems) {
        let place = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let mut words = std::mem::take(&mut self.text);
        words.clear();
        for part in text.parts {
            stems.of(part, &mut words);
        }
        let length = u16::try_from(words.len()).unwrap_or(u16::MAX);
        self.numbers.push(text.number);
        self.lengths.push(length);
        self.longest = self.longest.max(length);
        self.words += u64::from(length);
        let pairs = words.windows(2).map(|two| pair(two[0], two[1]));
        self.pairs.add(pairs, place);
        for word in &words {
            self.list(*word, place);
        }
        self.text = words;
    }

    fn list(&mut self, word: u64, place: u32) {
        let next = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let list = *self.places.entry(word).or_insert(next);
        if list == next {
            self.lists.push(Vec::new());
        }
        if let Some(list) = self.lists.get_mut(list as usize) {
            count(list, place);
        }
    }

    /// Puts what was added in order, so that it is found; to be called after each text that is added later.
    pub(super) fn settle(&mut self) {
        self.pairs.settle();
    }

    /// Has very many texts found, the first of the piece, and gives back the room that is left.
    pub(super) fn pack(&mut self) {
        self.lists.iter_mut().for_each(Vec::shrink_to_fit);
        self.pairs.shelve();
    }

    pub(super) const fn is_full(&self) -> bool {
        self.numbers.len() >= MAX_TEXTS
    }

    /// How many texts there are.
    pub(super) const fn texts(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// How many words they have.
    pub(super) const fn words(&self) -> u64 {
        self.words
    }

    /// How many words the longest has.
    pub(super) const fn longest(&self) -> u16 {
        self.longest
    }

    /// The number of the text at this place.
    pub(super) fn number(&self, place: u32) -> u64 {
        self.numbers[place as usize]
    }

    /// How many words the text at this place has.
    pub(super) fn length(&self, place: u32) -> usize {
        usize::from(self.lengths[place as usize])
    }

    /// The texts with this word.
    pub(super) fn with(&self, term: Term) -> List<'_> {
        match term {
            Term::Word(word) => {
                let place = self.places.get(&word);
                let list = place.and_then(|place| self.lists.get(*place as usize));
                List(Cow::Borrowed(list.map_or(&[], Vec::as_slice)))
            }
            Term::Pair(pair) => List(Cow::Owned(self.pairs.with(pair))),
        }
    }
}

impl Pairs {
    fn of_many() -> Self {
        Self {
            open: vec![Vec::new(); 1 << SHELF_BITS],
            ..Self::default()
        }
    }

    fn add(&mut self, pairs: impl Iterator<Item = u64>, place: u32) {
        let entries = pairs.map(|pair| pair & !PLACE | u64::from(place));
        if self.open.is_empty() {
            self.fresh.extend(entries);
            return;
        }
        for entry in entries {
            if let Some(shelf) = self.open.get_mut(shelf(entry)) {
                shelf.push(entry);
            }
        }
    }

    fn shelve(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.shelves = open.into_iter().map(Shelf::of).collect();
    }

    /// Runs that are about as long become one, so that there are few.
    #[expect(
        clippy::stable_sort_primitive,
        reason = "it joins what is in order already, where the other begins anew"
    )]
    fn settle(&mut self) {
        self.fresh.sort();
        if self.fresh.len() < MANY_PAIRS {
            return;
        }
        let mut last = std::mem::take(&mut self.fresh);
        while let Some(mut before) = self.runs.pop_if(|run| run.len() / 2 <= last.len()) {
            before.append(&mut last);
            before.sort();
            last = before;
        }
        self.runs.push(last);
    }

    fn with(&self, pair: u64) -> Vec<u32> {
        let mut list = Vec::new();
        let wanted = pair & !PLACE;
        let shelved = self.shelves.get(shelf(pair)).map(Shelf::sorted);
        for all in shelved.into_iter().chain(&self.runs).chain([&self.fresh]) {
            let from = all.partition_point(|entry| *entry < wanted);
            for entry in all[from..].iter().take_while(|e| **e & !PLACE == wanted) {
                count(&mut list, u32::try_from(entry & PLACE).unwrap_or_default());
            }
        }
        list
    }
}

impl Shelf {
    fn of(found: Vec<u64>) -> Self {
        Self {
            found: Mutex::new(found),
            sorted: OnceLock::new(),
        }
    }

    fn sorted(&self) -> &Vec<u64> {
        self.sorted.get_or_init(|| {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all = std::mem::take(&mut *found);
            all.sort_unstable();
            all
        })
    }
}

/// On which shelf a pair is.
fn shelf(pair: u64) -> usize {
    usize::try_from(pair >> (u64::BITS - SHELF_BITS)).unwrap_or_default()
}

/// Counts a word once more for the last text.
#[inline]
fn count(list: &mut Vec<u32>, place: u32) {
    match list.last_mut() {
        Some(entry) if *entry >> COUNT_BITS == place => {
            *entry += u32::from(*entry & MOST_OFTEN < MOST_OFTEN);
        }
        _ => list.push(place << COUNT_BITS | 1),
    }
}

impl List<'_> {
    /// The place of the text of an entry.
    pub(super) const fn text(entry: u32) -> u32 {
        entry >> COUNT_BITS
    }

    /// How often that text has the word.
    pub(super) fn count(entry: u32) -> f64 {
        f64::from(entry & MOST_OFTEN)
    }
}

impl Deref for List<'_> {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}
