//! Memory keeps no secrets: a slice of what `bench-redaction` measures whole.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_tests::{
    retrieval::rustc,
    secrets::{by_format, formats::FORMATS, held_back, samples, spoiled},
};

#[test]
fn of_made_secrets_of_every_format_hardly_one_stays() {
    let found = by_format(60);
    assert!(found.len() >= 40, "{}", found.len());
    for of in &found {
        assert!(of.recall() >= 0.95, "{of:?}");
    }
    let (texts, clean) = found
        .iter()
        .fold((0, 0), |(t, c), of| (t + of.texts, c + of.clean));
    assert!(clean * 100 >= texts * 99, "{clean} of {texts}");
}

#[test]
fn a_sample_tells_when_its_secret_stays() {
    for number in 0..FORMATS.len() {
        for sample in samples(number, 5) {
            assert!(sample.stays_in(&sample.text), "{sample:?}");
            assert!(!sample.secrets.is_empty() && !sample.stays_in(""));
        }
    }
}

#[test]
fn what_the_compiler_explains_stays_as_it_is_and_is_not_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let [explained, _] = rustc::sets(folder.path(), u32::MAX).unwrap();
    assert!(explained.texts.len() >= 300);
    let changed = spoiled(&explained.texts);
    assert!(changed.is_empty(), "{changed:?}");
    let held = held_back(&explained.texts);
    assert!(held.len() * 100 <= explained.texts.len(), "{held:?}");
}
