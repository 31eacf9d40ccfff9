//! Finds texts by their words: BM25 over lists in the process's own memory. The order of what is found
//! follows from the texts alone, and not from how the index came about.

use super::{
    best::Best,
    piece::{List, MAX_TEXTS, Piece},
    words::{Stems, Term},
};

/// BM25's usual parameters: how soon repeated words stop to count, and how much length counts.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What a pair of words says, as a share of what a word as rare says: the best on `bench-retrieval`.
const PAIR: f64 = 0.25;
/// Most different words of a query, the rarest. The rest says little, and being common it costs most:
/// all of them add 0.002 to one figure of `bench-retrieval`.
const MAX_QUERY_WORDS: usize = 20;
/// From this many texts on, several threads take them apart.
const MANY: usize = 1_000;
/// Texts that are scored at a time, so that their scores stay in the nearest memory.
const WINDOW: u32 = 4_096;

/// An index of texts by their number. What was added is found at once.
#[derive(Default)]
pub struct TextIndex {
    pieces: Vec<Piece>,
    stems: Stems,
}

/// A text with its number, in parts that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Its number.
    pub number: u64,
    /// Its parts.
    pub parts: [&'a str; 3],
}

/// A text that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub number: u64,
    /// How well it fits; more is better, from 0.
    pub score: f64,
}

impl TextIndex {
    /// An index of these texts.
    #[must_use]
    pub fn of<T: Sync>(all: &[T], text: impl Fn(&T) -> Text<'_> + Sync) -> Self {
        let hands = std::thread::available_parallelism().map_or(1, usize::from);
        let hands = if all.len() < MANY { 1 } else { hands };
        let each = all.len().div_ceil(hands).clamp(1, MAX_TEXTS);
        let text = &text;
        let made = |part: &[T]| {
            let (mut piece, mut stems) = (Piece::of_many(), Stems::default());
            for one in part {
                piece.add(text(one), &mut stems);
            }
            piece.pack();
            piece
        };
        let pieces = std::thread::scope(|scope| {
            let parts = all.chunks(each);
            let parts: Vec<_> = parts
                .map(|part| (part, scope.spawn(move || made(part))))
                .collect();
            // A part whose thread ended is taken apart here.
            let join = parts
                .into_iter()
                .map(|(part, at_work)| at_work.join().unwrap_or_else(|_| made(part)));
            join.collect()
        });
        Self {
            pieces,
            stems: Stems::default(),
        }
    }

    /// Adds a text. A number is added once.
    pub fn add(&mut self, text: Text<'_>) {
        let is_full = self.pieces.last().is_none_or(Piece::is_full);
        if is_full {
            self.pieces.push(Piece::default());
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.add(text, &mut self.stems);
            piece.settle();
        }
    }

    /// The texts that fit best, best first, and the lower number first of equals. Those that
    /// `wanted` refuses take no place.
    #[must_use]
    pub fn best(&self, query: &str, most: usize, wanted: impl Fn(u64) -> bool) -> Vec<Hit> {
        let asked = Asked::of(self, query);
        let mut best = Best::of(most);
        for (piece, lists) in self.pieces.iter().zip(&asked.lists) {
            asked.score(piece, lists, |text, score| {
                if best.may(score) {
                    let number = piece.number(text);
                    if wanted(number) {
                        best.take(Hit { number, score });
                    }
                }
            });
        }
        best.hits()
    }
}

/// A query against one state of the index.
struct Asked<'a> {
    /// For each piece, the texts with each of the words, those first that say most, and how much it says.
    lists: Vec<Vec<(f64, List<'a>)>>,
    /// What each length counts.
    norms: Vec<f64>,
}

impl<'a> Asked<'a> {
    fn of(index: &'a TextIndex, query: &str) -> Self {
        let all: u64 = index.pieces.iter().map(Piece::texts).sum();
        let mut words: Vec<(f64, Term, Vec<List<'a>>)> = Vec::new();
        for term in Stems::default().terms(query) {
            let lists: Vec<List<'a>> = index.pieces.iter().map(|p| p.with(term)).collect();
            let with: u64 = lists.iter().map(|list| list.len() as u64).sum();
            if with > 0 {
                let rarity = ((float(all - with) + 0.5) / (float(with) + 0.5)).ln_1p();
                let share = if term.is_pair() { PAIR } else { 1.0 };
                words.push((rarity * share, term, lists));
            }
        }
        words.sort_by(|(a, one, _), (b, other, _)| b.total_cmp(a).then(one.cmp(other)));
        words.truncate(MAX_QUERY_WORDS);
        let mut by_piece: Vec<Vec<(f64, List<'a>)>> = Vec::new();
        by_piece.resize_with(index.pieces.len(), Vec::new);
        for (weight, _, lists) in words {
            for (own, list) in by_piece.iter_mut().zip(lists) {
                own.push((weight, list));
            }
        }
        Self {
            lists: by_piece,
            norms: norms(index, all),
        }
    }

    /// Gives every text of a piece that has one of the words, with its score. Scores are added up word
    /// by word, whatever the pieces are.
    fn score(&self, piece: &Piece, lists: &[(f64, List<'a>)], mut found: impl FnMut(u32, f64)) {
        let mut left: Vec<(f64, &[u32])> = lists.iter().map(|(w, list)| (*w, &list[..])).collect();
        let mut scores = vec![0.0; WINDOW as usize];
        let first =
            |left: &[(f64, &[u32])]| left.iter().filter_map(|(_, l)| l.first()).min().copied();
        while let Some(first) = first(&left) {
            let from = List::text(first) / WINDOW * WINDOW;
            for (weight, list) in &mut left {
                let mut taken = 0;
                for entry in *list {
                    let (text, count) = (List::text(*entry), List::count(*entry));
                    let Some(score) = scores.get_mut((text - from) as usize) else {
                        break;
                    };
                    let norm = self.norms[piece.length(text)];
                    *score += *weight * count * (K1 + 1.0) / (count + norm);
                    taken += 1;
                }
                *list = &list[taken..];
            }
            for (text, score) in (from..).zip(&mut scores) {
                if *score > 0.0 {
                    found(text, *score);
                    *score = 0.0;
                }
            }
        }
    }
}

fn norms(index: &TextIndex, all: u64) -> Vec<f64> {
    let words: u64 = index.pieces.iter().map(Piece::words).sum();
    let longest = index.pieces.iter().map(Piece::longest).max();
    let average = float(words.max(1)) / float(all.max(1));
    let norm = |length| K1 * (1.0 - B + B * f64::from(length) / average);
    (0..=longest.unwrap_or_default()).map(norm).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn float(n: u64) -> f64 {
    n as f64
}
