//! An attempt is under way: launch it, see who came, and notice when it is over.

use super::{Action, Call, Plan, Reason, View, ended, later, stop};
use crate::{
    brief::Brief,
    outcome::{Failure, FailureClass},
    port::PortError,
    seat::{Claim, Register, Sighting},
    status::{Intent, StopReason, condition},
};

pub(super) fn plan(view: &View, intent: &Intent) -> Plan {
    if let Register::Claimed(claim) = &view.seen.register
        && intent.claim.is_none()
        && view.status.stop.is_none()
        && view.seen.report.is_none()
    {
        return claim_seen(view, claim);
    }
    if let Some(reason) = stop::wanted(view, intent) {
        return stop::decide(view, reason);
    }
    if let Some(report) = view
        .seen
        .report
        .as_ref()
        .filter(|r| stop::report_wins(view, r))
    {
        return ended::reported(view, report);
    }
    if let Some(decided) = &view.status.stop {
        return stop::carry_out(view, decided);
    }
    match &view.seen.register {
        Register::Open => unclaimed(view, intent),
        Register::Claimed(claim) => claimed(view, intent, claim),
        Register::Closed(closed) => {
            let text = format!(
                "the seat was closed before a runner came: {}",
                closed.reason
            );
            lost(view, StopReason::Unclaimed, &text)
        }
    }
}

/// Writes down that the work has begun, once.
fn claim_seen(view: &View, claim: &Claim) -> Plan {
    let mut status = view.status.clone();
    if let Some(intent) = &mut status.intent {
        intent.claim = Some(claim.clone());
    }
    status.queued_reason = None;
    let text = format!("attempt {} is at work", status.attempt);
    status.set_condition(
        condition::SUCCEEDED,
        "Unknown",
        ("Running", &text),
        view.now,
    );
    status.set_condition(condition::RECONCILING, "True", ("Running", &text), view.now);
    let save = view.save(status, Some(("Running", text))).action();
    let wake = super::wait::deadline_at(view).max(view.now);
    Plan::act_then_wait(vec![save], Reason::Working, wake)
}

fn unclaimed(view: &View, intent: &Intent) -> Plan {
    if let Some(plan) = launch_answer(view) {
        return plan;
    }
    let late = later(intent.at, view.limits.claim_within);
    let mut exits = view.seen.sightings.iter();
    if let Some(text) = exits.find_map(exit_text) {
        let text = format!("the runner ended before it claimed its seat ({text})");
        return lost(view, StopReason::Lost, &text);
    }
    if view.now >= late {
        return lost(
            view,
            StopReason::Unclaimed,
            "no runner claimed the seat in time",
        );
    }
    match view.seen.sightings.first() {
        None => launch(view, intent),
        Some(Sighting::Unknown { why }) => view.unknown(why),
        Some(_) => Plan::wait(Reason::WaitingForClaim, Some(late)),
    }
}

fn launch(view: &View, intent: &Intent) -> Plan {
    match Brief::of(view.job, intent) {
        Ok(brief) => Plan::act_then_wait(
            vec![Action::Launch(Box::new(brief))],
            Reason::WaitingForClaim,
            view.after(super::ASK_AGAIN),
        ),
        Err(e) => view.unknown(e.to_string()),
    }
}

/// What the last launch said, where it changes what to do.
fn launch_answer(view: &View) -> Option<Plan> {
    match view.seen.answer(Call::Launch)? {
        Ok(()) => None,
        Err(PortError::Refused(failure)) => Some(stop::decide_failed(
            view,
            StopReason::Refused,
            failure.clone(),
        )),
        Err(e) => Some(view.unknown(e.to_string())),
    }
}

fn claimed(view: &View, intent: &Intent, claim: &Claim) -> Plan {
    let mine = |s: &&Sighting| instance(s) == Some(claim.instance.as_str());
    if stranger_alive(view, claim) && !view.seen.failed(Call::Stop) {
        let keep = Some(claim.instance.clone());
        let wake = view.after(super::ASK_AGAIN);
        return Plan::act_then_wait(vec![Action::Stop { keep }], Reason::Working, wake);
    }
    match view.seen.sightings.iter().find(mine) {
        Some(Sighting::Alive { .. }) => at_work(view, intent),
        Some(exited) => {
            let how = exit_text(exited).unwrap_or_default();
            let text = format!("the runner ended without a report ({how})");
            lost(view, StopReason::Lost, &text)
        }
        None => not_seen(view, intent),
    }
}

fn at_work(view: &View, intent: &Intent) -> Plan {
    let told = view.seen.heartbeat.as_ref();
    let earlier = view.status.earlier_usage.unwrap_or_default();
    let usage = told.map(|h| earlier.plus(h.usage));
    let agents = told.and_then(|h| h.agents);
    let news = usage.is_some_and(|u| Some(u) != view.status.usage)
        || agents.is_some_and(|a| Some(a) != view.status.agents);
    let wake = super::wait::deadline_at(view).max(view.now);
    if !news && intent.vanished_at.is_none() {
        return Plan::wait(Reason::Working, Some(wake));
    }
    let mut status = view.status.clone();
    status.usage = usage.or(status.usage);
    status.agents = agents.or(status.agents);
    if let Some(intent) = &mut status.intent {
        intent.vanished_at = None;
    }
    let save = view.save(status, None).action();
    Plan::act_then_wait(vec![save], Reason::Working, wake)
}

/// Nothing is seen of the claimant: wait, for it may only be slow to show; then it is lost.
fn not_seen(view: &View, intent: &Intent) -> Plan {
    let unknown = view.seen.sightings.iter().find_map(|s| match s {
        Sighting::Unknown { why } => Some(why),
        _ => None,
    });
    if let (Some(why), None) = (unknown, view.limits.lease) {
        return view.unknown(why);
    }
    let Some(since) = intent.vanished_at else {
        return mark_vanished(view);
    };
    let patience = view.limits.lease.unwrap_or_default();
    let heard = view.seen.heartbeat.as_ref().map_or(since, |h| h.at);
    let leased = later(heard, patience).max(since);
    let until = later(leased, view.limits.vanish_grace);
    if view.now < until {
        return Plan::wait(Reason::Vanished, Some(until));
    }
    lost(
        view,
        StopReason::Lost,
        "the runner claimed the seat and is not to be seen any more",
    )
}

fn mark_vanished(view: &View) -> Plan {
    let mut status = view.status.clone();
    if let Some(intent) = &mut status.intent {
        intent.vanished_at = Some(view.now);
    }
    view.save(status, None).plan()
}

fn lost(view: &View, reason: StopReason, text: &str) -> Plan {
    stop::decide_failed(
        view,
        reason,
        Failure::new(FailureClass::Infrastructure, text),
    )
}

/// Whether an instance other than the claimant runs in the seat.
pub(super) fn stranger_alive(view: &View, claim: &Claim) -> bool {
    view.seen
        .sightings
        .iter()
        .any(|s| matches!(s, Sighting::Alive { instance } if *instance != claim.instance))
}

fn instance(sighting: &Sighting) -> Option<&str> {
    match sighting {
        Sighting::Alive { instance } | Sighting::Exited { instance, .. } => Some(instance),
        Sighting::Unknown { .. } => None,
    }
}

fn exit_text(sighting: &Sighting) -> Option<String> {
    match sighting {
        Sighting::Exited {
            signal: Some(n), ..
        } => Some(format!("signal {n}")),
        Sighting::Exited { code: Some(n), .. } => Some(format!("exit code {n}")),
        Sighting::Exited { .. } => Some("exit code unknown".to_owned()),
        _ => None,
    }
}
