//! Ending an attempt: the decision is saved first, then the seat is shut, its instances are ended,
//! what remains is reaped, and only then the attempt is over.

use super::{Action, Call, Plan, Reason, View, attempt, ended, told};
use crate::{
    job::AgentJob,
    outcome::{Failure, FailureClass},
    seat::{Register, Report, Sighting, Usage},
    status::{Intent, StopIntent, StopReason},
};

/// Why this attempt has to end, if it has to and nobody has decided so yet.
pub(super) fn wanted(view: &View, intent: &Intent) -> Option<StopReason> {
    if view.status.stop.is_some() || view.seen.report.is_some() {
        return None;
    }
    let spec = &view.job.spec;
    let spent = view
        .seen
        .heartbeat
        .as_ref()
        .map(|h| h.usage)
        .unwrap_or_default();
    let spent = view.status.earlier_usage.unwrap_or_default().plus(spent);
    let deadline = super::wait::deadline_at(view).max(intent.deadline_at);
    match () {
        () if spec.cancel => Some(StopReason::Cancel),
        () if view.now >= deadline => Some(StopReason::Deadline),
        () if over_budget(view.job, spent).is_some() => Some(StopReason::Budget),
        () if spec.suspend => Some(StopReason::Suspend),
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

/// The first durable of report and stop decides; a report that came later only tells the cost.
pub(super) fn report_wins(view: &View, report: &Report) -> bool {
    let stop = view.status.stop.as_ref();
    stop.is_none_or(|stop| report.finished_at <= stop.at)
}

pub(super) fn decide(view: &View, reason: StopReason) -> Plan {
    save_stop(view, reason, None)
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

/// One step towards the end of the attempt.
pub(super) fn carry_out(view: &View, stop: &StopIntent) -> Plan {
    if view.seen.register == Register::Open {
        return close(view, stop);
    }
    match anything_alive(view) {
        Some(plan) => plan,
        None => ended::stopped(view, stop),
    }
}

fn close(view: &View, stop: &StopIntent) -> Plan {
    if let Some(Err(e)) = view.seen.answer(Call::Close) {
        return view.unknown(e.to_string());
    }
    let reason = format!("{:?}", stop.reason);
    Plan::act(vec![Action::Close { reason }])
}

/// The instances that have to end before the attempt is over. Unknown is waited for.
pub(super) fn anything_alive(view: &View) -> Option<Plan> {
    let mut sightings = view.seen.sightings.iter();
    if let Some(why) = sightings.find_map(why_unknown) {
        return Some(view.unknown(why));
    }
    let alive = |s: &Sighting| matches!(s, Sighting::Alive { .. });
    if !view.seen.sightings.iter().any(alive) {
        return None;
    }
    if let Some(Err(e)) = view.seen.answer(Call::Stop) {
        return Some(view.unknown(e.to_string()));
    }
    let actions = vec![Action::Stop { keep: None }];
    let wake = view.after(super::ASK_AGAIN);
    Some(Plan::act_then_wait(actions, Reason::Stopping, wake))
}

fn why_unknown(sighting: &Sighting) -> Option<&str> {
    match sighting {
        Sighting::Unknown { why } => Some(why),
        _ => None,
    }
}

/// The claimant has reported: others end now, the claimant gets its grace to leave by itself.
pub(super) fn leave(view: &View, report: &Report) -> Option<Plan> {
    let Register::Claimed(claim) = &view.seen.register else {
        return anything_alive(view);
    };
    let until = super::later(report.finished_at, view.limits.vanish_grace);
    let leaving = Sighting::Alive {
        instance: claim.instance.clone(),
    };
    let leaving = view.seen.sightings.contains(&leaving);
    if leaving && !attempt::stranger_alive(view, claim) && view.now < until {
        return Some(Plan::wait(Reason::Working, Some(until)));
    }
    anything_alive(view)
}
