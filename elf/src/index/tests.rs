//! What is found, whatever the index went through.
use super::*;

fn text(number: u64, text: &str) -> Text<'_> {
    Text {
        number,
        parts: [text, "", ""],
    }
}

fn index(texts: &[&str]) -> TextIndex {
    let mut index = TextIndex::default();
    for (number, one) in (1..).zip(texts) {
        index.add(text(number, one));
    }
    index
}

fn best(index: &TextIndex, query: &str) -> Vec<u64> {
    let hits = index.best(query, 10, |_| true);
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
    assert!(best(&TextIndex::default(), "linter").is_empty());
}

#[test]
fn what_was_added_is_found_by_the_next_search() {
    let mut index = index(&RULES);
    assert!(best(&index, "flamingo").is_empty());
    index.add(text(4, "Feed the flamingo"));
    assert_eq!(best(&index, "flamingo"), [4]);
}

#[test]
fn the_unwanted_take_no_place_however_many_they_are() {
    let mut index = TextIndex::default();
    for number in 1..=2_000 {
        index.add(text(number, "the same words for each"));
    }
    let hits = index.best("same words", 2, |n| n > 1_990);
    let numbers: Vec<u64> = hits.iter().map(|hit| hit.number).collect();
    assert_eq!(numbers, [1_991, 1_992]);
}

#[test]
fn an_index_that_grew_finds_the_same_in_the_same_order_with_the_same_scores_as_one_made_at_once() {
    let words = [
        "deploy", "lint", "retry", "cache", "token", "branch", "merge",
    ];
    let of = |n: usize| {
        let run = (0..=n % 5).map(|k| words[(n * 7 + k * k) % words.len()]);
        run.collect::<Vec<_>>().join(" ") + &format!(" in part {n} of {}", n % 100)
    };
    let query = "deploy the merged branch, retry with a token in part 77";
    let all = |index: &TextIndex| index.best(query, 50, |_| true);
    // Enough for several pieces and for several runs of pairs.
    let texts: Vec<(u64, String)> = (1..=6_000).map(|n| (n as u64, of(n))).collect();
    let made = TextIndex::of(&texts, |(number, one)| text(*number, one));
    let (some, others) = texts.split_at(2_500);
    let (mut grown, mut both) = (
        TextIndex::default(),
        TextIndex::of(some, |(number, one)| text(*number, one)),
    );
    for (number, one) in &texts {
        grown.add(text(*number, one));
    }
    for (number, one) in others {
        both.add(text(*number, one));
    }
    assert_eq!(all(&grown).len(), 50);
    assert_eq!(all(&grown), all(&made));
    assert_eq!(all(&both), all(&made));
}

#[test]
fn words_that_stand_side_by_side_as_in_the_query_say_more_than_the_same_words_apart() {
    let index = index(&[
        "refused by a pool whose connection went",
        "a server whose pool had its connection refused",
        "something else altogether",
    ]);
    assert_eq!(best(&index, "connection refused"), [2, 1]);
}
