//! Texts that give orders, and rules that only sound like it.

use super::*;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|l| !l.is_empty())
}

#[test]
fn every_sign_compiles() {
    assert_eq!(COMPILED.len(), SIGNS.len());
}

#[test]
fn what_gives_orders_is_told() {
    let all: Vec<&str> = lines(include_str!("hostile.txt")).collect();
    assert!(all.len() >= 60, "{}", all.len());
    let missed: Vec<&&str> = all.iter().filter(|l| reason(l).is_none()).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_sign_is_met_by_one_of_them() {
    for sign in SIGNS {
        let met = lines(include_str!("hostile.txt")).any(|l| reason(l) == Some(sign.reason));
        assert!(met, "{}", sign.reason);
    }
}

#[test]
fn rules_and_warnings_that_only_sound_like_it_are_not() {
    let held: Vec<(&str, &str)> = lines(include_str!("plain.txt"))
        .chain(lines(include_str!("../redact/ordinary.txt")))
        .filter_map(|l| Some((l, reason(l)?)))
        .collect();
    assert!(held.is_empty(), "{held:#?}");
}
