//! What an attempt's end says about the lessons that were in its prompt: success, failure, or
//! nothing. Pure.

use sandbox_core::{FailureClass, Outcome};
use serde::{Deserialize, Serialize};

/// What is learned from an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Label {
    /// The work was done.
    Success,
    /// The work was tried and not done.
    Failure,
    /// The end says nothing about the work; nothing is learned from it.
    Unknown,
}

impl Label {
    /// The label of an end.
    ///
    /// A machine that died, a rate limit, used-up money or a person's wish say nothing about the
    /// work: unknown. Running out of time is a failure, whoever set the time: the prompt, with
    /// what stood in it, did not bring the work to its end, and a lesson that makes agents slow
    /// must not go free. A failure that nobody could class is unknown.
    #[must_use]
    pub const fn of(outcome: Outcome, class: Option<FailureClass>) -> Self {
        use FailureClass as C;
        match (outcome, class) {
            (Outcome::Succeeded, _) => Self::Success,
            (Outcome::TimedOut, _)
            | (
                Outcome::Failed,
                Some(C::Deadline | C::AgentError | C::OutputRejected | C::InvalidSpec),
            ) => Self::Failure,
            (Outcome::Failed | Outcome::Cancelled, _) => Self::Unknown,
        }
    }

    /// The word of the old API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_that_tell_about_the_work_are_successes_or_failures() {
        use FailureClass as C;
        assert_eq!(Label::of(Outcome::Succeeded, None), Label::Success);
        assert_eq!(Label::of(Outcome::Cancelled, None), Label::Unknown);
        assert_eq!(
            Label::of(Outcome::TimedOut, Some(C::Deadline)),
            Label::Failure
        );
        assert_eq!(Label::of(Outcome::Failed, None), Label::Unknown);
        for class in C::ALL {
            let silent = matches!(
                class,
                C::Infrastructure | C::Preempted | C::RateLimited | C::BudgetExceeded
            );
            let expected = if silent {
                Label::Unknown
            } else {
                Label::Failure
            };
            assert_eq!(
                Label::of(Outcome::Failed, Some(class)),
                expected,
                "{class:?}"
            );
        }
    }
}
