//! Memory finds the lesson that a failure asks for: a slice of what `bench-retrieval` measures whole.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_tests::retrieval::{measure, rustc};

#[test]
fn a_real_diagnostic_of_the_compiler_finds_the_explanation_of_its_code() {
    let folder = tempfile::tempdir().unwrap();
    for set in rustc::sets(folder.path(), 6).unwrap() {
        let seen = measure(&set);
        assert!(seen.queries >= 40, "{}: {seen:?}", set.name);
        assert!(seen.ndcg_at_10 >= 0.89, "{}: {seen:?}", set.name);
        assert!(seen.recall_at_10 >= 0.96, "{}: {seen:?}", set.name);
    }
}

#[test]
fn a_situation_in_other_words_than_the_lesson_finds_it_in_two_of_five_cases() {
    let seen = measure(&rustc::paraphrased().unwrap());
    assert!(seen.queries >= 200, "{seen:?}");
    // A point below what was measured: what ranks worse is to be noticed.
    assert!(seen.recall_at_10 >= 0.46, "{seen:?}");
    assert!(seen.ndcg_at_10 >= 0.30, "{seen:?}");
}
