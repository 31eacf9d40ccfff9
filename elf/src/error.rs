//! What memory says when it does not do what was asked. Decides nothing.

use sandbox_core::{FailureClass, port::PortError};

use crate::store::LedgerError;

/// Why memory did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// What was given cannot be kept as it is.
    #[error("read {field}: {problem}")]
    Invalid {
        /// The field, as the caller knows it.
        field: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// There is no such thing for this tenant.
    #[error("looked for {what} {id:?}: there is none")]
    NotFound {
        /// What was looked for, such as `rule`.
        what: &'static str,
        /// The id that was given.
        id: String,
    },
    /// A person has retired this rule, so it is not added again in passing.
    #[error("added a rule: {0} says the same and is retired; make it active again instead")]
    Retired(String),
    /// The tenant has as many rules as there may be.
    #[error("added a rule: there are {0} already, which is the most; retire and export some")]
    Full(usize),
    /// The tenant has as many plans as an import may fill up.
    #[error("took over a plan: there are {0} already, which is the most")]
    ManyPlans(usize),
    /// A plan whose end was told otherwise before.
    #[error("told how plan {0} went: postmortem {1} has told it already; give one without a plan")]
    Reviewed(u64, u64),
    /// A vote about a rule that was not in that seat's prompt.
    #[error(
        "voted on {rule}: it was not in the prompt of seat {seat}, so nothing is known of it there"
    )]
    NotInjected {
        /// The rule's id.
        rule: String,
        /// The seat.
        seat: String,
    },
    /// A vote about a rule that the same job stated.
    #[error("voted on {rule}: the job of seat {seat} said it itself, so its word proves nothing")]
    OwnRule {
        /// The rule's id.
        rule: String,
        /// The seat.
        seat: String,
    },
    /// A line of an export whose place in the log something else has.
    #[error(
        "took over a log: entry {0} here is another one, and a log is only continued by its own; \
         take it over into a tenant whose memory is empty"
    )]
    OtherHistory(u64),
    /// Lines of an export before which others are missing.
    #[error("took over a log: entry {0} comes next, and this begins at {1}; send what is between")]
    Gap(u64, u64),
    /// The store did not do it, or it is not known whether it did. Asking again is safe.
    #[error(transparent)]
    Store(#[from] LedgerError),
}

impl ElfError {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Invalid { field, problem }
    }

    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        let id = id.chars().take(100).collect();
        Self::NotFound { what, id }
    }
}

impl From<ElfError> for PortError {
    fn from(error: ElfError) -> Self {
        let text = error.to_string();
        match error {
            ElfError::Store(_) => Self::Unknown(text),
            ElfError::NotFound { .. } => Self::NotFound(text),
            ElfError::OtherHistory(_) | ElfError::Gap(..) => Self::Conflict(text),
            _ => Self::refused(FailureClass::InvalidSpec, text),
        }
    }
}
