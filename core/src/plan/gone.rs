//! Nothing is seen of a runner: how long that may be slowness or a cut line, and when it is over.
//!
//! Absence proves nothing at once. Where a runner can be cut off, its lease ends its work even
//! though its place is silent; where it cannot, silence is waited for as long as it lasts.

use super::{Plan, Reason, View, hosts::over_by};

/// Waits for a runner that shows nothing; `None` when its time to show is over.
pub(super) fn wait(view: &View) -> Option<Plan> {
    if let (Some(why), None) = (view.why_unknown(), view.limits.lease) {
        return Some(view.unknown(why));
    }
    let Some(since) = view.status.intent.as_ref()?.vanished_at else {
        return Some(mark(view));
    };
    let until = over_by(view, since);
    (view.now < until).then(|| Plan::wait(Reason::Vanished, Some(until)))
}

/// Writes down since when nothing is seen.
fn mark(view: &View) -> Plan {
    let mut status = view.status.clone();
    if let Some(intent) = &mut status.intent {
        intent.vanished_at = Some(view.now);
    }
    view.save(status, None).plan()
}
