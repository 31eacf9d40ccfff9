//! What is found, whatever the index went through.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use super::*;

fn index(texts: &[&str]) -> TextIndex {
    let index = TextIndex::new().unwrap();
    for (number, text) in (1..).zip(texts) {
        index.add(number, text);
    }
    index
}

fn best(index: &TextIndex, query: &str) -> Vec<u64> {
    let hits = index.best(query, 10, |_| true).unwrap();
    hits.iter().map(|hit| hit.number).collect()
}

const RULES: [&str; 3] = [
    "Run the linter before every commit",
    "Run migrations before every deploy",
    "Retry the upload after a timeout",
];

#[test]
fn the_text_that_shares_the_rarer_words_is_best_whatever_their_endings() {
    let index = index(&RULES);
    let first = |query| best(&index, query).first().copied();
    let deploy = "the deploy failed: relation missing, migrated?";
    assert_eq!(first(deploy), Some(2));
    assert_eq!(first("lint errors from linters"), Some(1));
    assert_eq!(first("UploadTimeout"), Some(3));
}

#[test]
fn a_query_without_a_common_word_finds_nothing() {
    let index = index(&RULES);
    assert!(best(&index, "the and of to").is_empty());
    assert!(best(&index, "quantum chromodynamics").is_empty());
    assert!(best(&TextIndex::new().unwrap(), "linter").is_empty());
}

#[test]
fn what_was_added_is_found_by_the_next_search() {
    let index = index(&RULES);
    assert!(best(&index, "flamingo").is_empty());
    index.add(4, "Feed the flamingo");
    assert_eq!(best(&index, "flamingo"), [4]);
}

#[test]
fn the_unwanted_take_no_place_however_many_they_are() {
    let index = TextIndex::new().unwrap();
    for number in 1..=2_000 {
        index.add(number, "the same words for each");
    }
    let hits = index.best("same words", 2, |n| n > 1_990).unwrap();
    let numbers: Vec<u64> = hits.iter().map(|hit| hit.number).collect();
    assert_eq!(numbers, [1_991, 1_992]);
}

#[test]
fn an_index_that_grew_finds_the_same_in_the_same_order_with_the_same_scores_as_one_made_at_once() {
    let words = [
        "deploy", "lint", "retry", "cache", "token", "branch", "merge",
    ];
    let text = |n: usize| {
        let run = (0..=n % 5).map(|k| words[(n * 7 + k * k) % words.len()]);
        run.collect::<Vec<_>>().join(" ")
    };
    let (grown, made) = (TextIndex::new().unwrap(), TextIndex::new().unwrap());
    let query = "deploy the merged branch, retry with a token";
    for number in 1..=600_usize {
        grown.add(number as u64, &text(number));
        made.add(number as u64, &text(number));
        if number % 17 == 0 {
            grown.best(query, 5, |_| true).unwrap();
        }
    }
    let all = |index: &TextIndex| index.best(query, 50, |_| true).unwrap();
    assert_eq!(all(&grown), all(&made));
    assert_eq!(all(&grown).len(), 50);
}
