//! An attempt is over: leaving, reaping, memory.

use super::{
    super::{Action, Call, Reason},
    case::{GRACE, ME, RECORD_WITHIN, STRANGER, claimed, failure, reported, second, unknown},
    read::{does, held, saved, told},
};
use crate::{
    outcome::{FailureClass, Outcome},
    status::condition,
};

#[test]
fn a_report_ends_the_attempt_when_its_runner_is_gone() {
    let plan = reported(Outcome::Succeeded, None).plan();
    assert_eq!(does(&plan), "reap record save");
    let status = saved(&plan);
    assert_eq!(status.outcome, Some(Outcome::Succeeded));
    assert!(status.is_true(condition::FINISHED) && status.is_true(condition::RECORDED));
    assert_eq!(status.result.unwrap().inline["answer"], 42);
    assert_eq!(held(&plan), Some(Vec::new()));
}

#[test]
fn a_runner_that_has_reported_is_given_time_to_leave_by_itself() {
    let leaving = claimed().later(10).with_report(Outcome::Succeeded, None);
    assert_eq!(
        (leaving.does().as_str(), leaving.plan().wake),
        ("", Some(second(11 + GRACE)))
    );
    assert_eq!(leaving.later(GRACE).does(), "stop");
}

#[test]
fn others_are_stopped_while_the_claimant_leaves_by_itself() {
    let leaving = claimed().alive(STRANGER).later(10);
    let plan = leaving.with_report(Outcome::Succeeded, None).plan();
    let keep = Some(ME.to_owned());
    assert_eq!(plan.actions, vec![Action::Stop { keep }]);
}

#[test]
fn a_report_does_not_end_the_attempt_while_the_place_is_silent() {
    let silent = reported(Outcome::Succeeded, None).silent();
    assert_eq!(silent.later(86_400).does(), "");
}

#[test]
fn what_remains_is_reaped_before_the_end_is_saved() {
    let case = reported(Outcome::Succeeded, None).unseen().with_remains(2);
    assert_eq!(case.does(), "reap record save");
}

#[test]
fn nothing_is_reaped_where_nothing_is_left() {
    let clean = reported(Outcome::Succeeded, None).unseen();
    assert_eq!(clean.does(), "record save");
}

#[test]
fn an_attempt_whose_remains_would_not_go_is_not_over() {
    let case = reported(Outcome::Failed, Some(failure(FailureClass::Infrastructure)));
    let plan = case.answered(Call::Reap, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(matches!(plan.reason, Reason::Unknown { .. }) && plan.wake.is_some());
}

#[test]
fn memory_is_told_what_the_report_says() {
    let told = told(&reported(Outcome::Succeeded, None).plan());
    assert_eq!((told.outcome, told.class), (Outcome::Succeeded, None));
    assert_eq!(told.usage.usd, "0.50".parse().unwrap());
}

#[test]
fn a_job_finishes_though_memory_cannot_keep_its_outcome_yet() {
    let case = reported(Outcome::Succeeded, None).unseen();
    let case = case.answered(Call::Record, unknown());
    assert_eq!(case.does(), "save");
    let status = case.done().status();
    assert!(status.is_true(condition::FINISHED) && !status.is_true(condition::RECORDED));
    assert_eq!(status.unrecorded.unwrap().outcome, Outcome::Succeeded);
}

#[test]
fn memory_is_asked_again_until_it_has_the_outcome() {
    let case = reported(Outcome::Succeeded, None).unseen();
    let open = case.answered(Call::Record, unknown()).done();
    let plan = open.plan();
    assert_eq!(does(&plan), "record save");
    assert_eq!(told(&plan).usage.usd, "0.50".parse().unwrap());
    assert!(saved(&plan).is_true(condition::RECORDED));
    let again = open.answered(Call::Record, unknown()).plan();
    assert_eq!(again.reason, Reason::WaitingForMemory);
    assert!(again.wake.is_some());
}

#[test]
fn memory_is_given_up_after_its_time_and_the_status_says_so() {
    let case = reported(Outcome::Succeeded, None).unseen();
    let open = case.answered(Call::Record, unknown()).done();
    let late = open.later(RECORD_WITHIN).answered(Call::Record, unknown());
    let given_up = late.done();
    let status = given_up.status();
    assert_eq!(status.unrecorded, None);
    let seen = status.condition(condition::RECORDED).unwrap();
    assert_eq!(
        (seen.status.as_str(), seen.reason.as_str()),
        ("False", "GivenUp")
    );
    assert_eq!(given_up.plan().reason, Reason::Finished);
}

#[test]
fn an_attempt_that_memory_never_got_is_not_forgotten_by_a_later_one() {
    let first = reported(Outcome::Failed, Some(failure(FailureClass::Infrastructure))).unseen();
    let first = first.answered(Call::Record, unknown()).done();
    let given_up = first
        .later(RECORD_WITHIN)
        .answered(Call::Record, unknown())
        .done();
    let mut second = given_up.later(1).done();
    second.seen = super::super::Seen::default();
    let second = second.with_claim_of(ME).alive(ME).done();
    let status = saved(&second.with_report(Outcome::Succeeded, None).unseen().plan());
    assert_eq!(status.outcome, Some(Outcome::Succeeded));
    assert!(!status.is_true(condition::RECORDED));
}

#[test]
fn a_failed_report_without_a_failure_still_has_a_class() {
    let plan = reported(Outcome::Failed, None).plan();
    assert_eq!(
        saved(&plan).failure.unwrap().class,
        FailureClass::AgentError
    );
    assert_eq!(told(&plan).class, Some(FailureClass::AgentError));
}

#[test]
fn a_large_result_stands_elsewhere() {
    let mut case = reported(Outcome::Succeeded, None);
    case.seen.report.as_mut().unwrap().result = serde_json::json!("x".repeat(9000));
    let result = saved(&case.plan()).result.unwrap();
    assert!(result.inline.is_null());
    assert_eq!(result.reference.as_deref(), Some("report/1"));
}
