//! An attempt is to end before it reports: cancelled, too late, too dear, suspended.

use super::{
    super::{Call, Reason},
    case::{
        Case, DEADLINE, GRACE, ME, STRANGER, claimed, failed, failure, launched, reported, second,
        unknown, usd,
    },
    read::{brief, does, held, reason_of, saved, told},
};
use crate::{
    outcome::{FailureClass, Outcome},
    status::StopReason,
};

fn stop_of(case: &Case) -> Option<StopReason> {
    case.status().stop.map(|s| s.reason)
}

fn cancelled_at_work() -> Case {
    claimed().later(10).with_cancel().done()
}

#[test]
fn a_launched_seat_that_nobody_has_is_closed_before_it_is_cancelled() {
    let case = launched().later(1).with_cancel();
    assert_eq!(case.does(), "save");
    let case = case.done();
    assert_eq!(case.does(), "close");
    let plan = case.with_closed_seat().plan();
    assert_eq!(does(&plan), "record save");
    assert_eq!(saved(&plan).outcome, Some(Outcome::Cancelled));
}

#[test]
fn the_decision_to_stop_is_saved_before_anything_is_stopped() {
    let case = claimed().later(10).with_cancel();
    assert_eq!(case.does(), "save");
    let case = case.done();
    assert_eq!(stop_of(&case), Some(StopReason::Cancel));
    let mut not_shut = case.clone();
    not_shut.seen.stopped = false;
    assert_eq!(not_shut.does(), "close");
    let plan = case.plan();
    assert_eq!(
        (does(&plan).as_str(), plan.reason),
        ("stop", Reason::Stopping)
    );
}

#[test]
fn a_cancelled_runner_that_is_gone_ends_the_job() {
    let plan = cancelled_at_work().exited(ME, 143).with_remains(1).plan();
    assert_eq!(does(&plan), "reap record save");
    let status = saved(&plan);
    assert_eq!(
        (status.outcome, status.failure),
        (Some(Outcome::Cancelled), None)
    );
    assert_eq!(held(&plan), Some(Vec::new()));
}

#[test]
fn a_cancelled_runner_that_is_not_to_be_seen_is_not_taken_for_gone() {
    let hidden = cancelled_at_work().unseen();
    assert_eq!(hidden.does(), "save", "since when is written down");
    let hidden = hidden.done();
    assert_eq!(hidden.plan().reason, Reason::Vanished);
    assert_eq!(hidden.later(GRACE).does(), "record save");
}

#[test]
fn what_was_reaped_a_moment_ago_is_not_waited_for() {
    let reaped = cancelled_at_work().unseen();
    let reaped = reaped.answered(Call::Reap, Ok(()));
    assert_eq!(reaped.does(), "record save");
}

#[test]
fn a_runner_that_will_not_stop_keeps_its_job_open() {
    let plan = cancelled_at_work().answered(Call::Stop, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(plan.wake.is_some());
    assert_eq!(cancelled_at_work().later(86_400).does(), "stop");
}

#[test]
fn instances_that_are_seen_are_stopped_though_others_may_be_hidden() {
    let case = cancelled_at_work().silent().alive(STRANGER);
    assert_eq!(case.does(), "stop");
}

#[test]
fn a_finished_job_cannot_be_cancelled() {
    let done = reported(Outcome::Succeeded, None).done().unseen();
    let plan = done.with_cancel().plan();
    assert_eq!((does(&plan).as_str(), plan.reason), ("", Reason::Finished));
}

#[test]
fn a_report_that_stands_before_the_stop_wins() {
    let case = reported(Outcome::Succeeded, None).later(1).with_cancel();
    assert_eq!(saved(&case.plan()).outcome, Some(Outcome::Succeeded));
}

#[test]
fn a_report_that_stands_in_the_seat_before_the_stop_wins_whatever_the_clocks_say() {
    let mut case = cancelled_at_work().with_report(Outcome::Succeeded, None);
    case.seen.stopped = false;
    case.seen.report.as_mut().unwrap().finished_at = second(5000);
    let status = saved(&case.exited(ME, 0).plan());
    assert_eq!(status.outcome, Some(Outcome::Succeeded));
    assert!(status.result.is_some());
}

#[test]
fn a_stop_that_stands_before_the_report_wins_and_the_report_tells_only_the_cost() {
    let mut late = cancelled_at_work()
        .later(3)
        .with_report(Outcome::Succeeded, None);
    late.seen.report.as_mut().unwrap().finished_at = second(1);
    assert_eq!(late.does(), "stop");
    let plan = late.exited(ME, 0).plan();
    let status = saved(&plan);
    assert_eq!(status.outcome, Some(Outcome::Cancelled));
    assert_eq!(status.result, None);
    assert_eq!(status.usage, Some(usd("0.50")));
    assert_eq!(told(&plan).outcome, Outcome::Cancelled);
}

#[test]
fn an_attempt_that_is_at_work_at_the_deadline_is_stopped_and_timed_out() {
    let late = claimed().later(DEADLINE).done();
    assert_eq!(stop_of(&late), Some(StopReason::Deadline));
    let status = saved(&late.exited(ME, 143).plan());
    assert_eq!(status.outcome, Some(Outcome::TimedOut));
    assert_eq!(status.failure.unwrap().class, FailureClass::Deadline);
}

#[test]
fn a_longer_deadline_is_obeyed_while_the_job_runs() {
    let mut case = claimed();
    case.job.spec.deadline = Some("2h".parse().unwrap());
    let plan = case.later(DEADLINE).plan();
    assert_eq!(
        (plan.reason, plan.wake),
        (Reason::Working, Some(second(7200)))
    );
}

#[test]
fn a_heartbeat_that_crosses_the_budget_stops_the_attempt() {
    let spent = claimed().with_budget("1.00").with_heartbeat("1.00").done();
    assert_eq!(stop_of(&spent), Some(StopReason::Budget));
    let plan = spent.exited(ME, 143).plan();
    let status = saved(&plan);
    assert_eq!(status.outcome, Some(Outcome::Failed));
    assert_eq!(status.failure.unwrap().class, FailureClass::BudgetExceeded);
    assert_eq!(told(&plan).usage, usd("1.00"), "memory learns the cost too");
}

#[test]
fn a_budget_stop_keeps_its_reason_when_the_report_counts_less() {
    let spent = claimed().with_budget("1.00").with_heartbeat("1.00").done();
    let spent = spent.later(1).with_report(Outcome::Succeeded, None);
    let status = saved(&spent.exited(ME, 0).plan());
    assert_eq!(status.failure.unwrap().class, FailureClass::BudgetExceeded);
}

#[test]
fn what_earlier_attempts_spent_counts_against_a_heartbeat() {
    let second = failed(failure(FailureClass::Infrastructure)).with_budget("1.00");
    let mut second = second.later(10).done().with_claim_of(ME).alive(ME);
    second.seen.report = None;
    let second = second.done().with_heartbeat("0.50");
    assert_eq!(stop_of(&second.done()), Some(StopReason::Budget));
}

#[test]
fn a_suspended_runner_is_stopped_without_an_outcome() {
    let held_back = claimed().later(10).with_suspend(true).done();
    assert_eq!(stop_of(&held_back), Some(StopReason::Suspend));
    assert_eq!(held_back.does(), "stop");
    let plan = held_back.exited(ME, 143).plan();
    let status = saved(&plan);
    assert_eq!((status.outcome, status.failures), (None, 0));
    assert_eq!((status.stop.is_none(), status.started_at), (true, None));
    assert_eq!(reason_of(&status), "Suspended");
    assert_eq!(held(&plan), Some(Vec::new()));
}

#[test]
fn a_resumed_job_starts_the_next_attempt_with_all_its_time() {
    let held_back = claimed().later(10).with_suspend(true).done();
    let held_back = held_back.exited(ME, 143).done().unseen();
    assert_eq!(held_back.does(), "");
    let plan = held_back.later(86_400).with_suspend(false).plan();
    assert_eq!(brief(&plan).seat.attempt, 2);
    assert_eq!(brief(&plan).deadline_at, second(11 + 86_400 + DEADLINE));
}

#[test]
fn a_job_that_is_cancelled_while_it_is_being_suspended_ends_cancelled() {
    let case = claimed().later(10).with_suspend(true).done().with_cancel();
    let case = case.exited(ME, 143).done().unseen();
    assert_eq!(saved(&case.plan()).outcome, Some(Outcome::Cancelled));
}

#[test]
fn a_job_that_is_cancelled_while_a_lost_attempt_ends_is_not_tried_again() {
    let lost = claimed().exited(ME, 1).done().with_cancel().done().unseen();
    assert_eq!(saved(&lost.plan()).outcome, Some(Outcome::Cancelled));
}
