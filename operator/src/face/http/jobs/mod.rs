//! Routes of jobs: submit, read, change. Nothing here starts or stops anything: the reconciler
//! reads what was written and acts.

pub(super) mod amend;
pub(super) mod change;
pub(super) mod list;
mod new;
pub mod old;
mod places;
pub(super) mod queue;
pub(super) mod submit;
