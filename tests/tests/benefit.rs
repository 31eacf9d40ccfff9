//! A small run of the experiment on memory: `bench-memory` has the whole.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_tests::experiment::{Arm, figures::Interval, run};

const SEED: u64 = 1;
const FAMILIES: u64 = 6;

#[tokio::test]
async fn work_takes_fewer_attempts_with_memory_and_not_with_lessons_that_say_nothing() {
    let off = run(Arm::Off, SEED, FAMILIES).await;
    let difference = |arm: Vec<f64>| {
        let pairs = arm.iter().zip(&off);
        Interval::of(&pairs.map(|(a, b)| a - b).collect::<Vec<f64>>())
    };
    let on = difference(run(Arm::On, SEED, FAMILIES).await);
    assert!(on.high < 0.0, "{on:?}");
    let placebo = difference(run(Arm::Placebo, SEED, FAMILIES).await);
    assert!(!placebo.excludes_zero(), "{placebo:?}");
}
