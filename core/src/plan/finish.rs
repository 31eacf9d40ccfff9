//! The end of a job, and what is left to do after it: memory's record, then removal in its time.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Call, Plan, Reason, View, ended, later, stop, told};
use crate::{
    job::AgentJob,
    outcome::{Failure, Outcome},
    port::json_size,
    seat::Report,
    spec::span,
    status::{AgentJobStatus, EndedAttempt, JobResult, condition},
};

/// Largest result that stands in the status itself, in bytes of JSON.
pub const INLINE_RESULT: usize = 8 * 1024;

/// The reason and message of a job with an attempt that memory will never have.
const GIVEN_UP: (&str, &str) = ("GivenUp", "memory did not keep the outcome in time");
/// The same of a job that ends with its report.
const TOLD_SOON: (&str, &str) = (
    "Recorded",
    "the outcome stands here, and memory has it when the finalizer is gone",
);

/// Ends a job that has no attempt under way.
pub(super) fn conclude(view: &View, outcome: Outcome, failure: Option<Failure>) -> Plan {
    let end = EndedAttempt {
        attempt: view.status.attempt,
        outcome,
        failure,
        at: view.now,
    };
    Plan::act(vec![finished(view, view.status.clone(), end)])
}

/// The save that finishes a job and gives back all it held.
pub(super) fn finished(view: &View, mut status: AgentJobStatus, end: EndedAttempt) -> Action {
    let outcome = end.outcome;
    let text = ends(&mut status, end);
    set_recorded(&mut status, view);
    let save = view.save(status, Some((outcome.word(), text)));
    save.holding(Vec::new()).action()
}

/// What a status says of a job that ended so; gives the words for its event.
fn ends(status: &mut AgentJobStatus, end: EndedAttempt) -> String {
    let reason = end
        .failure
        .as_ref()
        .map_or(end.outcome.word(), |f| f.class.word());
    let text = end
        .failure
        .as_ref()
        .map_or_else(|| end.outcome.word().to_owned(), told);
    let good = if end.outcome == Outcome::Succeeded {
        "True"
    } else {
        "False"
    };
    for (kind, word) in [
        (condition::SUCCEEDED, good),
        (condition::FINISHED, "True"),
        (condition::RECONCILING, "False"),
    ] {
        status.set_condition(kind, word, (reason, &text), end.at);
    }
    status.outcome = Some(end.outcome);
    status.failure = end.failure;
    status.finished_at = Some(end.at);
    status.queued_reason = None;
    status.retry_at = None;
    text
}

/// The status of a job whose attempt under way has just reported that the work is done, for whoever writes the report into
/// the same record; gives the words for the event. The attempt stays until nothing of it is left. Nothing where the report
/// does not decide, or where another attempt may follow it.
pub fn reported(status: &mut AgentJobStatus, report: &Report) -> Option<String> {
    let claimed = status.intent.as_ref()?.claim.as_ref()?.at;
    let open = status.stop.is_none() && !status.is_finished() && status.unrecorded.is_none();
    if !open || report.outcome != Outcome::Succeeded {
        return None;
    }
    let spent = status.earlier_usage.unwrap_or_default().plus(report.usage);
    status.agents = None;
    status.usage = Some(spent);
    status.earlier_usage = Some(spent);
    status.result = result(status.attempt, report);
    let end = EndedAttempt {
        attempt: status.attempt,
        outcome: report.outcome,
        failure: None,
        at: report.finished_at.max(claimed),
    };
    status.set_condition(condition::RECORDED, "True", TOLD_SOON, end.at);
    status.updated_at = Some(end.at);
    Some(ends(status, end))
}

/// A finished job of whose last attempt something may be left: the runner gets its time to leave, what remains is reaped,
/// and memory told.
pub(super) fn leave(view: &View) -> Plan {
    let (Some(report), Some(outcome)) = (&view.seen.report, view.status.outcome) else {
        return view.unknown("the report that ended the job is not to be read");
    };
    let end = EndedAttempt {
        attempt: view.status.attempt,
        outcome,
        failure: view.status.failure.clone(),
        at: view.status.finished_at.unwrap_or(view.now),
    };
    stop::leave(view, report).unwrap_or_else(|| ended::close(view, end, left))
}

/// The save after which nothing of a finished job is left.
fn left(view: &View, end: EndedAttempt) -> Action {
    let mut status = view.status.clone();
    status.intent = None;
    if view.seen.failed(Call::Record) {
        status.unrecorded = Some(end);
        set_recorded(&mut status, view);
    }
    view.save(status, None).holding(Vec::new()).action()
}

/// Whether memory has the outcome of every attempt; one that was given up stays missing.
fn set_recorded(status: &mut AgentJobStatus, view: &View) {
    let before = status.condition(condition::RECORDED);
    let (word, why) = match &status.unrecorded {
        _ if before.is_some_and(|c| c.reason == GIVEN_UP.0) => ("False", GIVEN_UP),
        None => ("True", ("Recorded", "memory has the outcome")),
        Some(_) => ("False", ("Waiting", "memory does not have the outcome yet")),
    };
    status.set_condition(condition::RECORDED, word, why, view.now);
}

/// The result as the status holds it: itself when small, else where the report stands.
pub(super) fn result(attempt: u32, report: &Report) -> Option<JobResult> {
    match &report.result {
        serde_json::Value::Null => None,
        small if json_size(small) <= INLINE_RESULT => Some(JobResult {
            inline: small.clone(),
            reference: None,
        }),
        _ => Some(JobResult {
            inline: serde_json::Value::Null,
            reference: Some(format!("report/{attempt}")),
        }),
    }
}

/// When the record of a finished job is to be removed, with this time to live where it names none;
/// never, when nobody names one. A job that others keep in being has no time to live but its own: made anew, it would run
/// once more. One whose object was deleted goes at once.
#[must_use]
pub fn removal_at(job: &AgentJob, ttl: Option<Duration>) -> Option<Timestamp> {
    let finished = job.status().finished_at?;
    if job.deleted_at().is_some() {
        return Some(finished);
    }
    let ttl = ttl.filter(|_| !job.is_kept_by_others());
    let ttl = job.spec.ttl_after_finished.map(span).or(ttl)?;
    Some(later(finished, ttl))
}

/// A finished job: memory first, then the end of its time.
pub(super) fn plan(view: &View) -> Plan {
    if view.status.unrecorded.is_some() {
        return record_first(view);
    }
    let Some(at) = removal_at(view.job, view.limits.ttl) else {
        return Plan::wait(Reason::Finished, None);
    };
    if view.now < at {
        return Plan::wait(Reason::Finished, Some(at));
    }
    let failed = view.seen.failed(Call::Discard) || view.seen.failed(Call::Remove);
    if failed {
        return view.unknown("the record could not be removed");
    }
    Plan::act_then_wait(
        vec![Action::Discard, Action::Remove],
        Reason::Finished,
        view.now,
    )
}

/// Memory has not kept the last attempt: ask until it has, or until its time is over.
pub(super) fn record_first(view: &View) -> Plan {
    let Some(end) = &view.status.unrecorded else {
        return Plan::wait(Reason::Finished, None);
    };
    if view.seen.failed(Call::Record) {
        return record_later(view, end);
    }
    let Some(told) = ended::for_memory(view, end) else {
        return view.unknown("the job has no tenant");
    };
    let mut status = settled(view);
    if status.is_finished() {
        set_recorded(&mut status, view);
    }
    let save = view.save(status, None);
    Plan::act(vec![Action::Record(Box::new(told)), save.action()])
}

fn record_later(view: &View, end: &EndedAttempt) -> Plan {
    if view.now >= later(end.at, view.limits.record_within) {
        return give_up(view);
    }
    let wake = view.after(super::ASK_AGAIN);
    Plan::wait(Reason::WaitingForMemory, Some(wake))
}

fn give_up(view: &View) -> Plan {
    let mut status = settled(view);
    status.set_condition(condition::RECORDED, "False", GIVEN_UP, view.now);
    let event = ("RecordGivenUp", GIVEN_UP.1.to_owned());
    view.save(status, Some(event)).plan()
}

/// The status without an end that is still to be told.
fn settled(view: &View) -> AgentJobStatus {
    let mut status = view.status.clone();
    status.unrecorded = None;
    status
}
