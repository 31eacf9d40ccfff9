//! Launched, and nobody has the seat yet.

use super::{
    super::{Call, Reason},
    case::{CLAIM_WITHIN, Case, GRACE, ME, STRANGER, launched, queued, second, unknown},
    read::{brief, does, saved},
};
use crate::{
    outcome::{FailureClass, Outcome},
    port::PortError,
    status::{Capacity, Launch, StopReason},
};

#[test]
fn a_launch_of_which_nothing_is_seen_is_repeated_as_it_was() {
    let first = brief(&queued().plan());
    let plan = launched().later(5).plan();
    assert_eq!(does(&plan), "launch");
    assert_eq!(brief(&plan), first);
}

#[test]
fn a_launch_without_an_answer_is_asked_again_later_and_costs_nothing() {
    let plan = launched().answered(Call::Launch, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(plan.wake.unwrap() > second(0));
    let status = launched().status();
    assert_eq!((status.attempt, status.failures), (1, 0));
}

#[test]
fn a_launch_without_an_answer_that_began_after_all_is_adopted() {
    let plan = launched().later(5).alive(ME).plan();
    assert_eq!(plan.reason, Reason::WaitingForClaim);
    assert_eq!(does(&plan), "");
}

#[test]
fn an_instance_that_is_alive_is_given_its_time_to_claim() {
    let case = launched().later(CLAIM_WITHIN - 1).alive(ME);
    assert_eq!(case.plan().wake, Some(second(CLAIM_WITHIN)));
}

#[test]
fn a_seat_of_which_something_remains_is_not_launched_again() {
    let plan = launched().later(5).with_remains(2).plan();
    assert_eq!(does(&plan), "");
    assert_eq!(plan.reason, Reason::WaitingForClaim);
}

#[test]
fn a_place_that_cannot_be_asked_is_not_launched_in_again() {
    let plan = launched().later(5).silent().plan();
    assert_eq!(does(&plan), "");
    assert!(matches!(plan.reason, Reason::Unknown { .. }));
}

#[test]
fn a_refused_launch_closes_its_seat_and_costs_an_attempt() {
    let refused = PortError::refused(FailureClass::Infrastructure, "no space");
    let decided = launched().answered(Call::Launch, Err(refused));
    assert_eq!(decided.does(), "save");
    let stopping = decided.done();
    assert_eq!(stopping.status().stop.unwrap().reason, StopReason::Refused);
    assert_eq!(stopping.does(), "close");
    let plan = stopping.with_closed_seat().plan();
    assert_eq!(does(&plan), "record save");
    let status = saved(&plan);
    assert_eq!((status.failures, status.intent), (1, None));
    assert_eq!(status.failure.unwrap().message, "no space");
    assert_eq!(status.retry_at, Some(second(5)));
}

#[test]
fn a_launch_that_is_refused_for_what_was_asked_is_not_repeated() {
    let refused = PortError::refused(FailureClass::InvalidSpec, "no such image");
    let case = launched().answered(Call::Launch, Err(refused)).done();
    let status = saved(&case.with_closed_seat().plan());
    assert_eq!(status.outcome, Some(Outcome::Failed));
    assert_eq!(status.failure.unwrap().class, FailureClass::InvalidSpec);
}

#[test]
fn a_seat_that_nobody_claims_in_time_is_closed_before_it_is_given_up() {
    let late = launched().later(CLAIM_WITHIN).alive(ME);
    assert_eq!(late.does(), "save");
    let late = late.done();
    assert_eq!(late.does(), "close");
    let closed = late.with_closed_seat();
    assert_eq!(closed.does(), "stop");
    let plan = closed.exited(ME, 75).plan();
    assert_eq!(does(&plan), "reap record save");
    assert_eq!(
        saved(&plan).failure.unwrap().class,
        FailureClass::Infrastructure
    );
}

#[test]
fn a_close_that_lost_to_a_late_claim_stops_the_claimant() {
    let late = launched().later(CLAIM_WITHIN).alive(ME).done();
    let mut lost = late.answered(Call::Close, Ok(())).with_claim_of(ME);
    lost.seen.stopped = true;
    assert_eq!(lost.does(), "stop");
    let plan = lost.exited(ME, 1).plan();
    assert_eq!(does(&plan), "reap record save");
}

#[test]
fn a_close_without_an_answer_ends_nothing() {
    let late = launched().later(CLAIM_WITHIN).done();
    let plan = late.answered(Call::Close, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(plan.wake.is_some());
}

#[test]
fn a_runner_that_ends_before_it_claims_is_given_up_at_once() {
    let plan = launched().later(2).exited(ME, 1).plan();
    let stop = saved(&plan).stop.unwrap();
    assert_eq!(stop.reason, StopReason::Lost);
    assert!(stop.failure.unwrap().message.contains("exit code 1"));
}

#[test]
fn the_exit_of_one_instance_says_nothing_while_another_may_still_claim() {
    let two = launched().later(2).exited(STRANGER, 75).alive(ME);
    assert_eq!(two.plan().reason, Reason::WaitingForClaim);
    let mut hidden = launched().later(2).silent();
    hidden = hidden.exited(STRANGER, 75);
    assert_eq!(hidden.does(), "");
}

#[test]
fn a_seat_that_was_closed_is_never_launched_again() {
    let closed = launched().later(2).with_closed_seat();
    let closed = closed.done();
    assert_eq!(closed.does(), "record save");
    assert_eq!(closed.later(GRACE).status().attempt, 1);
}

/// A launch whose capacities are these.
fn launched_on(capacities: &[&str]) -> Case {
    let mut case = launched();
    let named = |name: &&str| Capacity {
        name: (*name).to_owned(),
        ..Capacity::default()
    };
    let launch = Launch {
        capacities: capacities.iter().map(named).collect(),
        ..Launch::default()
    };
    if let Some(intent) = case.job.status.as_mut().and_then(|s| s.intent.as_mut()) {
        intent.launch = Some(launch);
    }
    case
}

fn no_room() -> Result<(), PortError> {
    Err(PortError::NoRoom("there is no Spot now".to_owned()))
}

#[test]
fn without_room_the_next_choice_is_written_down_before_it_is_tried() {
    let case = launched_on(&["SPOT", "DEMAND"]).answered(Call::Launch, no_room());
    let plan = case.plan();
    assert_eq!(does(&plan), "save");
    assert!(plan.again);
    let status = saved(&plan);
    let intent = status.intent.unwrap();
    assert_eq!((intent.choice, intent.not_before), (1, None));
    assert_eq!(
        status.queued_reason.as_deref(),
        Some("there is no Spot now")
    );
    assert_eq!((status.attempt, status.failures), (1, 0));
    assert_eq!(case.done().does(), "launch");
}

#[test]
fn the_last_choice_is_tried_again_after_a_pause_with_a_number_of_its_own() {
    let case = launched_on(&["DEMAND"])
        .answered(Call::Launch, no_room())
        .done();
    let intent = case.status().intent.unwrap();
    assert_eq!((intent.choice, intent.not_before), (1, Some(second(5))));
    let waits = case.plan();
    assert_eq!(does(&waits), "");
    assert_eq!(waits.wake, Some(second(5)));
    assert!(matches!(waits.reason, Reason::Preparing { .. }));
    let again = case.later(5).answered(Call::Launch, no_room());
    let intent = saved(&again.plan()).intent.unwrap();
    assert_eq!((intent.choice, intent.not_before), (2, Some(second(15))));
}

#[test]
fn room_is_not_waited_for_for_ever() {
    let case = launched_on(&["DEMAND"])
        .later(600)
        .answered(Call::Launch, no_room());
    let stop = saved(&case.plan()).stop.unwrap();
    assert_eq!(stop.reason, StopReason::Refused);
    let failure = stop.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert!(
        failure.message.contains("no Spot now"),
        "{}",
        failure.message
    );
}

#[test]
fn time_without_room_does_not_count_against_the_claim() {
    let case = launched_on(&["DEMAND"])
        .later(50)
        .answered(Call::Launch, no_room())
        .done();
    assert_eq!(case.later(CLAIM_WITHIN - 1).does(), "launch");
}
