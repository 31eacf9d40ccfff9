//! A place that has to be made ready first, and one that knows more about an end than a code.

use super::{
    super::{Call, Reason},
    case::{CLAIM_WITHIN, ME, claimed, launched, second},
    read::{does, saved},
};
use crate::{
    outcome::{Failure, FailureClass},
    port::PortError,
    status::{BackendRef, StopReason},
};

const PULLING: &str = "pulling image a: 1 of 9 MiB";

#[test]
fn what_is_prepared_is_said_and_nothing_is_launched_meanwhile() {
    let pulled = PortError::Unknown("it is being pulled".to_owned());
    let plan = launched()
        .answered(Call::Launch, Err(pulled))
        .preparing(PULLING)
        .plan();
    assert_eq!(does(&plan), "save");
    assert_eq!(saved(&plan).queued_reason.as_deref(), Some(PULLING));
    assert!(matches!(plan.reason, Reason::Preparing { .. }));
}

#[test]
fn the_same_is_not_said_twice_at_once() {
    let told = launched().preparing(PULLING).done();
    assert_eq!(told.does(), "");
    assert!(told.plan().wake.unwrap() > second(0));
}

#[test]
fn what_lasts_is_written_down_again_before_the_time_for_the_claim_is_over() {
    let told = launched().preparing(PULLING).done();
    let later = told.later(CLAIM_WITHIN / 2 - 1);
    assert_eq!(later.does(), "");
    assert_eq!(later.later(1).does(), "save");
}

#[test]
fn a_launch_that_had_to_wait_for_its_image_has_all_its_time_to_claim() {
    let late = CLAIM_WITHIN * 3;
    let ready = launched().later(late).preparing(PULLING).done().prepared();
    assert_eq!(ready.clone().later(5).does(), "launch");
    let begun = ready.alive(ME).later(CLAIM_WITHIN - 1);
    assert_eq!(begun.plan().reason, Reason::WaitingForClaim);
    let given_up = begun.later(1).done();
    let stop = given_up.status().stop.unwrap();
    assert_eq!(stop.reason, StopReason::Unclaimed);
}

#[test]
fn a_cancelled_job_does_not_wait_for_its_image() {
    let case = launched().preparing(PULLING).with_cancel();
    let stop = case.done().status().stop.unwrap();
    assert_eq!(stop.reason, StopReason::Cancel);
}

#[test]
fn what_the_place_knows_about_an_end_decides_its_class() {
    let why = Failure::new(FailureClass::AgentError, "it ran out of memory");
    let case = claimed().exited_because(ME, why).done();
    let failure = case.status().stop.unwrap().failure.unwrap();
    assert_eq!(failure.class, FailureClass::AgentError);
    let expected = "the runner ended without a report (signal 9): it ran out of memory";
    assert_eq!(failure.message, expected);
}

#[test]
fn the_exact_image_is_written_down_with_whatever_is_written_next() {
    let mut case = claimed().made_of("a@sha256:1").exited(ME, 1);
    if let Some(status) = &mut case.job.status {
        status.backend_ref = Some(BackendRef::default());
    }
    let place = saved(&case.plan()).backend_ref.unwrap();
    assert_eq!(place.image.as_deref(), Some("a@sha256:1"));
}
