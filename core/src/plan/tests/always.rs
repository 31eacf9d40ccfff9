//! What is true of every plan, whatever is seen.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    super::{Action, Call, Plan, Reason, Save},
    any::a_case,
    case::{Case, GRACE},
};
use crate::{
    outcome::Outcome,
    seat::{Register, Sighting},
};

fn saves(plan: &Plan) -> impl Iterator<Item = &Save> {
    plan.actions.iter().filter_map(|a| match a {
        Action::Save(save) => Some(&**save),
        _ => None,
    })
}

fn place_of(plan: &Plan, wanted: fn(&Action) -> bool) -> Option<usize> {
    plan.actions.iter().position(wanted)
}

/// The save that ends the attempt under way, if there is one.
fn end_of<'a>(case: &Case, plan: &'a Plan) -> Option<&'a Save> {
    let under_way = case.status().intent.is_some();
    saves(plan).find(|s| under_way && s.status.intent.is_none())
}

fn launches(plan: &Plan) -> bool {
    place_of(plan, |a| matches!(a, Action::Launch(_))).is_some()
}

fn sees(case: &Case, what: fn(&Sighting) -> bool) -> bool {
    case.seen.sightings.iter().any(what)
}

/// Whether even a runner that was cut off has stopped by itself.
fn lease_is_over(case: &Case) -> bool {
    let Some(lease) = case.limits.lease else {
        return false;
    };
    let last = case.seen.heartbeat.as_ref().map(|h| h.at);
    let since = case.status().intent.and_then(|i| i.vanished_at);
    since.is_some_and(|since| {
        let quiet = last.map_or(since + lease, |at| (at + lease).max(since));
        case.now >= quiet + Duration::from_secs(GRACE)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_situation_always_gets_the_same_plan(case in a_case()) {
        prop_assert_eq!(case.plan(), case.plan());
    }

    #[test]
    fn a_seat_is_launched_again_only_when_it_is_open_and_empty(case in a_case()) {
        let plan = case.plan();
        if case.status().intent.is_some() && launches(&plan) {
            prop_assert_eq!(&case.seen.register, &Register::Open);
            prop_assert_eq!((case.seen.remains, case.seen.sightings.len()), (0, 0));
            prop_assert!(case.status().stop.is_none());
        }
    }

    #[test]
    fn nothing_is_launched_before_its_intent_and_its_slots_are_saved(case in a_case()) {
        let plan = case.plan();
        if case.status().intent.is_none() && launches(&plan) {
            let first = saves(&plan).next().unwrap();
            let saved_first = matches!(plan.actions[0], Action::Save(_));
            prop_assert!(saved_first);
            prop_assert_eq!(first.status.attempt, case.status().attempt + 1);
            prop_assert!(first.status.intent.is_some());
            prop_assert!(first.holds.as_ref().is_some_and(|h| h.len() == 1));
        }
    }

    #[test]
    fn an_attempt_never_ends_while_anything_of_it_may_run(case in a_case()) {
        let plan = case.plan();
        if end_of(&case, &plan).is_some() {
            let alive = sees(&case, |s| matches!(s, Sighting::Alive { .. }));
            let hidden = sees(&case, |s| matches!(s, Sighting::Unknown { .. }));
            prop_assert!(!alive);
            prop_assert!(!hidden || lease_is_over(&case));
            prop_assert!(case.seen.register != Register::Open || case.seen.report.is_some());
        }
    }

    #[test]
    fn an_attempt_never_ends_while_a_report_may_still_come_first(case in a_case()) {
        let plan = case.plan();
        let claimed = matches!(case.seen.register, Register::Claimed(_));
        if end_of(&case, &plan).is_some() && claimed {
            prop_assert!(case.seen.stopped || case.seen.report.is_some());
        }
    }

    #[test]
    fn an_attempt_never_ends_before_its_remains_are_reaped(case in a_case()) {
        let plan = case.plan();
        let reaped = case.seen.answers.iter().any(|a| a.call == Call::Reap && a.answer.is_ok());
        if end_of(&case, &plan).is_some() && case.seen.remains > 0 && !reaped {
            let reap = place_of(&plan, |a| matches!(a, Action::Reap));
            let save = place_of(&plan, |a| matches!(a, Action::Save(_)));
            prop_assert!(reap.is_some_and(|reap| Some(reap) < save));
        }
    }

    #[test]
    fn the_end_of_an_attempt_is_told_to_memory_or_kept_to_be_told(case in a_case()) {
        let plan = case.plan();
        if let Some(save) = end_of(&case, &plan) {
            let record = place_of(&plan, |a| matches!(a, Action::Record(_))).is_some();
            let kept = case.seen.answers.iter().rev().find(|a| a.call == Call::Record);
            let kept = kept.is_some_and(|a| a.answer.is_ok());
            prop_assert!(record || kept || save.status.unrecorded.is_some());
        }
    }

    #[test]
    fn the_end_of_an_attempt_gives_back_all_it_held(case in a_case()) {
        let plan = case.plan();
        let over = saves(&plan).filter(|s| {
            s.status.intent.is_none() && (case.status().intent.is_some() || s.status.outcome != case.status().outcome)
        });
        for save in over {
            prop_assert_eq!(save.holds.as_deref(), Some([].as_slice()));
        }
    }

    #[test]
    fn nothing_starts_while_memory_lacks_the_last_attempt(case in a_case()) {
        if case.status().unrecorded.is_some() {
            let plan = case.plan();
            prop_assert!(!launches(&plan));
            prop_assert!(saves(&plan).all(|s| s.status.attempt == case.status().attempt));
        }
    }

    #[test]
    fn what_is_over_stays_as_it_ended(case in a_case()) {
        if let Some(outcome) = case.status().outcome {
            let plan = case.plan();
            prop_assert!(!launches(&plan));
            prop_assert!(saves(&plan).all(|s| s.status.outcome == Some(outcome)));
        }
    }

    #[test]
    fn nobody_is_stopped_before_that_is_saved(case in a_case()) {
        let plan = case.plan();
        let all = place_of(&plan, |a| matches!(a, Action::Stop { keep: None })).is_some();
        if all {
            prop_assert!(case.status().stop.is_some() || case.seen.report.is_some());
        }
    }

    #[test]
    fn every_failed_outcome_names_its_class(case in a_case()) {
        let plan = case.plan();
        for save in saves(&plan).filter(|_| case.status().outcome.is_none()) {
            let failed = save.status.outcome == Some(Outcome::Failed);
            prop_assert!(!failed || save.status.failure.is_some());
        }
    }

    #[test]
    fn nothing_sleeps_for_ever_and_nothing_spins(case in a_case()) {
        let plan = case.plan();
        let rests = matches!(plan.reason, Reason::Suspended | Reason::Paused | Reason::Finished);
        if !plan.again && !rests {
            let spins = plan.actions.is_empty() && plan.wake <= Some(case.now);
            prop_assert!(plan.wake.is_some() && !spins, "{:?}", plan);
        }
        prop_assert!(plan.wake.is_none_or(|at| at >= case.now));
    }
}
