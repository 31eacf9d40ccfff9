//! The words, the ports and the one decision.
//!
//! Every other package speaks in these types. Nothing here opens a socket, reads a clock or names
//! a store or a back end: [`plan::plan`] is pure, and [`reconcile::reconcile`] reaches the world
//! only through the traits of [`port`].

pub mod brief;
pub mod cause;
pub mod crd;
pub mod host;
pub mod job;
pub mod money;
pub mod outcome;
pub mod plan;
pub mod port;
pub mod query;
pub mod reconcile;
pub mod seat;
pub mod spec;
pub mod standing;
pub mod status;
pub mod validate;

pub use brief::Brief;
pub use host::RunnerHost;
pub use job::{AgentJob, Tenant, Uid};
pub use money::Usd;
pub use outcome::{Failure, FailureClass, Outcome};
pub use seat::{Claim, Heartbeat, Register, Report, Seat, Sighting, Usage};
pub use spec::{AgentJobSpec, JobType};
pub use status::AgentJobStatus;
