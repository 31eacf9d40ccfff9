//! What the memory's learner is worth, in small simulated worlds: a slice of what `elf-sim` measures
//! at full size.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_tests::sim::{
    figures::{Figures, Means, mean},
    policy::POLICIES,
    run::run,
    world::{SHAPES, World},
};

/// These seeds of a world with a policy.
fn runs(world: &str, policy: &str, jobs: u64) -> Vec<Figures> {
    let shape = SHAPES.iter().find(|s| s.name == world).unwrap();
    let (_, make) = POLICIES.iter().find(|(name, _)| *name == policy).unwrap();
    let one = |seed| run(&World::new(*shape, jobs, seed), &mut *make(seed));
    (0..6).map(one).collect()
}

#[test]
fn the_learner_misses_less_success_than_the_ancestors_counter_on_the_same_jobs() {
    let (ours, theirs) = (
        runs("mixed", "learner", 10_000),
        runs("mixed", "elf-mcp", 10_000),
    );
    let ratios: Vec<f64> = ours
        .iter()
        .zip(&theirs)
        .map(|(a, b)| a.regret / b.regret)
        .collect();
    let ratio = mean(&ratios);
    assert!(ratio.mean + 1.96 * ratio.se <= 0.85, "{ratio:?}");
}

#[test]
fn golden_rules_help_in_worlds_where_the_ancestors_counter_promotes_anything() {
    for world in ["easy", "mixed", "hard", "noisy"] {
        let means = Means::of(&runs(world, "learner", 5_000));
        assert!(means.harmful_golden.mean <= 1.0, "{world}: {means:?}");
        assert!(
            means.adversarial_golden.mean < f64::EPSILON,
            "{world}: {means:?}"
        );
    }
    let means = Means::of(&runs("easy", "elf-mcp", 5_000));
    assert!(
        means.harmful_golden.mean > 5.0,
        "the world no longer tells them apart: {means:?}"
    );
}

#[test]
fn the_learners_estimates_follow_the_true_effects() {
    let means = Means::of(&runs("mixed", "learner", 10_000));
    assert!(means.spearman.mean >= 0.65, "{means:?}");
    assert!(means.golden_precision.mean >= 0.85, "{means:?}");
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
    ] {
        let ours = Means::of(&runs(world, "learner", 5_000));
        let none = Means::of(&runs(world, "none", 5_000));
        assert!(
            ours.regret.mean < 0.7 * none.regret.mean,
            "{world}: {ours:?}"
        );
        assert!(ours.adversarial_golden.mean < 0.5, "{world}: {ours:?}");
    }
}
