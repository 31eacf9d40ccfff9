//! The end of a job, and what is left to do after it: memory's record, then removal in its time.

use super::{Action, Call, Plan, Reason, Save, View, later, told};
use crate::{
    outcome::{Failure, Outcome},
    port::{AttemptOutcome, json_size},
    spec::span,
    status::{AgentJobStatus, EndedAttempt, JobResult, condition},
};

/// Largest result that stands in the status itself, in bytes of JSON.
pub const INLINE_RESULT: usize = 8 * 1024;

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
    let recorded = status.unrecorded.is_none();
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
    status.set_condition(condition::SUCCEEDED, good, (reason, &text), view.now);
    status.set_condition(condition::FINISHED, "True", (reason, &text), view.now);
    status.set_condition(condition::RECONCILING, "False", (reason, &text), view.now);
    set_recorded(&mut status, recorded, view);
    status.outcome = Some(end.outcome);
    status.failure = end.failure;
    status.finished_at = Some(view.now);
    status.result = result(view);
    status.queued_reason = None;
    status.retry_at = None;
    status.agents = None;
    let save = view.save(status, Some((end.outcome.word(), text)));
    save.holding(Vec::new()).action()
}

fn set_recorded(status: &mut AgentJobStatus, is: bool, view: &View) {
    let (word, why) = if is {
        ("True", ("Recorded", "memory has the outcome"))
    } else {
        ("False", ("Waiting", "memory does not have the outcome yet"))
    };
    status.set_condition(condition::RECORDED, word, why, view.now);
}

/// The result as the status holds it: itself when small, else where the report stands.
fn result(view: &View) -> Option<JobResult> {
    let value = &view.seen.report.as_ref()?.result;
    let attempt = view.status.attempt;
    match value {
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

/// A finished job: memory first, then the end of its time.
pub(super) fn plan(view: &View) -> Plan {
    if view.status.unrecorded.is_some() {
        return record_first(view);
    }
    let ttl = view
        .job
        .spec
        .ttl_after_finished
        .map(span)
        .or(view.limits.ttl);
    let Some(ttl) = ttl else {
        return Plan::wait(Reason::Finished, None);
    };
    let at = later(view.status.finished_at.unwrap_or(view.now), ttl);
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
    let Ok(tenant) = view.job.tenant() else {
        return view.unknown("the job has no tenant");
    };
    let told = AttemptOutcome::new(view.job, tenant, end);
    let told = match &view.seen.report {
        Some(report) => told.with_report(report),
        None => told,
    };
    Plan::act(vec![
        Action::Record(Box::new(told)),
        kept(view, true).action(),
    ])
}

fn record_later(view: &View, end: &EndedAttempt) -> Plan {
    if view.now >= later(end.at, view.limits.record_within) {
        return kept(view, false).plan();
    }
    let wake = view.after(super::ASK_AGAIN);
    Plan::wait(Reason::WaitingForMemory, Some(wake))
}

fn kept(view: &View, is: bool) -> Save {
    let mut status = view.status.clone();
    status.unrecorded = None;
    if status.is_finished() {
        set_recorded(&mut status, is, view);
    }
    let event = (
        "RecordGivenUp",
        "memory did not keep the outcome in time".to_owned(),
    );
    view.save(status, (!is).then_some(event))
}
