//! Which failures are tried again, when, and how often.

use serde_json::json;

use super::{
    super::Action,
    case::{Case, DEADLINE, ME, failed, failure, reported, second},
    read::{does, held, saved},
};
use crate::{
    outcome::{Failure, FailureClass, Outcome},
    status::AgentJobStatus,
};

fn after(failure: Failure) -> AgentJobStatus {
    saved(&reported(Outcome::Failed, Some(failure)).plan())
}

/// The next attempt of a job that waits for it, failed in the same way.
fn failed_again(case: &Case, class: FailureClass) -> Case {
    let mut case = case.clone().later(case.wait()).done();
    case.seen.report = None;
    let case = case.with_claim_of(ME).alive(ME).done();
    let case = case.with_report(Outcome::Failed, Some(failure(class)));
    case.exited(ME, 1).done().unseen()
}

impl Case {
    /// Seconds from now until the next attempt may begin.
    fn wait(&self) -> u64 {
        let at = self.status().retry_at.unwrap();
        at.duration_since(self.now).as_secs().unsigned_abs()
    }
}

#[test]
fn failures_of_the_place_are_tried_again_and_those_of_the_work_are_not() {
    for class in FailureClass::ALL {
        let retried = after(failure(class)).retry_at.is_some();
        assert_eq!(retried, class.retried_by_default(), "{class:?}");
    }
}

#[test]
fn a_failure_of_the_agent_is_tried_again_where_the_job_lists_it() {
    let case = reported(Outcome::Failed, Some(failure(FailureClass::AgentError)));
    let listed = case.with_retry(json!({"on": {"AgentError": {}}}));
    assert!(saved(&listed.plan()).retry_at.is_some());
}

#[test]
fn a_class_that_the_jobs_own_list_leaves_out_is_not_tried_again() {
    let case = reported(Outcome::Failed, Some(failure(FailureClass::Infrastructure)));
    let listed = case.with_retry(json!({"on": {"RateLimited": {}}}));
    assert_eq!(saved(&listed.plan()).outcome, Some(Outcome::Failed));
}

#[test]
fn another_attempt_waits_while_the_job_holds_nothing() {
    let plan = reported(Outcome::Failed, Some(failure(FailureClass::Infrastructure))).plan();
    assert_eq!(held(&plan), Some(Vec::new()));
    let status = saved(&plan);
    assert_eq!((status.failures, status.outcome), (1, None));
    assert_eq!(status.retry_at, Some(second(11 + 5)));
}

#[test]
fn the_pause_doubles_with_each_failure() {
    let class = FailureClass::Infrastructure;
    let first = failed(failure(class)).with_retry(json!({"limit": 9}));
    let second = failed_again(&first, class);
    let third = failed_again(&second, class);
    assert_eq!([first.wait(), second.wait(), third.wait()], [5, 10, 20]);
}

#[test]
fn the_pause_is_as_the_job_says_and_never_longer_than_its_longest() {
    let class = FailureClass::AgentError;
    let rules = json!({"limit": 9, "on": {"AgentError": {"base": "1m", "max": "90s"}}});
    let case = reported(Outcome::Failed, Some(failure(class))).with_retry(rules);
    let first = case.done().unseen();
    let second = failed_again(&first, class);
    assert_eq!([first.wait(), second.wait()], [60, 90]);
}

#[test]
fn a_rate_limit_is_waited_out_until_the_time_that_it_names() {
    let mut limited = failure(FailureClass::RateLimited);
    limited.until = Some(second(1000));
    assert_eq!(after(limited.clone()).retry_at, Some(second(1000)));
    limited.until = Some(second(12));
    assert_eq!(
        after(limited).retry_at,
        Some(second(16)),
        "never sooner than the pause"
    );
}

#[test]
fn a_rate_limit_beyond_the_deadline_ends_the_job() {
    let mut limited = failure(FailureClass::RateLimited);
    limited.until = Some(second(DEADLINE + 1));
    let status = after(limited);
    assert_eq!(status.outcome, Some(Outcome::Failed));
    assert_eq!(status.failure.unwrap().class, FailureClass::RateLimited);
}

#[test]
fn attempts_are_bounded() {
    let class = FailureClass::Infrastructure;
    let first = failed(failure(class)).with_retry(json!({"limit": 1}));
    let second = failed_again(&first, class);
    let status = second.status();
    assert_eq!((status.attempt, status.outcome), (2, Some(Outcome::Failed)));
    assert_eq!(status.failure.unwrap().class, class);
}

#[test]
fn no_limit_means_three_attempts() {
    let class = FailureClass::Infrastructure;
    let second = failed_again(&failed(failure(class)), class);
    assert_eq!(second.status().outcome, None);
    assert_eq!(
        failed_again(&second, class).status().outcome,
        Some(Outcome::Failed)
    );
}

#[test]
fn the_end_of_an_attempt_is_reaped_and_told_before_the_next_is_thought_of() {
    let case = reported(Outcome::Failed, Some(failure(FailureClass::Infrastructure)));
    let plan = case.with_remains(1).plan();
    assert_eq!(does(&plan), "reap record save");
    assert!(!plan.actions.iter().any(|a| matches!(a, Action::Launch(_))));
}
