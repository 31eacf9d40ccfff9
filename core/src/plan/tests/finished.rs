//! The job is over: memory, then the end of its time.

use super::{
    super::{Call, Reason},
    case::{Case, reported, second, unknown},
    read::does,
};
use crate::outcome::Outcome;

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
