//! How an attempt or a job ended, and which class of failure it was.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a job ended. Absent while it is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// The work is done and its result stands.
    Succeeded,
    /// The work is not done; the failure says why.
    Failed,
    /// A person or a program asked for the end.
    Cancelled,
    /// The deadline passed.
    TimedOut,
}

impl Outcome {
    /// The word as it stands in status, events and exit messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::TimedOut => "TimedOut",
        }
    }
}

/// Who or what is to blame for a failure; retries are decided by it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum FailureClass {
    /// The place failed: a machine, a process, a disk, the network.
    Infrastructure,
    /// The place took its resources back.
    Preempted,
    /// The model's side asked to slow down.
    RateLimited,
    /// The job's money or tokens were used up.
    BudgetExceeded,
    /// The attempt ran out of its own time.
    Deadline,
    /// The agent or the program did the work wrongly or gave up.
    AgentError,
    /// The work was done, and what it made was refused.
    OutputRejected,
    /// What was asked cannot be done as written.
    InvalidSpec,
}

impl FailureClass {
    /// Every class, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Infrastructure,
        Self::Preempted,
        Self::RateLimited,
        Self::BudgetExceeded,
        Self::Deadline,
        Self::AgentError,
        Self::OutputRejected,
        Self::InvalidSpec,
    ];

    /// The word as it stands in status and in `spec.retry.on`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Infrastructure => "Infrastructure",
            Self::Preempted => "Preempted",
            Self::RateLimited => "RateLimited",
            Self::BudgetExceeded => "BudgetExceeded",
            Self::Deadline => "Deadline",
            Self::AgentError => "AgentError",
            Self::OutputRejected => "OutputRejected",
            Self::InvalidSpec => "InvalidSpec",
        }
    }

    /// Whether another attempt may help without anybody changing anything.
    #[must_use]
    pub const fn retried_by_default(self) -> bool {
        matches!(
            self,
            Self::Infrastructure | Self::Preempted | Self::RateLimited
        )
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Infrastructure => "look at the logs and at `sandbox doctor`, then retry the job",
            Self::Preempted => "retry the job, or ask for capacity that is not taken back",
            Self::RateLimited => "wait, or use another key or plan",
            Self::BudgetExceeded => "raise spec.budget in a new job",
            Self::Deadline => "give the job a longer deadline",
            Self::AgentError => "read the logs and change the task",
            Self::OutputRejected => "read the logs; what was made did not pass its checks",
            Self::InvalidSpec => "correct the job and submit it again",
        }
    }
}

/// One failure, told to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The class, which decides about retries.
    pub class: FailureClass,
    /// What was attempted, what was seen, what to do. At most 1,024 bytes.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Not before this time, where the other side named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Failure {
    /// A failure whose message is cut to what a status may hold.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let mut end = message.len().min(1024);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        Self {
            class,
            message,
            until: None,
        }
    }
}
