//! The job is over: memory, then the end of its time.

use super::{
    super::{self as plans, Call, Reason},
    case::{Case, GRACE, ME, claimed, failure, reported, second, unknown},
    read::{does, held, saved},
};
use crate::{
    outcome::{FailureClass, Outcome},
    status::{StopIntent, StopReason, condition},
};

/// The runner has reported that the work is done, and the job's end is written with the report.
fn leaving() -> Case {
    let mut case = claimed().later(10).with_report(Outcome::Succeeded, None);
    let (mut status, report) = (case.status(), case.seen.report.clone().unwrap());
    let words = plans::reported(&mut status, &report);
    assert_eq!(words.as_deref(), Some("Succeeded"));
    case.job.status = Some(status);
    case
}

#[test]
fn a_report_of_success_ends_the_job_as_the_reconciler_would_have() {
    let mut early = leaving().exited(ME, 0).done().status();
    let mut late = reported(Outcome::Succeeded, None).done().status();
    for status in [&mut early, &mut late] {
        let all = &mut status.conditions;
        assert!(all.iter().any(|c| c.type_ == condition::RECORDED));
        all.retain(|c| c.type_ != condition::RECORDED);
    }
    assert_eq!(early, late);
}

#[test]
fn a_report_that_another_attempt_may_follow_or_that_a_stop_came_before_ends_nothing() {
    let class = FailureClass::Infrastructure;
    let failed = claimed().with_report(Outcome::Failed, Some(failure(class)));
    let mut stopped = claimed().with_report(Outcome::Succeeded, None);
    stopped.job.status.get_or_insert_default().stop = Some(StopIntent {
        reason: StopReason::Cancel,
        at: second(5),
        failure: None,
    });
    for case in [failed, stopped, leaving()] {
        let (mut status, report) = (case.status(), case.seen.report.clone().unwrap());
        assert_eq!(plans::reported(&mut status, &report), None);
        assert_eq!(status, case.status());
    }
}

#[test]
fn a_finished_job_keeps_its_slot_until_its_runner_has_left() {
    let here = leaving().alive(ME);
    assert_eq!(here.does(), "");
    assert_eq!(here.plan().wake, Some(second(11 + GRACE)));
    assert_eq!(here.later(GRACE).does(), "stop");
    let gone = leaving().exited(ME, 0);
    assert_eq!(gone.does(), "reap record save");
    let (status, holds) = (saved(&gone.plan()), held(&gone.plan()));
    assert_eq!((status.intent, holds), (None, Some(Vec::new())));
}

#[test]
fn a_finished_job_whose_runner_left_nothing_is_told_to_memory_all_the_same() {
    let case = leaving().exited(ME, 0).unseen();
    assert!(case.seen.sightings.is_empty());
    assert_eq!(case.does(), "record save");
}

#[test]
fn a_finished_job_that_memory_did_not_take_says_so_until_it_does() {
    let untold = leaving()
        .exited(ME, 0)
        .answered(Call::Record, unknown())
        .done();
    let status = untold.status();
    assert!(status.unrecorded.is_some() && !status.is_true(condition::RECORDED));
    let told = untold.unseen();
    assert_eq!(told.does(), "record save");
    assert!(told.done().status().is_true(condition::RECORDED));
}

#[test]
fn a_finished_job_is_not_stopped_by_a_cancel_or_its_deadline() {
    let case = leaving().alive(ME).with_cancel();
    assert_eq!(case.does(), "");
    assert_eq!(case.exited(ME, 0).later(9000).does(), "reap record save");
}

fn finished_with_ttl() -> Case {
    let mut case = reported(Outcome::Succeeded, None).done().unseen();
    case.job.spec.ttl_after_finished = Some("1h".parse().unwrap());
    case
}

#[test]
fn a_finished_job_stays_where_nothing_bounds_it() {
    let plan = reported(Outcome::Succeeded, None).done().unseen().plan();
    assert_eq!((plan.reason, plan.wake), (Reason::Finished, None));
}

#[test]
fn a_finished_job_stays_for_its_time() {
    let plan = finished_with_ttl().plan();
    assert_eq!(
        (plan.reason, plan.wake),
        (Reason::Finished, Some(second(11 + 3600)))
    );
}

#[test]
fn the_operators_bound_counts_where_the_job_names_none() {
    let mut case = finished_with_ttl();
    case.job.spec.ttl_after_finished = None;
    case.limits.ttl = Some(std::time::Duration::from_mins(1));
    assert_eq!(case.plan().wake, Some(second(71)));
}

#[test]
fn seats_are_forgotten_before_the_job_is() {
    assert_eq!(finished_with_ttl().later(3600).does(), "discard remove");
}

#[test]
fn a_job_whose_seats_could_not_be_forgotten_is_kept_and_asked_again() {
    let plan = finished_with_ttl().later(3600);
    let plan = plan.answered(Call::Discard, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(plan.wake.is_some());
}

#[test]
fn a_job_is_not_forgotten_before_memory_has_it() {
    let open = finished_with_ttl().with_unrecorded_end().later(3600);
    assert_eq!(open.does(), "record save");
}

#[test]
fn a_suspended_or_extended_finished_job_stays_finished() {
    let mut case = finished_with_ttl().with_suspend(true);
    case.job.spec.deadline = Some("9h".parse().unwrap());
    assert_eq!(case.does(), "");
}
