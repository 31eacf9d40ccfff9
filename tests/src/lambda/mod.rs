//! AWS as the functions of a deployment meet it, of a test's own: the built `bootstrap` twice, as `api` and as
//! `reconcile`, each before a runtime API that hands it events; tables, objects, queue and secrets in the vendor's or
//! somebody else's servers; tasks in the double of ECS; API Gateway with TLS before it; and what would call `reconcile`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

pub mod account;
pub mod asked;
mod gateway;
mod pump;
pub mod runtime;
mod switches;
pub mod trouble;

pub use account::{Account, KEY, Plan};
pub use runtime::Function;
pub use switches::Switches;
