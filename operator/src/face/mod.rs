//! How jobs come in, and how runners are spoken to. A face never decides about a job.

mod faced;
pub mod http;
pub mod mcp;
pub mod rate;
pub mod seat;
pub mod services;

pub use faced::Faced;
pub use services::{ElfFace, HttpLimits, Intake, NewRule, RuleQuery, Services};
