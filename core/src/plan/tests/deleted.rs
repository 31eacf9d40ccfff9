//! The object of a job was deleted: it ends, is recorded and goes, and what hinders that is waited for only so long.

use super::{
    super::{Call, REMOVE_WITHIN, Reason, removal_at},
    case::{Case, ME, claimed, launched, queued, reported, second, unknown},
    read::{does, saved, told},
};
use crate::{job::FORCE_REMOVE, outcome::Outcome};

/// At work at a place that does not answer, when its object is deleted.
fn out_of_reach() -> Case {
    claimed().later(10).deleted().silent()
}

fn forced(mut case: Case) -> Case {
    let says = (FORCE_REMOVE.to_owned(), "true".to_owned());
    case.job.metadata.annotations = Some([says].into());
    case
}

#[test]
fn a_deleted_job_that_waits_ends_and_then_goes() {
    let ended = queued().deleted();
    assert_eq!(saved(&ended.plan()).outcome, Some(Outcome::Cancelled));
    assert_eq!(ended.done().does(), "discard remove");
}

#[test]
fn a_deleted_job_that_is_at_work_is_stopped_first() {
    let stopping = claimed().later(10).deleted();
    assert!(saved(&stopping.plan()).stop.is_some());
    assert_eq!(stopping.done().does(), "stop");
}

#[test]
fn a_finished_job_goes_as_soon_as_it_is_deleted_and_recorded() {
    let over = reported(Outcome::Succeeded, None).done().unseen();
    assert_eq!(over.clone().deleted().does(), "discard remove");
    let untold = over.with_unrecorded_end().deleted();
    assert_eq!(untold.does(), "record save");
}

#[test]
fn a_deleted_job_is_due_for_removal_whatever_its_time_to_live() {
    let mut over = reported(Outcome::Succeeded, None).done().deleted();
    over.job.spec.ttl_after_finished = Some("1h".parse().unwrap());
    assert_eq!(removal_at(&over.job, None), Some(second(11)));
}

#[test]
fn what_cannot_be_ended_is_waited_for() {
    let plan = out_of_reach().done().later(600).plan();
    assert_eq!(does(&plan), "");
    assert!(matches!(plan.reason, Reason::Unknown { .. }), "{plan:?}");
}

#[test]
fn what_cannot_be_ended_in_time_is_given_up_and_told_to_memory() {
    let late = out_of_reach().later(REMOVE_WITHIN.as_secs());
    assert_eq!(late.does(), "reap record discard remove");
    assert_eq!(told(&late.plan()).outcome, Outcome::Cancelled);
}

#[test]
fn a_person_who_says_so_need_not_wait() {
    assert_eq!(forced(out_of_reach()).does(), "reap record discard remove");
    let unclaimed = forced(launched().deleted());
    assert_eq!(unclaimed.does(), "reap record discard remove");
    assert_eq!(forced(queued().deleted()).does(), "discard remove");
}

#[test]
fn force_means_nothing_while_the_object_is_not_deleted() {
    assert_eq!(forced(claimed().later(1).alive(ME)).does(), "");
}

#[test]
fn what_fails_does_not_keep_a_job_that_is_given_up() {
    let mut late = forced(out_of_reach());
    for (call, left) in [
        (Call::Reap, "record discard remove"),
        (Call::Record, "discard remove"),
        (Call::Discard, "remove"),
    ] {
        late = late.answered(call, unknown());
        assert_eq!(late.does(), left);
    }
    let plan = late.answered(Call::Remove, unknown()).plan();
    assert!(matches!(plan.reason, Reason::Unknown { .. }), "{plan:?}");
    assert!(plan.wake.is_some());
}

#[test]
fn a_report_that_stands_is_what_memory_is_told() {
    let done = reported(Outcome::Succeeded, None).silent().deleted();
    assert_eq!(told(&forced(done).plan()).outcome, Outcome::Succeeded);
}

#[test]
fn what_others_keep_in_being_has_no_time_to_live_but_its_own() {
    let mut over = reported(Outcome::Succeeded, None).done().unseen();
    let mark = "argocd.argoproj.io/tracking-id".to_owned();
    over.job.metadata.annotations = Some([(mark, "x".to_owned())].into());
    over.limits.ttl = Some(std::time::Duration::from_mins(1));
    assert_eq!(over.plan().wake, None);
    over.job.spec.ttl_after_finished = Some("1h".parse().unwrap());
    assert_eq!(over.plan().wake, Some(second(11 + 3600)));
}
