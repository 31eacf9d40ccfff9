//! A runner has the seat.

use super::{
    super::{Action, Call, Reason},
    case::{Case, DEADLINE, GRACE, ME, STRANGER, claimed, launched, second, unknown, usd},
    read::{does, saved},
};
use crate::{
    outcome::FailureClass,
    status::{StopReason, condition},
};

const LEASE: u64 = 600;

fn lost(case: &Case) -> bool {
    let stop = case.status().stop;
    stop.is_some_and(|s| s.reason == StopReason::Lost)
}

#[test]
fn a_claim_is_written_down_once() {
    let first = launched().later(1).alive(ME).with_claim_of(ME);
    let status = saved(&first.plan());
    assert_eq!(status.intent.unwrap().claim.unwrap().instance, ME);
    assert_eq!(status.queued_reason, None);
    assert_eq!(first.done().does(), "");
}

#[test]
fn what_else_is_the_case_when_a_claim_is_first_seen_is_not_slept_over() {
    let first = launched()
        .later(1)
        .alive(ME)
        .with_claim_of(ME)
        .with_cancel();
    assert!(first.plan().again);
    assert!(first.done().done().status().stop.is_some());
}

#[test]
fn a_claimed_seat_is_never_launched_again() {
    for case in [claimed(), claimed().unseen(), claimed().silent()] {
        assert!(!case.later(5).does().contains("launch"));
    }
}

#[test]
fn a_runner_at_work_is_left_alone_until_the_deadline() {
    let plan = claimed().later(5).plan();
    assert_eq!(plan.reason, Reason::Working);
    assert_eq!(
        (does(&plan).as_str(), plan.wake),
        ("", Some(second(DEADLINE)))
    );
}

#[test]
fn a_deadline_that_the_default_would_now_make_shorter_is_not_waited_for_in_a_busy_loop() {
    let mut case = claimed().later(100);
    case.limits.deadline = std::time::Duration::from_secs(50);
    assert_eq!(case.plan().wake, Some(second(DEADLINE)));
}

#[test]
fn another_instance_in_the_seat_is_stopped_and_the_claimant_stays() {
    let plan = claimed().alive(STRANGER).plan();
    let keep = Some(ME.to_owned());
    assert_eq!(plan.actions, vec![Action::Stop { keep }]);
}

#[test]
fn the_exit_of_another_instance_is_ignored() {
    let plan = claimed().exited(STRANGER, 75).plan();
    assert_eq!(plan.reason, Reason::Working);
    assert_eq!(does(&plan), "");
}

#[test]
fn a_claimant_that_cannot_be_told_from_a_stranger_that_will_not_stop_is_still_watched() {
    let case = claimed().alive(STRANGER).exited(ME, 1);
    assert!(lost(&case.answered(Call::Stop, unknown()).done()));
}

#[test]
fn a_runner_that_exits_without_a_report_failed_with_its_place() {
    let case = claimed().exited(ME, 137).done();
    let stop = case.status().stop.unwrap();
    assert_eq!(stop.reason, StopReason::Lost);
    let failure = stop.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert!(failure.message.contains("137"), "{}", failure.message);
    assert_eq!(case.does(), "reap record save");
}

#[test]
fn a_claimant_that_shows_nothing_is_waited_for_and_then_lost() {
    let gone = claimed().later(10).unseen();
    assert_eq!(gone.does(), "save");
    let gone = gone.done();
    let plan = gone.plan();
    assert_eq!(plan.reason, Reason::Vanished);
    assert_eq!(
        plan.wake,
        Some(gone.now + std::time::Duration::from_secs(GRACE))
    );
    let late = gone.later(GRACE).done();
    assert!(lost(&late));
    let plan = late.plan();
    assert_eq!(does(&plan), "record save");
    let failure = saved(&plan).failure.unwrap();
    assert_eq!(failure.class, FailureClass::Infrastructure);
}

#[test]
fn a_claimant_that_shows_again_was_not_lost() {
    let back = claimed().later(10).unseen().done().later(5).alive(ME);
    assert_eq!(back.does(), "save");
    assert_eq!(back.done().status().intent.unwrap().vanished_at, None);
}

#[test]
fn what_a_lost_claimant_left_is_reaped_before_the_attempt_is_over() {
    let late = claimed().later(10).unseen().with_remains(3);
    let late = late.done().later(GRACE).done();
    assert_eq!(late.does(), "reap record save");
}

#[test]
fn a_silent_place_is_never_taken_for_a_dead_runner() {
    let silent = claimed().later(10).silent();
    let plan = silent.clone().later(DEADLINE - 60).plan();
    assert!(matches!(plan.reason, Reason::Unknown { .. }));
    assert_eq!(does(&plan), "");
    let stopping = silent.with_cancel().done();
    let plan = stopping.later(86_400).plan();
    assert!(matches!(plan.reason, Reason::Unknown { .. }));
}

#[test]
fn a_runner_that_was_cut_off_is_lost_after_its_lease_and_grace() {
    let cut = claimed().with_lease(LEASE).with_heartbeat("0.00");
    let cut = cut.later(10).silent().done();
    let early = cut.clone().later(LEASE + GRACE - 11);
    assert_eq!(early.plan().reason, Reason::Vanished);
    let late = cut.later(LEASE + GRACE - 10).done();
    assert!(lost(&late));
    assert_eq!(
        late.does(),
        "record save",
        "its lease is over: so is its work"
    );
}

#[test]
fn a_heartbeat_renews_the_lease_of_a_runner_that_is_not_to_be_seen() {
    let cut = claimed().with_lease(LEASE).later(10).silent().done();
    let beaten = cut.later(LEASE).with_heartbeat("0.00").later(LEASE);
    assert_eq!(beaten.plan().reason, Reason::Vanished);
}

#[test]
fn a_cancelled_runner_that_was_cut_off_is_over_after_its_lease_and_grace() {
    let cut = claimed().with_lease(LEASE).with_heartbeat("0.00");
    let cut = cut.silent().with_cancel().done().done();
    assert_eq!(cut.clone().later(LEASE).does(), "");
    assert_eq!(cut.later(LEASE + GRACE).does(), "record save");
}

#[test]
fn usage_and_agents_of_a_heartbeat_stand_in_the_status() {
    let case = claimed().later(10).with_heartbeat("0.10");
    assert_eq!(saved(&case.plan()).usage, Some(usd("0.10")));
    assert_eq!(case.done().does(), "", "the same heartbeat is saved once");
}

#[test]
fn a_runner_at_work_reads_as_running() {
    let status = claimed().status();
    let seen = status.condition(condition::SUCCEEDED).unwrap();
    assert_eq!(
        (seen.status.as_str(), seen.reason.as_str()),
        ("Unknown", "Running")
    );
}
