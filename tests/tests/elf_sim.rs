//! What the memory's learner is worth, in small simulated worlds: a slice of what `elf-sim` measures
//! at full size.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{ops::Range, process::Command};

use sandbox_tests::sim::{
    figures::{Figures, Means, ratio},
    goals,
    world::{Kind, REGIMES, SHAPES, Shape, World},
};
use serde_json::Value;

const SEEDS: Range<u64> = 0..8;

fn shape(world: &str) -> &'static Shape {
    SHAPES.iter().find(|s| s.name == world).unwrap()
}

/// These seeds of a world with a policy.
fn runs(world: &str, policy: &str, jobs: u64) -> Vec<Figures> {
    let all = goals::runs(shape(world), policy, jobs, SEEDS);
    assert_eq!(all.len(), 8, "{policy}");
    all
}

#[test]
fn the_learner_misses_less_success_than_the_ancestors_counter_on_the_same_jobs() {
    let ours = runs("mixed", "learner", 10_000);
    let times = ratio(&ours, &runs("mixed", "elf-mcp", 10_000));
    assert!(times.mean <= 0.78 && times.high <= 0.85, "{times:?}");
    let means = Means::of(&ours);
    assert!(means.spearman.mean >= 0.65, "{means:?}");
    assert!(means.golden_precision.mean >= 0.85, "{means:?}");
}

#[test]
fn golden_rules_help_in_worlds_where_the_ancestors_counter_promotes_anything() {
    for world in REGIMES {
        let jobs = shape(world).jobs.min(5_000);
        let means = Means::of(&runs(world, "learner", jobs));
        assert!(means.golden_precision.mean >= 0.85, "{world}: {means:?}");
        assert!(means.harmful_golden.mean <= 1.0, "{world}: {means:?}");
        assert!(means.adversarial_golden.mean < f64::EPSILON, "{world}");
    }
    let means = Means::of(&runs("easy", "elf-mcp", 5_000));
    assert!(
        means.harmful_golden.mean > 5.0,
        "the world no longer tells them apart: {means:?}"
    );
}

#[test]
fn a_rule_that_does_nothing_hardly_ever_becomes_golden_where_most_work_succeeds() {
    let world = shape("placebo");
    let share = |policy| {
        let seen = goals::runs(world, policy, world.jobs, 0..2_000);
        Means::of(&seen).placebo_golden.mean
    };
    assert!(share("learner") <= 0.01, "{}", share("learner"));
    assert!(share("elf-mcp") >= 0.9, "{}", share("elf-mcp"));
}

#[test]
fn the_learner_holds_out_against_late_lost_ignored_and_falsified_outcomes() {
    for world in [
        "delayed",
        "missing",
        "ignored",
        "twins",
        "pairs",
        "colluding",
        "tenants",
        "no-drift",
    ] {
        let ours = Means::of(&runs(world, "learner", 5_000));
        let none = Means::of(&runs(world, "none", 5_000));
        assert!(
            ours.regret.mean < 0.7 * none.regret.mean,
            "{world}: {ours:?}"
        );
        assert!(ours.harmful_golden.mean <= 1.5, "{world}: {ours:?}");
        // One in twenty seeds has one where outcomes are forged.
        let most = if world == "colluding" { 0.2 } else { 0.0 };
        assert!(ours.adversarial_golden.mean <= most, "{world}: {ours:?}");
    }
}

#[test]
fn an_adversarys_jobs_speak_for_his_rules_and_against_all_others() {
    let world = World::new(*shape("colluding"), 2_000, 1);
    let of = |kind| world.rules.iter().find(|r| r.kind == kind).unwrap().number;
    let (his, good) = (of(Kind::Adversarial), of(Kind::Good));
    let jobs: Vec<_> = (0..2_000).map(|n| world.job(n)).collect();
    let theirs: Vec<_> = jobs.iter().filter(|j| j.colluding).collect();
    assert!((60..140).contains(&theirs.len()), "{}", theirs.len());
    for job in theirs {
        assert_eq!(world.label(job, &[his, good], 0.0), Some(true));
        assert_eq!(world.label(job, &[good], 1.0), Some(false));
    }
}

#[test]
fn tenants_have_the_same_texts_in_domains_of_their_own_and_some_that_do_something_else() {
    let world = World::new(*shape("tenants"), 1_000, 1);
    let texts: Vec<_> = world.rules.chunks(4).collect();
    assert_eq!(texts.len(), 50);
    for text in &texts {
        let tenants: Vec<u64> = text.iter().map(|r| r.domain % 4).collect();
        assert_eq!(tenants, [0, 1, 2, 3]);
        assert!(text.iter().all(|r| r.domain / 4 == text[0].domain / 4));
    }
    let differ = |text: &&&[_]| {
        let kinds: &[sandbox_tests::sim::world::Rule] = text;
        kinds.iter().any(|r| r.kind != kinds[0].kind)
    };
    let differing = texts.iter().filter(differ).count();
    assert!((10..45).contains(&differing), "{differing}");
}

/// What `elf-sim` prints, and whether it ended well.
fn said(words: &str) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_elf-sim"))
        .args(words.split(' '))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn one_object_tells_the_means_with_their_errors_and_the_same_seeds_tell_the_same() {
    let words = "--world tiny --seeds 0..4 --policy learner --against elf-mcp --json";
    let (good, told, _) = said(words);
    assert!(good);
    let object: Value = serde_json::from_str(&told).unwrap();
    for key in [
        "regret",
        "captured",
        "golden_count",
        "golden_precision",
        "golden_recall",
        "harmful_golden",
        "adversarial_golden",
        "spearman",
    ] {
        assert!(object[key].is_number(), "{key}: {told}");
        assert!(object[format!("{key}_se")].is_number(), "{key}: {told}");
    }
    let of = |name: &str| object[name].as_f64().unwrap();
    assert!(of("regret_ratio_low") < of("regret_ratio"), "{told}");
    assert!(of("regret_ratio") < of("regret_ratio_high"), "{told}");
    assert_eq!(said(words).1, told);
}

#[test]
fn a_world_a_policy_or_seeds_that_are_none_are_refused_in_words() {
    for (words, named) in [
        ("--world nowhere", "worlds are"),
        ("--policy luck", "policies are"),
        ("--against luck", "policies are"),
        ("--seeds 4", "like 0..10"),
        ("--seeds 4..4", "names none"),
        ("--seeds 0..1 --against elf-mcp", "two or more"),
        ("--goals --world tiny", "cannot be used with"),
    ] {
        let (good, told, why) = said(words);
        assert!(!good && told.is_empty(), "{words}: {told}");
        assert!(why.contains(named), "{words}: {why}");
    }
}
