//! Ending an attempt: the decision is saved first, then the seat is shut, its instances are ended,
//! what remains is reaped, and only then the attempt is over.

use super::{Action, Call, Pause, Plan, Reason, View, attempt, ended, gone, told};
use crate::{
    job::AgentJob,
    outcome::{Failure, FailureClass},
    seat::{Claim, Register, Report, Sighting, Usage},
    status::{Intent, StopIntent, StopReason},
};

/// Why this attempt has to end, if it has to and nobody has decided so yet.
pub(super) fn wanted(view: &View, intent: &Intent) -> Option<StopReason> {
    if view.status.stop.is_some() || view.seen.report.is_some() {
        return None;
    }
    let spec = &view.job.spec;
    let over_budget = || over_budget(view.job, ended::total_usage(view)).is_some();
    match () {
        () if spec.cancel => Some(StopReason::Cancel),
        () if view.now >= super::wait::due(view, intent) => Some(StopReason::Deadline),
        () if over_budget() => Some(StopReason::Budget),
        () if spec.suspend || view.limits.pause == Some(Pause::Now) => Some(StopReason::Suspend),
        () => None,
    }
}

/// The failure of a job that has used more than it may.
pub(super) fn over_budget(job: &AgentJob, spent: Usage) -> Option<Failure> {
    let budget = job.spec.budget?;
    let money = budget.usd.filter(|all| spent.usd >= *all);
    let tokens = budget.tokens.filter(|all| spent.tokens() >= *all);
    let text = match (money, tokens) {
        (Some(all), _) => format!("spent {} of {all} US dollars", spent.usd),
        (None, Some(all)) => format!("used {} of {all} tokens", spent.tokens()),
        (None, None) => return None,
    };
    Some(Failure::new(FailureClass::BudgetExceeded, text))
}

/// The report, unless the seat was stopped before it: then it only tells the cost. The seat says
/// which came first; clocks say nothing about it.
pub(super) fn decisive_report<'a>(view: &View<'a>) -> Option<&'a Report> {
    let report = view.seen.report.as_ref();
    let stopped = view.status.stop.is_some() && view.seen.stopped;
    report.filter(|_| !stopped)
}

pub(super) fn decide(view: &View, reason: StopReason) -> Plan {
    let failure = match reason {
        StopReason::Deadline => Some(super::wait::too_late()),
        StopReason::Budget => over_budget(view.job, ended::total_usage(view)),
        _ => None,
    };
    save_stop(view, reason, failure)
}

pub(super) fn decide_failed(view: &View, reason: StopReason, failure: Failure) -> Plan {
    save_stop(view, reason, Some(failure))
}

fn save_stop(view: &View, reason: StopReason, failure: Option<Failure>) -> Plan {
    let mut status = view.status.clone();
    let text = failure.as_ref().map_or_else(|| format!("{reason:?}"), told);
    status.stop = Some(StopIntent {
        reason,
        at: view.now,
        failure,
    });
    status.queued_reason = Some("stopping".to_owned());
    view.save(status, Some(("Stopping", text))).plan()
}

/// One step towards the end of the attempt. The seat is shut first: nobody may claim it any more,
/// and a report of its claimant no longer counts.
pub(super) fn carry_out(view: &View, stop: &StopIntent) -> Plan {
    let shut = match view.seen.register {
        Register::Open => false,
        Register::Claimed(_) => view.seen.stopped,
        Register::Closed(_) => true,
    };
    if !shut {
        return close(view, stop);
    }
    lasting(view).unwrap_or_else(|| ended::stopped(view, stop))
}

fn close(view: &View, stop: &StopIntent) -> Plan {
    if let Some(Err(e)) = view.seen.answer(Call::Close) {
        return view.unknown(e.to_string());
    }
    let reason = format!("{:?}", stop.reason);
    Plan::act(vec![Action::Close { reason }])
}

/// What has to end, or to be known, before the attempt is over.
fn lasting(view: &View) -> Option<Plan> {
    let alive = |s: &Sighting| matches!(s, Sighting::Alive { .. });
    if view.seen.sightings.iter().any(alive) {
        return Some(stop_all(view));
    }
    let hidden = view.why_unknown().is_some() || claimant_hidden(view);
    hidden.then(|| gone::wait(view)).flatten()
}

fn stop_all(view: &View) -> Plan {
    if let Some(Err(e)) = view.seen.answer(Call::Stop) {
        return view.unknown(e.to_string());
    }
    let wake = view.after(super::ASK_AGAIN);
    let actions = vec![Action::Stop { keep: None }];
    Plan::act_then_wait(actions, Reason::Stopping, wake)
}

/// Whether the claimant was neither seen to end, nor reaped, nor heard to be done.
fn claimant_hidden(view: &View) -> bool {
    let Register::Claimed(claim) = &view.seen.register else {
        return false;
    };
    let reaped = matches!(view.seen.answer(Call::Reap), Some(Ok(())));
    !reaped && view.seen.report.is_none() && attempt::sighting_of(view, claim).is_none()
}

/// The claimant has reported: others end now, the claimant gets its grace to leave by itself.
pub(super) fn leave(view: &View, report: &Report) -> Option<Plan> {
    let until = super::later(report.finished_at, view.limits.vanish_grace);
    match &view.seen.register {
        Register::Claimed(claim) if view.now < until && leaving(view, claim) => {
            let wait = || Plan::wait(Reason::Leaving, Some(until));
            Some(attempt::stop_strangers(view, claim).unwrap_or_else(wait))
        }
        _ => lasting(view),
    }
}

fn leaving(view: &View, claim: &Claim) -> bool {
    let seen = attempt::sighting_of(view, claim);
    matches!(seen, Some(Sighting::Alive { .. }))
}
