//! No attempt is under way.

use super::{
    super::{Call, Reason},
    case::{DEADLINE, claimed, failed, failure, queued, queued_farm, reported, second, unknown},
    read::{brief, does, held, reason_of, saved},
};
use crate::{
    outcome::{FailureClass, Outcome},
    port::Reservation,
    spec::BackendName,
    status::condition,
};

#[test]
fn a_job_with_room_is_saved_and_launched_in_one_round() {
    assert_eq!(queued().does(), "save launch");
}

#[test]
fn the_intent_holds_everything_that_the_launch_sends() {
    let plan = queued().plan();
    let (intent, brief) = (saved(&plan).intent.unwrap(), brief(&plan));
    assert_eq!(intent.backend, BackendName::Vps);
    assert_eq!(intent.at, second(0));
    assert_eq!(intent.deadline_at, second(DEADLINE));
    assert_eq!((intent.slots, intent.choice), (1, 0));
    assert_eq!((brief.backend, brief.seat.attempt), (intent.backend, 1));
    assert_eq!(brief.deadline_at, intent.deadline_at);
}

#[test]
fn the_intent_and_its_slot_stand_in_the_same_write() {
    let slot = Reservation {
        pool: "slots/vps".to_owned(),
        units: 1,
        capacity: 4,
    };
    assert_eq!(held(&queued().plan()), Some(vec![slot]));
}

#[test]
fn a_farm_takes_a_slot_for_each_agent_and_never_more_than_there_are() {
    let units = |agents| held(&queued_farm(agents).plan()).unwrap()[0].units;
    assert_eq!((units(3), units(50)), (3, 4));
}

#[test]
fn a_launch_is_the_same_however_the_job_was_changed_meanwhile() {
    let first = brief(&queued().plan());
    let mut again = queued().done().later(5);
    again.job.spec.priority = 7;
    again.job.spec.deadline = Some("2h".parse().unwrap());
    again.job.spec.ttl_after_finished = Some("1h".parse().unwrap());
    assert_eq!(brief(&again.plan()), first);
}

#[test]
fn a_job_without_a_free_slot_waits_and_says_its_position() {
    let plan = queued().with_held(4, 2).plan();
    assert_eq!(plan.reason, Reason::WaitingForSlot { position: 3 });
    assert!(plan.wake.unwrap() > second(0));
    assert!(!does(&plan).contains("launch"));
}

#[test]
fn the_position_stands_in_the_status_and_is_written_once() {
    let waiting = queued().with_held(4, 2);
    let status = saved(&waiting.plan());
    let reason = status.queued_reason.clone().unwrap();
    assert!(reason.contains("position 3"), "{reason}");
    assert_eq!(reason_of(&status), "WaitingForSlot");
    assert_eq!(waiting.done().does(), "");
}

#[test]
fn a_job_whose_pause_is_over_stands_in_line_like_the_others() {
    let case = failed(failure(FailureClass::Infrastructure)).with_held(4, 0);
    let status = saved(&case.later(60).plan());
    assert_eq!((status.retry_at, status.attempt), (None, 1));
}

#[test]
fn the_last_free_slot_belongs_to_the_job_that_came_first() {
    assert_eq!(queued().with_held(3, 0).does(), "save launch");
    assert!(!queued().with_held(3, 1).does().contains("launch"));
}

#[test]
fn a_suspended_job_starts_nothing_and_says_so() {
    let plan = queued().with_suspend(true).plan();
    assert_eq!(plan.reason, Reason::Suspended);
    assert_eq!(reason_of(&saved(&plan)), "Suspended");
    let stands = queued().with_suspend(true).done();
    assert_eq!(stands.does(), "");
    assert_eq!(stands.with_suspend(false).does(), "save launch");
}

#[test]
fn time_does_not_run_for_a_job_that_is_suspended_between_attempts() {
    let held = failed(failure(FailureClass::Infrastructure)).with_suspend(true);
    let day_later = held.done().later(86_400);
    assert_eq!(day_later.plan().reason, Reason::Suspended);
    let resumed = day_later.with_suspend(false).plan();
    assert_eq!(does(&resumed), "save launch");
    assert_eq!(brief(&resumed).seat.attempt, 2);
}

#[test]
fn a_queued_job_that_is_cancelled_is_over_at_once() {
    let plan = queued().with_cancel().plan();
    assert_eq!(does(&plan), "save");
    let status = saved(&plan);
    assert_eq!(status.outcome, Some(Outcome::Cancelled));
    assert_eq!(status.attempt, 0);
    assert!(status.is_true(condition::FINISHED) && status.is_true(condition::RECORDED));
    assert_eq!(held(&plan), Some(Vec::new()));
}

#[test]
fn a_suspended_job_can_be_cancelled() {
    let plan = queued().with_suspend(true).with_cancel().plan();
    assert_eq!(saved(&plan).outcome, Some(Outcome::Cancelled));
}

#[test]
fn a_job_that_is_cancelled_between_attempts_shows_no_result_of_them() {
    let plan = failed(failure(FailureClass::Infrastructure))
        .with_cancel()
        .plan();
    assert_eq!(saved(&plan).outcome, Some(Outcome::Cancelled));
    assert_eq!(saved(&plan).result, None);
}

#[test]
fn a_deadline_that_passes_between_attempts_ends_the_job() {
    let late = failed(failure(FailureClass::Infrastructure)).later(DEADLINE);
    let status = saved(&late.plan());
    assert_eq!(status.outcome, Some(Outcome::TimedOut));
    assert_eq!(status.failure.unwrap().class, FailureClass::Deadline);
}

#[test]
fn a_job_that_waits_for_a_slot_between_attempts_wakes_at_its_deadline() {
    let waiting = failed(failure(FailureClass::Infrastructure)).with_held(4, 0);
    let waiting = waiting.later(DEADLINE - 12);
    assert_eq!(waiting.plan().wake, Some(second(DEADLINE)));
}

#[test]
fn money_that_earlier_attempts_spent_is_not_there_for_the_next() {
    let spent = failed(failure(FailureClass::Infrastructure)).with_budget("0.40");
    let status = saved(&spent.later(60).plan());
    assert_eq!(status.failure.unwrap().class, FailureClass::BudgetExceeded);
    let left = failed(failure(FailureClass::Infrastructure)).with_budget("2.00");
    let brief = brief(&left.later(60).plan());
    assert_eq!(brief.usd_left, Some("1.50".parse().unwrap()));
}

#[test]
fn a_job_backs_off_until_its_time() {
    let case = failed(failure(FailureClass::Infrastructure));
    let plan = case.plan();
    assert_eq!(
        (plan.reason, plan.wake),
        (Reason::BackingOff, case.status().retry_at)
    );
    assert_eq!(case.later(5).does(), "save launch");
}

#[test]
fn the_next_attempt_waits_until_memory_has_the_last_one() {
    let case = failed(failure(FailureClass::Infrastructure)).with_unrecorded_end();
    let asked = case.clone().later(100);
    assert_eq!(asked.does(), "record save");
    let failed = asked.answered(Call::Record, unknown());
    assert_eq!(failed.plan().reason, Reason::WaitingForMemory);
    assert_eq!(case.later(100).done().does(), "save launch");
}

#[test]
fn a_save_that_was_not_answered_is_looked_at_again_later() {
    let plan = queued().answered(Call::Save, unknown()).plan();
    assert_eq!(does(&plan), "");
    assert!(plan.wake.unwrap() > second(0));
}

#[test]
fn a_save_that_was_refused_is_not_repeated_at_once() {
    let refused = crate::port::PortError::refused(FailureClass::InvalidSpec, "too large");
    let plan = queued().answered(Call::Save, Err(refused)).plan();
    assert_eq!(does(&plan), "");
    assert!(matches!(plan.reason, Reason::Unknown { why } if why == "too large"));
}

#[test]
fn conditions_speak_of_the_generation_that_was_read() {
    for case in [
        queued(),
        reported(Outcome::Succeeded, None),
        claimed().with_cancel(),
    ] {
        let status = saved(&case.plan());
        assert_eq!(status.observed_generation, Some(3));
        let seen = status.condition(condition::SUCCEEDED).unwrap();
        assert_eq!(seen.observed_generation, Some(3));
    }
}
