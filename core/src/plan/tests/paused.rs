//! The whole deployment is paused.

use super::{
    super::{Pause, Reason},
    case::{DEADLINE, ME, claimed, failed, failure, queued, reported, second},
    read::{brief, does, held, reason_of, saved},
};
use crate::{
    outcome::{FailureClass, Outcome},
    status::StopReason,
};

const BOTH: [Option<Pause>; 2] = [Some(Pause::Drain), Some(Pause::Now)];

#[test]
fn no_attempt_begins_though_there_is_room_and_the_status_says_why_once() {
    for how in BOTH {
        let waits = queued().paused(how);
        assert_eq!(waits.plan().reason, Reason::Paused);
        let status = saved(&waits.plan());
        assert_eq!(reason_of(&status), "Paused");
        let said = status.queued_reason.unwrap();
        assert!(said.contains("sandbox cloud resume"), "{said}");
        assert_eq!(waits.clone().done().does(), "");
        assert_eq!(waits.done().paused(None).does(), "save launch");
    }
}

#[test]
fn an_attempt_at_work_goes_on_where_the_deployment_is_drained() {
    let works = claimed().later(10).alive(ME).paused(Some(Pause::Drain));
    assert_eq!(works.plan().reason, Reason::Working);
    let over = reported(Outcome::Succeeded, None).paused(Some(Pause::Drain));
    assert_eq!(saved(&over.plan()).outcome, Some(Outcome::Succeeded));
}

#[test]
fn an_attempt_at_work_is_stopped_as_of_a_suspended_job_where_it_is_to_end_now() {
    let stopped = claimed().later(10).paused(Some(Pause::Now)).done();
    let stop = stopped.status().stop.unwrap();
    assert_eq!(stop.reason, StopReason::Suspend);
    let over = stopped.exited(ME, 143);
    assert_eq!(held(&over.plan()), Some(Vec::new()));
    let over = over.done().unseen();
    assert_eq!(over.status().outcome, None);
    let waits = over.done();
    assert_eq!(reason_of(&waits.status()), "Paused");
    let plan = waits.later(86_400).paused(None).plan();
    assert_eq!(brief(&plan).seat.attempt, 2);
    assert_eq!(brief(&plan).deadline_at, second(11 + 86_400 + DEADLINE));
}

#[test]
fn a_report_that_came_before_the_stop_counts() {
    let over = reported(Outcome::Succeeded, None).paused(Some(Pause::Now));
    assert_eq!(saved(&over.plan()).outcome, Some(Outcome::Succeeded));
}

#[test]
fn a_job_that_waits_can_be_cancelled() {
    let plan = queued().paused(Some(Pause::Drain)).with_cancel().plan();
    assert_eq!(saved(&plan).outcome, Some(Outcome::Cancelled));
}

#[test]
fn one_that_a_person_suspended_stays_so_when_the_deployment_goes_on() {
    let both = queued().with_suspend(true).paused(Some(Pause::Now));
    assert_eq!(both.plan().reason, Reason::Suspended);
    let left = both.done().paused(None);
    assert_eq!(left.plan().reason, Reason::Suspended);
}

#[test]
fn a_pause_between_attempts_that_the_deployments_outlasted_is_waited_for_and_said() {
    let between = failed(failure(FailureClass::Infrastructure));
    let until = between.status().retry_at;
    let waits = between.paused(Some(Pause::Drain)).done();
    assert_eq!(waits.status().retry_at, until);
    let plan = waits.paused(None).plan();
    assert_eq!((plan.wake, &plan.reason), (until, &Reason::BackingOff));
    let said = saved(&plan).queued_reason.unwrap();
    assert!(said.contains("backing off"), "{said}");
    assert_eq!(does(&plan), "save");
}
