//! The decision, in a few worlds that are told step by step and in many that nobody chose.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

mod world;

use std::time::Duration;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{Candidate, Decision, NOBODY, Record, Terms};
use world::{Step, World, rough_step, round, step, with_an_empty_lease};

const SECOND: Duration = Duration::from_secs(1);

/// Rates of which none is one and a half times another: as far apart as the promise allows.
fn clocks() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((820..=1200_u64, 0..1_000_000_u64), 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_do_two_lead_whatever_is_late_lost_or_done_unheard(
        clocks in clocks(),
        empty in any::<bool>(),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let held = played((&clocks, empty), &steps).map(|_| ());
        prop_assert!(held.is_ok(), "{held:?}");
    }

    #[test]
    fn never_do_two_lead_though_the_lease_is_removed_and_candidates_begin_at_any_time(
        clocks in clocks(),
        empty in any::<bool>(),
        steps in prop::collection::vec(rough_step(), 1..250),
    ) {
        let held = played((&clocks, empty), &steps).map(|_| ());
        prop_assert!(held.is_ok(), "{held:?}");
    }
}

/// What became of a world of these clocks, in which at first there was an empty Lease or none.
fn played((clocks, empty): (&[(u64, u64)], bool), steps: &[Step]) -> Result<World, String> {
    let mut world = if empty {
        with_an_empty_lease(clocks)
    } else {
        World::new(clocks)
    };
    for step in steps {
        world.step(step);
        world.check()?;
    }
    Ok(world)
}

/// A hundred worlds of such steps: in how many somebody led, in how many terms at the most, and in how many another led after
/// the Lease had been removed.
fn seen_leading(steps: impl Strategy<Value = Step>) -> [usize; 3] {
    let mut runner = TestRunner::deterministic();
    let worlds = (clocks(), prop::collection::vec(steps, 250));
    let [mut led, mut most, mut since] = [0; 3];
    for _ in 0..100 {
        let (clocks, steps) = worlds.new_tree(&mut runner).unwrap().current();
        let world = played((&clocks, true), &steps).unwrap();
        led += usize::from(!world.led.is_empty());
        most = most.max(world.led.len());
        since += usize::from(world.since > 0);
    }
    [led, most, since]
}

#[test]
fn in_these_worlds_leaders_do_follow_each_other() {
    let [led, most, _] = seen_leading(step());
    assert!(led > 80 && most > 3, "led in {led}, {most} times at most");
    let [led, most, since] = seen_leading(rough_step());
    assert!(
        led > 80 && most > 3 && since > 60,
        "led in {led}, {most} times at most, {since} after a removal"
    );
}

#[test]
fn the_first_leads_and_the_second_takes_over_after_the_lease_and_not_before() {
    let mut world = with_an_empty_lease(&[(1000, 5_000_000), (1000, 0)]);
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
    for _ in 0..14 {
        round(&mut world, 1);
        assert_ne!(world.leaders(), [(1, 2)]);
        world.step(&Step::Pass(1000));
    }
    world.step(&Step::Pass(1000));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 2)]);
}

#[test]
fn a_leader_that_cannot_renew_is_none_before_its_lease_is_over() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Pass(9999));
    assert_eq!(world.leaders(), [(0, 1)]);
    world.step(&Step::Pass(1));
    assert_eq!(world.leaders(), []);
    // It is named there still; but others may have acted meanwhile, so it is another term.
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 2)]);
}

#[test]
fn what_was_given_back_is_taken_at_once() {
    let mut world = with_an_empty_lease(&[(1000, 0), (1000, 0)]);
    round(&mut world, 0);
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(0, 1)]);
    for step in [Step::Release(0), Step::Arrive(0), Step::Answer(0)] {
        world.step(&step);
    }
    assert_eq!(world.leaders(), []);
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 2)]);
}

#[test]
fn with_clocks_further_apart_than_lease_to_renew_two_do_lead() {
    // The bound of the promise is where it is said to be: this world can find two leaders.
    let mut world = with_an_empty_lease(&[(600, 0), (1000, 0)]);
    round(&mut world, 0);
    round(&mut world, 1);
    world.step(&Step::Pass(15_500));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(0, 1), (1, 2)]);
}

#[test]
fn an_empty_lease_is_taken_at_once_and_one_that_is_missing_is_made_and_waited_for() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
    let mut world = World::new(&[(1000, 0)]);
    for _ in 0..15 {
        round(&mut world, 0);
        assert_eq!(world.leaders(), []);
        assert_eq!(world.stands.holder.as_deref(), Some(NOBODY));
        world.step(&Step::Pass(1000));
    }
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
}

#[test]
fn who_begins_when_a_lease_is_removed_waits_for_the_leader_it_never_saw() {
    let mut world = with_an_empty_lease(&[(1000, 0), (1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Remove);
    for _ in 0..10 {
        assert_eq!(world.leaders(), [(0, 1)]);
        round(&mut world, 1);
        world.step(&Step::Pass(1000));
    }
    assert_eq!(world.leaders(), []);
    world.step(&Step::Pass(5000));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 1)]);
}

#[test]
fn a_leader_whose_lease_is_removed_goes_on_when_it_has_made_and_renewed_another() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Pass(2000));
    world.step(&Step::Remove);
    // Making it gives no time.
    round(&mut world, 0);
    world.step(&Step::Pass(7999));
    assert_eq!(world.leaders(), [(0, 1)]);
    round(&mut world, 0);
    world.step(&Step::Pass(9000));
    assert_eq!(world.leaders(), [(0, 1)]);
}

#[test]
fn who_sees_a_lease_removed_waits_as_long_as_its_holder_said_and_goes_on_counting() {
    let mut candidate = Candidate::new("b".to_owned(), Terms::default());
    let held = Record {
        holder: Some("a".to_owned()),
        lease: SECOND * 60,
        term: 7,
        version: Some("9".to_owned()),
    };
    candidate.saw(held, SECOND);
    candidate.saw(Record::default(), SECOND * 5);
    assert_eq!(candidate.decide(SECOND * 5), Some(Decision::Make));
    let made = candidate.written(Decision::Make).unwrap();
    assert_eq!(
        (made.holder.as_deref(), made.lease, made.version.as_deref()),
        (Some(NOBODY), SECOND * 60, None)
    );
    // Another was quicker, and knew of no term.
    let quicker = Record {
        term: 0,
        version: Some("20".to_owned()),
        ..made
    };
    candidate.saw(quicker, SECOND * 6);
    assert_eq!(
        candidate.decide(SECOND * 65),
        Some(Decision::Wait(SECOND * 66))
    );
    assert_eq!(candidate.decide(SECOND * 66), Some(Decision::Take(8)));
}

#[test]
fn who_sees_another_named_leads_no_more() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    let usurped = Record {
        holder: Some("somebody".to_owned()),
        version: Some("77".to_owned()),
        ..world.stands.clone()
    };
    world.stands = usurped;
    world.step(&Step::Ask(0));
    world.step(&Step::Hear(0));
    assert_eq!(world.leaders(), []);
}

#[test]
fn times_that_leave_no_room_for_clocks_that_differ_are_refused() {
    let terms = |lease, renew, retry| Terms::new(SECOND * lease, SECOND * renew, SECOND * retry);
    assert_eq!(terms(15, 10, 2), Ok(Terms::default()));
    for (lease, renew, retry) in [(15, 11, 2), (15, 10, 5), (15, 10, 0), (3, 3, 1)] {
        assert!(
            terms(lease, renew, retry).is_err(),
            "{lease} {renew} {retry}"
        );
    }
    let fraction = Terms::new(SECOND * 3 / 2, SECOND / 2, SECOND / 10);
    assert!(fraction.unwrap_err().to_string().contains("whole seconds"));
}
