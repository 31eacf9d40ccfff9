//! A job whose object was deleted. It is cancelled, recorded and removed like any other; what cannot be ended or told
//! by a time is given up, so that no object stays for ever, and at once where a person says so.
//!
//! Given up means that the place may still work on what it was given, within the limits of its brief. No other attempt
//! follows, and the seat goes with the record: whoever still reports is refused.

use super::{Action, Call, Plan, Reason, View, ended, later};
use crate::{outcome::Outcome, status::EndedAttempt};

/// What is left to do when there is to be no more waiting.
pub(super) fn plan(view: &View) -> Option<Plan> {
    let at = view.job.deleted_at()?;
    let over = view.status.is_over();
    let late = view.now >= later(at, view.limits.remove_within);
    (!over && (late || view.job.is_forced_out())).then(|| give_up(view))
}

/// Reaps, tells memory and forgets the seats, each at most once; then removes the record whatever those said.
fn give_up(view: &View) -> Plan {
    if view.seen.failed(Call::Remove) {
        return view.unknown("the record could not be removed");
    }
    let under_way = view.status.intent.is_some();
    let told = last_end(view).and_then(|end| ended::for_memory(view, &end));
    let untold = view.seen.answer(Call::Record).is_none();
    let mut actions = Vec::new();
    if under_way && view.seen.answer(Call::Reap).is_none() {
        actions.push(Action::Reap);
    }
    actions.extend(told.filter(|_| untold).map(Box::new).map(Action::Record));
    if !view.seen.failed(Call::Discard) {
        actions.push(Action::Discard);
    }
    actions.push(Action::Remove);
    Plan::act_then_wait(actions, Reason::Finished, view.now)
}

/// How the last attempt ended, as far as anybody will know; nothing where none is untold.
fn last_end(view: &View) -> Option<EndedAttempt> {
    let reported = view.seen.report.as_ref().filter(|_| !view.seen.stopped);
    let outcome = reported.map_or(Outcome::Cancelled, |r| r.outcome);
    let failure = reported.and_then(|r| r.failure.clone());
    let now = view.status.intent.as_ref().map(|_| EndedAttempt {
        attempt: view.status.attempt,
        outcome,
        failure,
        at: view.now,
    });
    view.status.unrecorded.clone().or(now)
}
