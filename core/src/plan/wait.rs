//! No attempt is under way: start one, or say why not.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Plan, Reason, View, later};
use crate::{
    brief::Brief,
    outcome::{Failure, FailureClass, Outcome},
    plan::finish,
    port::Reservation,
    spec::span,
    status::{AgentJobStatus, Intent, condition},
};

/// Looks again for a slot even if no job gives one back.
const LOOK_FOR_SLOT: Duration = Duration::from_secs(30);

pub(super) fn plan(view: &View) -> Plan {
    let (spec, status) = (&view.job.spec, view.status);
    if spec.cancel {
        return finish::conclude(view, Outcome::Cancelled, None);
    }
    if status.started_at.is_some() && view.now >= deadline_at(view) {
        return finish::conclude(view, Outcome::TimedOut, Some(too_late()));
    }
    if spec.suspend {
        return Plan::wait(Reason::Suspended, None);
    }
    if let Some(at) = status.retry_at.filter(|at| *at > view.now) {
        return Plan::wait(Reason::BackingOff, Some(at));
    }
    if let Some(failure) = nothing_left(view) {
        return finish::conclude(view, Outcome::Failed, Some(failure));
    }
    if !fits(view) {
        let position = view.limits.ahead.saturating_add(1);
        let reason = Reason::WaitingForSlot { position };
        return Plan::wait(reason, Some(view.after(LOOK_FOR_SLOT)));
    }
    start(view)
}

/// Slots this job takes: one, or one for each agent, and never more than there are.
fn slots(view: &View) -> u32 {
    let agents = view.job.spec.agent_farm.as_ref().map_or(1, |f| f.agents);
    agents.clamp(1, view.limits.slots.max(1))
}

/// First come, first served: a free slot belongs to the first that waits, whatever it needs.
fn fits(view: &View) -> bool {
    let free = view.limits.slots.saturating_sub(view.limits.slots_held);
    slots(view).saturating_add(view.limits.ahead) <= free
}

/// Saves the intent with its reservation, then launches: one round, in this order.
fn start(view: &View) -> Plan {
    let intent = intent(view);
    let hold = Reservation {
        pool: format!("slots/{}", intent.backend.word()),
        units: intent.slots,
        capacity: view.limits.slots,
    };
    let mut job = view.job.clone();
    let mut status = view.status.clone();
    begin(&mut status, intent.clone(), view.now);
    let text = format!("attempt {} is starting", status.attempt);
    let save = view.save(status.clone(), Some(("Starting", text)));
    job.status = Some(status);
    let mut actions = vec![save.holding(vec![hold]).action()];
    actions.extend(Brief::of(&job, &intent).map(|b| Action::Launch(Box::new(b))));
    let late = view.after(view.limits.claim_within.min(super::ASK_AGAIN));
    Plan::act_then_wait(actions, Reason::WaitingForClaim, late)
}

fn intent(view: &View) -> Intent {
    let backend = view.job.spec.backend.as_ref();
    Intent {
        backend: backend.map_or(view.limits.backend, |b| b.name),
        at: view.now,
        deadline_at: deadline_at(view),
        choice: 0,
        slots: slots(view),
        claim: None,
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
pub(super) fn deadline_at(view: &View) -> Timestamp {
    let allowed = view.job.spec.deadline.map_or(view.limits.deadline, span);
    later(view.status.started_at.unwrap_or(view.now), allowed)
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
