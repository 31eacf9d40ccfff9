//! Memory keeps no secrets: a slice of what `bench-redaction` measures whole, and the samples of another scanner.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_tests::{
    retrieval::{ruff, rustc},
    secrets::{
        Found, Sample, by_format, formats, harmless, held_back,
        published::{linter, published, scanner},
        samples, spoiled,
    },
};

#[test]
fn of_made_secrets_of_every_format_hardly_one_stays() {
    let found = by_format(60);
    assert!(found.len() >= 90, "{}", found.len());
    for of in &found {
        assert!(of.recall() >= 0.95, "{of:?}");
    }
    let (texts, clean) = found
        .iter()
        .fold((0, 0), |(t, c), of| (t + of.texts, c + of.clean));
    assert!(clean * 1000 >= texts * 998, "{clean} of {texts}");
}

#[test]
fn of_the_samples_that_another_scanner_publishes_hardly_one_stays() {
    let seen = published(&scanner().unwrap()).unwrap();
    let all: Vec<Sample> = seen.rules.iter().flat_map(|(_, s)| s.clone()).collect();
    assert!(all.len() >= 1_600, "{}", all.len());
    // What is no secret is few, and each has its reason.
    assert!(seen.left_out.len() <= 70, "{:?}", seen.left_out);
    let found = Found::among("all", &all);
    assert!(found.clean * 1000 >= found.texts * 990, "{found:?}");
}

#[test]
fn what_only_looks_like_a_secret_stays_as_it_is() {
    let (names, texts): (Vec<_>, Vec<_>) = harmless::texts(60).into_iter().unzip();
    assert!(texts.len() >= 1_000, "{}", texts.len());
    let changed = spoiled(&texts);
    assert!(changed.is_empty(), "{changed:?} of {names:?}");
}

#[test]
fn a_sample_tells_when_its_secret_stays() {
    for number in 0..formats().count() {
        for sample in samples(number, 5) {
            assert!(sample.stays_in(&sample.text), "{sample:?}");
            assert!(!sample.secrets.is_empty() && !sample.stays_in(""));
        }
    }
}

#[test]
fn what_the_compiler_and_a_linter_explain_stays_as_it_is_and_is_not_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let [explained, _] = rustc::sets(folder.path(), u32::MAX).unwrap();
    let [linted, _] = ruff::sets(&linter().unwrap()).unwrap();
    let texts: Vec<String> = explained.texts.into_iter().chain(linted.texts).collect();
    assert!(texts.len() >= 1_300, "{}", texts.len());
    let changed = spoiled(&texts);
    assert!(changed.is_empty(), "{changed:?}");
    let held = held_back(&texts);
    assert!(held.len() * 100 <= texts.len(), "{held:?}");
}
