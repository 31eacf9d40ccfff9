//! Asking a store: lists, pages and the event log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    job::{AgentJob, Tenant, Uid},
    spec::JobType,
};

/// Most rows of one page.
pub const MAX_PAGE: u32 = 500;

/// Where a job stands, as lists and the old API tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// Nothing runs: waiting, suspended or between attempts.
    Queued,
    /// An attempt is under way.
    Running,
    /// Over, and done.
    Succeeded,
    /// Over otherwise.
    Failed,
}

impl Phase {
    /// Where this job stands.
    #[must_use]
    pub fn of(job: &AgentJob) -> Self {
        use crate::outcome::Outcome::Succeeded;
        let status = job.status();
        match (status.outcome, &status.intent) {
            (Some(Succeeded), _) => Self::Succeeded,
            (Some(_), _) => Self::Failed,
            (None, Some(intent)) if intent.claim.is_some() => Self::Running,
            (None, _) => Self::Queued,
        }
    }

    /// The word of the old API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }
}

/// Which jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this tenant's; everybody's when absent.
    pub tenant: Option<Tenant>,
    /// Only the job of this name.
    pub name: Option<String>,
    /// Only the job that was submitted with this idempotency key; keys belong to a tenant.
    pub key: Option<String>,
    /// Only jobs that were submitted before this time.
    pub submitted_before: Option<Timestamp>,
    /// Only these phases; all when empty.
    pub phases: Vec<Phase>,
    /// Only this type.
    pub job_type: Option<JobType>,
    /// Only jobs whose reconciling is not over: not finished, not recorded, or waiting for removal.
    pub open_only: bool,
    /// Continue after this cursor, which an earlier page gave.
    pub after: Option<String>,
    /// Most rows; at most [`MAX_PAGE`].
    pub limit: u32,
}

/// One page of jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<AgentJob>,
    /// The cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// Something that happened to a job. The store numbers events in the order of their commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log; strictly rising.
    pub seq: u64,
    /// Whose.
    pub tenant: Tenant,
    /// Which job.
    pub uid: Uid,
    /// A stable word: Submitted, Starting, Running, Succeeded, …
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// An event before the store has numbered it; it belongs to the job that is saved with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// A stable word.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What is kept of the event log. Its oldest part is forgotten, so that it does not grow for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The number of the newest event that is forgotten; 0 when none is.
    pub forgotten: u64,
    /// The number of the newest event; 0 before the first.
    pub newest: u64,
}

/// Which events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only this tenant's; everybody's when absent.
    pub tenant: Option<Tenant>,
    /// Only this job's.
    pub uid: Option<Uid>,
    /// Only events after this place in the log.
    pub after: u64,
    /// Most rows; at most [`MAX_PAGE`].
    pub limit: u32,
}
