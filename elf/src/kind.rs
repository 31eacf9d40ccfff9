//! What sort of rule a rule is. What is measured is a heuristic; what a person decided, or holds to be true always,
//! stands by their word.

use serde::{Deserialize, Serialize};

/// What sort of rule.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum RuleKind {
    /// It may help; outcomes say whether it does.
    #[default]
    Heuristic,
    /// What was decided, until another decision takes its place.
    Decision,
    /// What must always hold.
    Invariant,
}

impl RuleKind {
    /// Whether it comes into prompts by a person's word, without having to win a draw.
    #[must_use]
    pub const fn is_stated(self) -> bool {
        matches!(self, Self::Decision | Self::Invariant)
    }

    /// What stands before its text in a prompt.
    #[must_use]
    pub const fn lead(self) -> &'static str {
        match self {
            Self::Heuristic => "",
            Self::Decision => "Decided: ",
            Self::Invariant => "Must hold: ",
        }
    }

    /// The word of the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Heuristic => "heuristic",
            Self::Decision => "decision",
            Self::Invariant => "invariant",
        }
    }
}
