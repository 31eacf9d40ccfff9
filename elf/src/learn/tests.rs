//! What a model makes of outcomes.

use proptest::prelude::*;

use super::*;

fn step<'a>(injected: &'a [u64], withheld: &'a [u64], success: f64) -> Step<'a> {
    Step {
        domain: "rust",
        injected,
        withheld,
        success,
        weight: 1.0,
    }
}

/// A model with so many rules in one domain.
fn model(rules: u64) -> Model {
    let mut model = Model::default();
    (1..=rules).for_each(|rule| model.add(rule, "rust", 0.0));
    model
}

/// Success at a rate, evenly: the n-th of ten.
fn at_rate(n: u64, tenths: u64) -> f64 {
    f64::from(u8::from(n * 7 % 10 < tenths))
}

#[test]
fn a_rule_that_helps_becomes_golden_and_a_placebo_beside_it_does_not() {
    let mut model = model(2);
    for n in 0..400 {
        let with = n % 4 < 2;
        let tenths = if with { 9 } else { 5 };
        let placebo: &[u64] = if n % 2 == 0 { &[2] } else { &[] };
        let helper: &[u64] = if with { &[1] } else { &[] };
        let injected = [helper, placebo].concat();
        let withheld: Vec<u64> = [1, 2]
            .into_iter()
            .filter(|r| !injected.contains(r))
            .collect();
        model.learn(&step(&injected, &withheld, at_rate(n / 4, tenths)));
    }
    let verdict = model.verdict(1).unwrap();
    assert!(verdict.golden && verdict.low > 0.0, "{verdict:?}");
    let placebo = model.verdict(2).unwrap();
    assert!(!placebo.golden && placebo.effect.abs() < 0.1, "{placebo:?}");
}

#[test]
fn a_domain_where_all_goes_well_makes_no_rule_golden() {
    let mut model = model(1);
    for n in 0..500 {
        let given: &[u64] = if n % 2 == 0 { &[1] } else { &[] };
        let kept: &[u64] = if n % 2 == 0 { &[] } else { &[1] };
        model.learn(&step(given, kept, at_rate(n / 2, 8)));
    }
    let verdict = model.verdict(1).unwrap();
    assert!(!verdict.golden, "{verdict:?}");
    assert!((model.usual("rust").unwrap() - 0.8).abs() < 0.05);
}

#[test]
fn a_golden_rule_that_stops_helping_is_golden_no_more() {
    let mut model = model(1);
    let run = |model: &mut Model, tenths: u64, times: u64| {
        for n in 0..times {
            let given: &[u64] = if n % 2 == 0 { &[1] } else { &[] };
            let kept: &[u64] = if n % 2 == 0 { &[] } else { &[1] };
            let tenths = if n % 2 == 0 { tenths } else { 5 };
            model.learn(&step(given, kept, at_rate(n / 2, tenths)));
        }
    };
    run(&mut model, 9, 200);
    assert!(model.verdict(1).unwrap().golden);
    run(&mut model, 2, 400);
    assert!(!model.verdict(1).unwrap().golden);
}

#[test]
fn between_the_two_bars_a_rule_stays_what_it_was() {
    let belief = |sure: f64, golden| Belief {
        effect: 0.1,
        sd: 0.1 / sure,
        tally: block::Tally {
            injected: 100,
            withheld: 100,
            golden,
        },
    };
    // So many standard deviations above zero: 0.977, 0.89 and 0.79 sure.
    for (sure, of_others, of_golden) in [(2.0, true, true), (1.2, false, true), (0.8, false, false)]
    {
        assert_eq!(verdict::is_golden(belief(sure, false)), of_others, "{sure}");
        assert_eq!(verdict::is_golden(belief(sure, true)), of_golden, "{sure}");
    }
}

#[test]
fn what_was_known_of_a_rule_grows_old_by_outcomes_of_its_domain_alone() {
    let mut model = model(1);
    for n in 0..400 {
        let given: &[u64] = if n % 2 == 0 { &[1] } else { &[] };
        model.learn(&step(given, &[], at_rate(n / 2, 6)));
    }
    let sd = |model: &Model| model.belief(1).unwrap().sd;
    let known = sd(&model);
    for _ in 0..4_000 {
        let elsewhere = Step {
            domain: "git",
            ..step(&[], &[], 1.0)
        };
        model.learn(&elsewhere);
    }
    assert!((sd(&model) - known).abs() < 1e-12, "another domain's");
    for n in 0..4_000 {
        model.learn(&step(&[], &[], at_rate(n, 6)));
    }
    let old = sd(&model);
    assert!(old > 1.5 * known && old <= PRIOR_SD, "{known} {old}");
}

#[test]
fn an_opinion_moves_what_is_believed_far_less_than_an_outcome() {
    let moved = |tell: fn(&mut Model)| {
        let mut model = model(1);
        (0..50).for_each(|n| model.learn(&step(&[], &[1], at_rate(n, 6))));
        tell(&mut model);
        let belief = model.belief(1).unwrap();
        (belief.effect, belief.tally.injected)
    };
    let (by_outcome, seen) = moved(|m| m.learn(&step(&[1], &[], 1.0)));
    let (by_word, heard) = moved(|m| m.hear(1, true));
    assert!(
        by_word > 0.0 && by_word < by_outcome / 2.0,
        "{by_word} {by_outcome}"
    );
    assert_eq!((seen, heard), (1, 0));
}

#[test]
fn a_domain_with_very_many_rules_still_learns() {
    let mut model = model(300);
    for n in 0..400 {
        let given: &[u64] = if n % 2 == 0 { &[7] } else { &[] };
        let kept: &[u64] = if n % 2 == 0 { &[] } else { &[7] };
        let tenths = if n % 2 == 0 { 9 } else { 5 };
        model.learn(&step(given, kept, at_rate(n / 2, tenths)));
    }
    assert!(model.verdict(7).unwrap().golden);
    assert!(!model.verdict(8).unwrap().golden);
}

/// As many rules as are told apart exactly, and more than that.
const SIZES: [u64; 2] = [20, 300];

#[test]
fn a_golden_rule_that_nobody_was_given_for_long_is_golden_no_more_however_many_rules_there_are() {
    for size in SIZES {
        let mut model = model(size);
        for n in 0..2_000 {
            let given: &[u64] = if n % 2 == 0 { &[7] } else { &[] };
            let kept: &[u64] = if n % 2 == 0 { &[] } else { &[7] };
            let tenths = if n % 2 == 0 { 6 } else { 5 };
            model.learn(&step(given, kept, at_rate(n / 2, tenths)));
        }
        let before = model.belief(7).unwrap();
        assert!(before.tally.golden, "{size}: {before:?}");
        for n in 0..20_000 {
            model.learn(&step(&[], &[], at_rate(n, 5)));
        }
        let after = model.belief(7).unwrap();
        assert!(!after.tally.golden, "{size}: {after:?}");
        assert!(after.sd > before.sd && after.sd <= PRIOR_SD + 1e-9);
    }
}

#[test]
fn the_most_helpful_come_by_their_effect_and_the_oldest_first_of_equals_however_many_rules_there_are()
 {
    for size in SIZES {
        let mut model = model(size);
        for n in 0..60 {
            model.learn(&step(&[9], &[], 1.0));
            model.learn(&step(&[5], &[], f64::from(u8::from(n % 4 > 0))));
            model.learn(&step(&[2], &[], 0.0));
        }
        let best = model.most_helpful("rust", 5);
        assert_eq!(best, [9, 5, 1, 3, 4], "{size}");
        let all = model.most_helpful("rust", 1_000);
        assert_eq!((all.len() as u64, all.last()), (size, Some(&2)));
        assert!(model.most_helpful("git", 5).is_empty());
    }
}

#[test]
fn a_rule_of_another_domain_is_learned_of_where_it_is_used() {
    let mut model = model(0);
    model.add(1, "git", 0.0);
    for n in 0..200 {
        let given: &[u64] = if n % 2 == 0 { &[1] } else { &[] };
        let kept: &[u64] = if n % 2 == 0 { &[] } else { &[1] };
        let tenths = if n % 2 == 0 { 9 } else { 5 };
        model.learn(&step(given, kept, at_rate(n / 2, tenths)));
    }
    assert!(model.verdict(1).unwrap().golden);
}

#[test]
fn what_is_claimed_beforehand_weighs_little() {
    assert!((prior(1.0) - MOST_CLAIMED).abs() < 1e-12);
    assert!((prior(0.0) + MOST_CLAIMED).abs() < 1e-12);
    assert!(prior(f64::NAN).abs() < 1e-12);
}

#[test]
fn the_more_is_known_the_fewer_jobs_are_missing() {
    let belief = |sd| Belief {
        effect: 0.1,
        sd,
        tally: block::Tally::default(),
    };
    assert!(missing(belief(0.12)) > missing(belief(0.06)));
    let small = Belief {
        effect: 0.0,
        ..belief(0.12)
    };
    assert_eq!(missing(small), None);
}

#[test]
fn the_sum_and_the_draws_are_those_of_the_bell_curve() {
    assert!((normal::below(0.0) - 0.5).abs() < 1e-15);
    assert!((normal::below(1.959_963_984_540_054) - 0.975).abs() < 1e-12);
    let draws: Vec<f64> = (0..20_000).map(normal::draw).collect();
    let count = f64::from(20_000_u32);
    let mean = draws.iter().sum::<f64>() / count;
    let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / count;
    assert!(
        mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03,
        "{mean} {variance}"
    );
}

proptest! {
    /// Whatever happens, beliefs stay finite, no surer than they were by more than they learned,
    /// and the same for the same outcomes.
    #[test]
    fn any_outcomes_leave_sound_beliefs(
        steps in prop::collection::vec((prop::collection::vec(1_u64..6, 0..5), -2.0_f64..3.0, 0.0_f64..1.0), 0..200)
    ) {
        let run = || {
            let mut model = model(5);
            for (injected, success, weight) in &steps {
                let step = Step { domain: "rust", injected, withheld: &[], success: *success, weight: *weight };
                model.learn(&step);
            }
            model
        };
        let seen = run();
        for rule in 1..=5 {
            let belief = seen.belief(rule).unwrap();
            prop_assert!(belief.effect.is_finite());
            prop_assert!(belief.sd > 0.0 && belief.sd <= PRIOR_SD + 1e-9);
        }
        prop_assert_eq!(&seen, &run());
    }
}
