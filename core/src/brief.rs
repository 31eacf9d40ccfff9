//! What a runner is told: one file or one answer, complete, and the same however often it is sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    job::{AgentJob, BadName, Tenant},
    money::Usd,
    seat::Seat,
    spec::{AgentJobSpec, BackendName},
    status::Intent,
};

/// The version of this shape; a runner refuses one that it does not know.
pub const VERSION: u32 = 1;

/// What is asked, without what people may change while the job runs: a repeated launch has to be
/// the same launch.
fn unchanging(spec: &AgentJobSpec) -> AgentJobSpec {
    AgentJobSpec {
        deadline: None,
        priority: 0,
        ttl_after_finished: None,
        managed_by: None,
        suspend: false,
        cancel: false,
        ..spec.clone()
    }
}

/// What a runner is told about the one seat it is for. It carries no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// [`VERSION`].
    pub version: u32,
    /// Which seat.
    pub seat: Seat,
    /// Whose job.
    pub tenant: Tenant,
    /// The job's name.
    pub name: String,
    /// Where it runs.
    pub backend: BackendName,
    /// What is asked, as far as it cannot change: without deadline, priority, time to live,
    /// suspend and cancel.
    pub spec: AgentJobSpec,
    /// When the job's time is over.
    pub deadline_at: Timestamp,
    /// Money this attempt may still spend; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_left: Option<Usd>,
    /// Tokens this attempt may still use; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_left: Option<u64>,
}

impl Brief {
    /// The brief of the attempt that this job has frozen.
    ///
    /// # Errors
    /// The job has no uid or tenant: it was not written by a store.
    pub fn of(job: &AgentJob, intent: &Intent) -> Result<Self, BadName> {
        let status = job.status();
        let spent = status.earlier_usage.unwrap_or_default();
        let budget = job.spec.budget.unwrap_or_default();
        Ok(Self {
            version: VERSION,
            seat: job.seat()?,
            tenant: job.tenant()?,
            name: job.name().to_owned(),
            backend: intent.backend,
            spec: unchanging(&job.spec),
            deadline_at: intent.deadline_at,
            usd_left: budget.usd.map(|all| all.less(spent.usd)),
            tokens_left: budget.tokens.map(|all| all.saturating_sub(spent.tokens())),
        })
    }
}
