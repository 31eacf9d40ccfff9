//! A whole deployment is paused: no attempt begins, wherever there is room. What waits goes on waiting and says so; what
//! is at work goes on to its end, or is stopped as if its job were suspended.

use super::{
    Plan, Reason, View,
    wait::{held_back, rest},
};

/// What becomes of attempts that are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// They go on to their end.
    Drain,
    /// They are stopped, and others follow them when the deployment goes on.
    Now,
}

/// The job waits until the deployment goes on; its time starts anew then.
pub(super) fn hold(view: &View) -> Plan {
    let why = ("Paused", &*Reason::Paused.to_string());
    let status = held_back(view, view.status.clone(), why);
    rest(view, status, Reason::Paused, None)
}
