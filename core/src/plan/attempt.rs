//! An attempt is under way: launch it, see who came, and notice when it is over.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Call, Plan, Reason, View, ended, gone, later, stop};
use crate::{
    brief::Brief,
    outcome::{Failure, FailureClass},
    port::PortError,
    seat::{Claim, Heartbeat, Register, Sighting},
    status::{AgentJobStatus, Intent, StopReason, condition},
};

/// How long there may be no room until an attempt is given up.
const ROOM_WITHIN: Duration = Duration::from_mins(10);
/// Most characters of a reason in the status.
const LONGEST_REASON: usize = 512;

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
    if let Some(report) = stop::decisive_report(view) {
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

/// Writes down that the work has begun, once; what else is the case is seen to right after.
fn claim_seen(view: &View, claim: &Claim) -> Plan {
    let mut status = view.status.clone();
    let text = begun(&mut status, claim, view.now);
    view.save(status, Some(("Running", text))).plan()
}

/// The status of a job whose attempt under way was claimed; gives the words for the event `Running`. Whoever writes the
/// claim into the same record may write this with it.
pub fn begun(status: &mut AgentJobStatus, claim: &Claim, now: Timestamp) -> String {
    if let Some(intent) = &mut status.intent {
        intent.claim = Some(claim.clone());
    }
    status.queued_reason = None;
    let text = format!("attempt {} is at work", status.attempt);
    for (kind, word) in [
        (condition::SUCCEEDED, "Unknown"),
        (condition::RECONCILING, "True"),
    ] {
        status.set_condition(kind, word, ("Running", &text), now);
    }
    text
}

fn unclaimed(view: &View, intent: &Intent) -> Plan {
    if let Some(what) = &view.seen.preparing {
        return prepare(view, intent, what);
    }
    if let Some(plan) = launch_answer(view, intent) {
        return plan;
    }
    if let Some(at) = intent.not_before.filter(|at| view.now < *at) {
        return wait_for_room(view, at);
    }
    let from = intent.prepared_at.unwrap_or(intent.at);
    let late = later(from, view.limits.claim_within);
    if let Some(exited) = nobody_left(view) {
        return ended_alone(view, exited, "the runner ended before it claimed its seat");
    }
    if view.now >= late {
        return lost(
            view,
            StopReason::Unclaimed,
            "no runner claimed the seat in time",
        );
    }
    match view.why_unknown() {
        Some(why) => view.unknown(why),
        None if nothing_begun(view) => launch(view, intent),
        None => Plan::wait(Reason::WaitingForClaim, Some(late)),
    }
}

/// Says what is being done, and keeps the time for the claim from running until it is.
fn prepare(view: &View, intent: &Intent, what: &str) -> Plan {
    let wake = view.after(super::ASK_AGAIN);
    let what = what.to_owned();
    let told = view.status.queued_reason.as_ref() == Some(&what);
    // What may last for hours is written down seldom, and at least half of the time for the claim stays.
    let fresh = intent.prepared_at;
    let fresh = fresh.map(|at| later(at, view.limits.claim_within / 2));
    let reason = Reason::Preparing { what: what.clone() };
    if told && fresh.is_some_and(|until| view.now < until) {
        return Plan::wait(reason, Some(wake));
    }
    let mut status = view.status.clone();
    let first = intent.prepared_at.is_none();
    if let Some(intent) = &mut status.intent {
        intent.prepared_at = Some(view.now);
    }
    status.queued_reason = Some(what.clone());
    let save = view.save(status, first.then_some(("Preparing", what)));
    Plan::act_then_wait(vec![save.action()], reason, wake)
}

/// An instance that ended, when all that were begun have ended and nobody can claim any more.
fn nobody_left<'a>(view: &View<'a>) -> Option<&'a Sighting> {
    let all = &view.seen.sightings;
    let ended = |s: &Sighting| matches!(s, Sighting::Exited { .. });
    all.first().filter(|_| all.iter().all(ended))
}

/// A runner that is over and said nothing; the place may know why.
fn ended_alone(view: &View, exited: &Sighting, what: &str) -> Plan {
    let known = match exited {
        Sighting::Exited { why, .. } => why.as_ref(),
        _ => None,
    };
    let how = exit_text(exited).unwrap_or_default();
    let (class, more) = match known {
        Some(why) => (why.class, format!(": {}", why.message)),
        None => (FailureClass::Infrastructure, String::new()),
    };
    let failure = Failure::new(class, format!("{what} ({how}){more}"));
    stop::decide_failed(view, StopReason::Lost, failure)
}

fn nothing_begun(view: &View) -> bool {
    view.seen.sightings.is_empty() && view.seen.remains == 0
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
fn launch_answer(view: &View, intent: &Intent) -> Option<Plan> {
    match view.seen.answer(Call::Launch)? {
        Ok(()) => None,
        Err(PortError::NoRoom(why)) => Some(no_room(view, intent, why)),
        Err(PortError::Refused(failure)) => Some(stop::decide_failed(
            view,
            StopReason::Refused,
            failure.clone(),
        )),
        Err(e) => Some(view.unknown(e.to_string())),
    }
}

/// Nothing was started for want of room: the next choice is written down before it is tried, and the last one is
/// tried again after a pause, until that took too long.
fn no_room(view: &View, intent: &Intent, why: &str) -> Plan {
    if view.now >= later(intent.at, ROOM_WITHIN) {
        return lost(view, StopReason::Refused, why);
    }
    let mut status = view.status.clone();
    let first = intent.choice == 0;
    if let Some(next) = &mut status.intent {
        let tried = intent
            .launch
            .as_ref()
            .is_none_or(|l| l.is_last(intent.choice));
        next.choice += 1;
        next.not_before = tried.then(|| view.after(pause(intent.choice, view.limits.claim_within)));
        next.prepared_at = Some(view.now);
    }
    let text: String = why.chars().take(LONGEST_REASON).collect();
    status.queued_reason = Some(text.clone());
    view.save(status, first.then_some(("NoRoom", text))).plan()
}

/// How long the last choice is not tried again: it doubles, and at least half of the time for the claim stays.
fn pause(choice: u32, claim_within: Duration) -> Duration {
    let pause = super::ASK_AGAIN.saturating_mul(1 << choice.min(4));
    pause.min(claim_within / 2)
}

fn wait_for_room(view: &View, at: Timestamp) -> Plan {
    let what = view.status.queued_reason.clone().unwrap_or_default();
    Plan::wait(Reason::Preparing { what }, Some(at))
}

fn claimed(view: &View, intent: &Intent, claim: &Claim) -> Plan {
    if let Some(plan) = stop_strangers(view, claim) {
        return plan;
    }
    match sighting_of(view, claim) {
        Some(Sighting::Alive { .. }) => at_work(view, intent),
        Some(exited) => ended_alone(view, exited, "the runner ended without a report"),
        None => not_seen(view),
    }
}

fn at_work(view: &View, intent: &Intent) -> Plan {
    let mut status = view.status.clone();
    let told = view.seen.heartbeat.as_ref();
    let news = told.is_some_and(|told| progressed(&mut status, told));
    let wake = super::wait::due(view, intent);
    if !news && intent.vanished_at.is_none() {
        return Plan::wait(Reason::Working, Some(wake));
    }
    if let Some(intent) = &mut status.intent {
        intent.vanished_at = None;
    }
    let save = view.save(status, None).action();
    Plan::act_then_wait(vec![save], Reason::Working, wake)
}

/// Puts what a heartbeat says into the status; says whether that is news. Whoever writes the heartbeat into the same
/// record may write this with it.
pub fn progressed(status: &mut AgentJobStatus, told: &Heartbeat) -> bool {
    let usage = status.earlier_usage.unwrap_or_default().plus(told.usage);
    let agents = told.agents.or(status.agents);
    let news = usage != status.usage.unwrap_or_default() || agents != status.agents;
    if news {
        status.usage = Some(usage);
        status.agents = agents;
    }
    news
}

/// Nothing is seen of the claimant: wait, for it may only be slow to show; then it is lost.
fn not_seen(view: &View) -> Plan {
    let text = "the runner claimed the seat and is not to be seen any more";
    gone::wait(view).unwrap_or_else(|| lost(view, StopReason::Lost, text))
}

fn lost(view: &View, reason: StopReason, text: &str) -> Plan {
    stop::decide_failed(
        view,
        reason,
        Failure::new(FailureClass::Infrastructure, text),
    )
}

/// Ends the instances that came too late for the seat, unless that was tried just now.
pub(super) fn stop_strangers(view: &View, claim: &Claim) -> Option<Plan> {
    let stranger =
        |s: &Sighting| matches!(s, Sighting::Alive { instance } if *instance != claim.instance);
    if view.seen.failed(Call::Stop) || !view.seen.sightings.iter().any(stranger) {
        return None;
    }
    let keep = Some(claim.instance.clone());
    let wake = view.after(super::ASK_AGAIN);
    let actions = vec![Action::Stop { keep }];
    Some(Plan::act_then_wait(actions, Reason::Working, wake))
}

/// What is seen of the claimant.
pub(super) fn sighting_of<'a>(view: &'a View, claim: &Claim) -> Option<&'a Sighting> {
    let mine = |s: &&Sighting| instance(s) == Some(claim.instance.as_str());
    view.seen.sightings.iter().find(mine)
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
