//! Every instance of an attempt is gone: reap what it left, tell memory, and either try again or
//! be finished. One round, in this order, so that nothing of it lives when the next one starts.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Call, Plan, View, finish, later, stop, told, wait::SUSPENDED};
use crate::{
    outcome::{Failure, FailureClass, Outcome},
    port::AttemptOutcome,
    seat::{Report, Sighting, Usage},
    spec::{Backoff, span},
    status::{AgentJobStatus, EndedAttempt, StopIntent, StopReason, condition},
    validate::retry_of,
};

/// The first pause before another attempt, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// The runner reported; its report decides.
pub(super) fn reported(view: &View, report: &Report) -> Plan {
    if let Some(plan) = stop::leave(view, report) {
        return plan;
    }
    conclude(view, report.outcome, failure_of(report))
}

/// Why a report says that the work is not done; a failed one always has a class.
fn failure_of(report: &Report) -> Option<Failure> {
    let unnamed = || Failure::new(FailureClass::AgentError, "the runner did not say why");
    match report.outcome {
        Outcome::Succeeded => None,
        Outcome::Failed => Some(report.failure.clone().unwrap_or_else(unnamed)),
        Outcome::Cancelled | Outcome::TimedOut => report.failure.clone(),
    }
}

/// The attempt was stopped; the reason decides.
pub(super) fn stopped(view: &View, stop: &StopIntent) -> Plan {
    let outcome = match stop.reason {
        StopReason::Cancel | StopReason::Suspend => Outcome::Cancelled,
        StopReason::Deadline => Outcome::TimedOut,
        StopReason::Budget | StopReason::Unclaimed | StopReason::Refused | StopReason::Lost => {
            Outcome::Failed
        }
    };
    conclude(view, outcome, stop.failure.clone())
}

fn conclude(view: &View, outcome: Outcome, failure: Option<Failure>) -> Plan {
    let end = EndedAttempt {
        attempt: view.status.attempt,
        outcome,
        failure,
        at: view.now,
    };
    close(view, end, after)
}

/// Reaps what there is, tells memory, and saves that the attempt is over.
pub(super) fn close(
    view: &View,
    end: EndedAttempt,
    save: impl FnOnce(&View, EndedAttempt) -> Action,
) -> Plan {
    if let Some(Err(e)) = view.seen.answer(Call::Reap) {
        return view.unknown(e.to_string());
    }
    let record = record(view, &end);
    let mut actions = Vec::new();
    if traces(view) {
        actions.push(Action::Reap);
    }
    actions.extend(record.map(|r| Action::Record(Box::new(r))));
    actions.push(save(view, end));
    Plan::act(actions)
}

/// Whether there is anything to remove: a dead pane, a finished container, forgotten processes.
/// A silent place cannot be asked to remove anything.
fn traces(view: &View) -> bool {
    let done = matches!(view.seen.answer(Call::Reap), Some(Ok(())));
    let seen = |s: &Sighting| !matches!(s, Sighting::Unknown { .. });
    !done && (view.seen.remains > 0 || view.seen.sightings.iter().any(seen))
}

/// What to tell memory now; nothing when it could not keep it in this round.
fn record(view: &View, end: &EndedAttempt) -> Option<AttemptOutcome> {
    match view.seen.answer(Call::Record) {
        Some(_) => None,
        None => for_memory(view, end),
    }
}

/// The end of the last attempt as memory keeps it.
pub(super) fn for_memory(view: &View, end: &EndedAttempt) -> Option<AttemptOutcome> {
    let tenant = view.job.tenant().ok()?;
    let mut told = AttemptOutcome::new(view.job, tenant, end);
    told.usage = attempt_usage(view);
    Some(match &view.seen.report {
        Some(report) => told.with_report(report),
        None => told,
    })
}

/// The save that ends the attempt.
fn after(view: &View, end: EndedAttempt) -> Action {
    let mut status = view.status.clone();
    status.intent = None;
    status.agents = None;
    status.usage = Some(total_usage(view));
    status.earlier_usage = status.usage;
    status.unrecorded = view.seen.failed(Call::Record).then(|| end.clone());
    if suspended(view) {
        return suspend(view, status);
    }
    if let Some(at) = retry_at(view, &end) {
        return again(view, status, end, at);
    }
    status.result = stop::decisive_report(view).and_then(|r| finish::result(status.attempt, r));
    finish::finished(view, status, end)
}

/// What all attempts have cost so far.
pub(super) fn total_usage(view: &View) -> Usage {
    let earlier = view.status.earlier_usage.unwrap_or_default();
    earlier.plus(attempt_usage(view))
}

fn attempt_usage(view: &View) -> Usage {
    let reported = view.seen.report.as_ref().map(|r| r.usage);
    let beaten = view.seen.heartbeat.as_ref().map(|h| h.usage);
    reported.or(beaten).unwrap_or_default()
}

fn suspended(view: &View) -> bool {
    let stop = view.status.stop.as_ref().map(|s| s.reason);
    stop == Some(StopReason::Suspend) && stop::decisive_report(view).is_none()
}

fn suspend(view: &View, mut status: AgentJobStatus) -> Action {
    status.stop = None;
    let event = ("Suspended", "the attempt was stopped".to_owned());
    let save = view.save(super::wait::held_back(view, status, SUSPENDED), Some(event));
    save.holding(Vec::new()).action()
}

/// When the next attempt may begin, if there is to be one.
fn retry_at(view: &View, end: &EndedAttempt) -> Option<Timestamp> {
    let failure = end
        .failure
        .as_ref()
        .filter(|_| end.outcome == Outcome::Failed)?;
    let rules = retry_of(view.job);
    let listed = rules.on.get(&failure.class);
    let allowed = listed.is_some() || (rules.on.is_empty() && failure.class.retried_by_default());
    let pause = pause(view.status.failures, listed.copied().unwrap_or_default());
    let at = later(view.now, pause).max(failure.until.unwrap_or(view.now));
    let time_left = super::wait::in_time(view, at);
    let money_left = stop::over_budget(view.job, total_usage(view)).is_none();
    let go = allowed && view.status.failures < rules.limit && time_left && money_left;
    go.then_some(at)
}

fn pause(failures: u32, own: Backoff) -> Duration {
    let base = own.base.map_or(BACKOFF.0, span);
    let most = own.max.map_or(BACKOFF.1, span);
    base.saturating_mul(1 << failures.min(16)).min(most)
}

fn again(view: &View, mut status: AgentJobStatus, end: EndedAttempt, at: Timestamp) -> Action {
    let class = end
        .failure
        .as_ref()
        .map_or(FailureClass::Infrastructure, |f| f.class);
    let text = end.failure.as_ref().map(told).unwrap_or_default();
    let text = format!("attempt {} failed, another follows: {text}", end.attempt);
    status.stop = None;
    status.failures += 1;
    status.failure = end.failure;
    status.retry_at = Some(at);
    status.queued_reason = Some(format!("backing off after {}", class.word()));
    status.set_condition(
        condition::SUCCEEDED,
        "Unknown",
        ("BackingOff", &text),
        view.now,
    );
    let save = view.save(status, Some(("BackingOff", text)));
    save.holding(Vec::new()).action()
}
