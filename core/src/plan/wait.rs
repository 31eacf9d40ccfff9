//! No attempt is under way: start one, or say why not.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Plan, Reason, View,
    hosts::{self, Place},
    later, pause,
};
use crate::{
    brief::Brief,
    job::AgentJob,
    outcome::{Failure, FailureClass, Outcome},
    plan::finish,
    port::Reservation,
    spec::{BackendName, span},
    status::{AgentJobStatus, BackendRef, Intent, condition},
};

/// Looks again for a slot even if no job gives one back.
const LOOK_FOR_SLOT: Duration = Duration::from_secs(30);
/// What a suspended job says of itself: a word, and a sentence.
pub(super) const SUSPENDED: (&str, &str) = ("Suspended", "suspended");

pub(super) fn plan(view: &View) -> Plan {
    let (spec, status) = (&view.job.spec, view.status);
    if spec.cancel {
        return finish::conclude(view, Outcome::Cancelled, None);
    }
    if status.started_at.is_some() && view.now >= deadline_at(view) {
        return finish::conclude(view, Outcome::TimedOut, Some(too_late()));
    }
    if spec.suspend {
        let status = held_back(view, view.status.clone(), SUSPENDED);
        return rest(view, status, Reason::Suspended, None);
    }
    if view.limits.pause.is_some() {
        return pause::hold(view);
    }
    if let Some(at) = status.retry_at.filter(|at| *at > view.now) {
        return back_off(view, at);
    }
    if let Some(failure) = nothing_left(view) {
        return finish::conclude(view, Outcome::Failed, Some(failure));
    }
    if !view.limits.sites.offer(backend(view)) {
        return Plan::wait(Reason::NotOffered, None);
    }
    match hosts::place(view, backend(view)) {
        Err(why) => wait_for_host(view, why),
        Ok(place) if !place.room.fits(place.room.given(spec)) => wait_for_slot(view),
        Ok(place) => start(view, place),
    }
}

/// Waits for the end of the pause between two attempts. One that was held back meanwhile no longer says so.
fn back_off(view: &View, at: Timestamp) -> Plan {
    let mut status = view.status.clone();
    let was_held = [Reason::Suspended, Reason::Paused].map(|r| Some(r.to_string()));
    if was_held.contains(&status.queued_reason) {
        status.queued_reason = Some(Reason::BackingOff.to_string());
    }
    rest(view, status, Reason::BackingOff, Some(at))
}

fn wait_for_slot(view: &View) -> Plan {
    let position = view.limits.ahead.saturating_add(1);
    wait_in_line(view, Reason::WaitingForSlot { position }, "WaitingForSlot")
}

fn wait_for_host(view: &View, why: String) -> Plan {
    wait_in_line(view, Reason::WaitingForHost { why }, "WaitingForHost")
}

/// Waits in line; a pause that is over no longer keeps the job out of it.
fn wait_in_line(view: &View, reason: Reason, word: &str) -> Plan {
    let look = view.after(LOOK_FOR_SLOT);
    let begun = view.status.started_at.is_some();
    let wake = if begun {
        look.min(deadline_at(view))
    } else {
        look
    };
    let mut status = view.status.clone();
    let why = (word, reason.to_string());
    status.retry_at = None;
    status.queued_reason = Some(why.1.clone());
    status.set_condition(condition::SUCCEEDED, "Unknown", (why.0, &why.1), view.now);
    rest(view, status, reason, Some(wake))
}

/// A job that is held back keeps no outcome and no failure, and its time starts anew when it goes on.
pub(super) fn held_back(
    view: &View,
    mut status: AgentJobStatus,
    why: (&str, &str),
) -> AgentJobStatus {
    status.started_at = None;
    status.queued_reason = Some(why.1.to_owned());
    status.set_condition(condition::SUCCEEDED, "Unknown", why, view.now);
    status.set_condition(condition::RECONCILING, "False", why, view.now);
    status
}

/// Rests with this status, which is written only when people would read something else now.
pub(super) fn rest(
    view: &View,
    status: AgentJobStatus,
    reason: Reason,
    wake: Option<Timestamp>,
) -> Plan {
    let mut plan = Plan::wait(reason, wake);
    if status.queued_reason != view.status.queued_reason {
        plan.actions.push(view.save(status, None).action());
    }
    plan
}

/// Saves the intent with its reservation, then launches: one round, in this order.
fn start(view: &View, place: Place) -> Plan {
    let intent = intent(view, &place);
    let hold = Reservation {
        pool: place.pool,
        units: intent.slots,
        capacity: place.room.slots,
    };
    let mut job = view.job.clone();
    let mut status = view.status.clone();
    begin(&mut status, intent.clone(), view.now);
    // Its name is filled in when it is saved.
    let site = view.limits.sites.own.clone();
    let told = site.is_some() || place.host.is_some();
    status.backend_ref = told.then(|| BackendRef {
        kind: intent.backend.word().to_owned(),
        site,
        host: place.host,
        ..BackendRef::default()
    });
    let text = format!("attempt {} is starting", status.attempt);
    let save = view.save(status.clone(), Some(("Starting", text)));
    job.status = Some(status);
    let mut actions = vec![save.holding(vec![hold]).action()];
    actions.extend(Brief::of(&job, &intent).map(|b| Action::Launch(Box::new(b))));
    let late = view.after(view.limits.claim_within.min(super::ASK_AGAIN));
    Plan::act_then_wait(actions, Reason::WaitingForClaim, late)
}

fn backend(view: &View) -> BackendName {
    let backend = view.job.spec.backend.as_ref();
    backend.map_or(view.limits.backend, |b| b.name)
}

fn intent(view: &View, place: &Place) -> Intent {
    Intent {
        backend: backend(view),
        at: view.now,
        deadline_at: deadline_at(view),
        choice: 0,
        launch: None,
        not_before: None,
        slots: place.room.given(&view.job.spec),
        claim: None,
        prepared_at: None,
        vanished_at: None,
    }
}

fn begin(status: &mut AgentJobStatus, intent: Intent, now: Timestamp) {
    status.attempt += 1;
    status.started_at = status.started_at.or(Some(now));
    status.intent = Some(intent);
    status.retry_at = None;
    status.agents = None;
    status.backend_ref = None;
    let text = format!("attempt {} is starting", status.attempt);
    status.queued_reason = Some("launched, waiting for the runner".to_owned());
    status.set_condition(condition::SUCCEEDED, "Unknown", ("Starting", &text), now);
    status.set_condition(condition::FINISHED, "False", ("Starting", &text), now);
    status.set_condition(condition::RECONCILING, "True", ("Starting", &text), now);
}

/// When the time of the whole job is over, counted from its first start.
fn deadline_at(view: &View) -> Timestamp {
    let allowed = view.job.spec.deadline.map_or(view.limits.deadline, span);
    later(view.status.started_at.unwrap_or(view.now), allowed)
}

/// When the time of the attempt under way is over, with this deadline where the job names none.
#[must_use]
pub fn over_at(job: &AgentJob, deadline: Duration) -> Option<Timestamp> {
    let status = job.status();
    let intent = status.intent.as_ref()?;
    let allowed = job.spec.deadline.map_or(deadline, span);
    Some(later(status.started_at?, allowed).max(intent.deadline_at))
}

/// When the attempt under way is too late: as it was frozen, or as the job was given more time.
pub(super) fn due(view: &View, intent: &Intent) -> Timestamp {
    deadline_at(view).max(intent.deadline_at)
}

/// Whether another attempt could begin at this time.
pub(super) fn in_time(view: &View, at: Timestamp) -> bool {
    at < deadline_at(view)
}

pub(super) fn too_late() -> Failure {
    Failure::new(
        FailureClass::Deadline,
        "the job's deadline passed before its work was done",
    )
}

/// Whether earlier attempts have used up the budget.
fn nothing_left(view: &View) -> Option<Failure> {
    let spent = view.status.earlier_usage?;
    super::stop::over_budget(view.job, spent)
}
