//! How far a rule is trusted before there is evidence, by who said it. A tier bounds what may be claimed for a rule
//! and how many places of a prompt it may take while it is unproven. Evidence outweighs it.

use serde::{Deserialize, Serialize};

use crate::{
    entry::{Legacy, SourceKind},
    learn::MOST_CLAIMED,
};

/// Most places of one prompt for rules that nobody but an agent, or a text from outside, speaks for
/// and that were hardly tried.
pub const UNPROVEN: usize = 2;

/// A tier; the later is trusted more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trust {
    /// A text from elsewhere: what an older program kept, of which nobody knows who said it.
    Outside,
    /// An agent said it.
    Agent,
    /// The runner made it of how jobs ended.
    Verdict,
    /// A person stated it.
    Human,
}

impl Trust {
    /// The tier of what this source said.
    #[must_use]
    pub const fn of(kind: SourceKind, legacy: Option<&Legacy>) -> Self {
        match (kind, legacy) {
            (_, Some(_)) => Self::Outside,
            (SourceKind::Human, None) => Self::Human,
            (SourceKind::Runner, None) => Self::Verdict,
            (SourceKind::Agent, None) => Self::Agent,
        }
    }

    /// The highest effect that may be claimed beforehand.
    #[must_use]
    pub const fn most_claimed(self) -> f64 {
        MOST_CLAIMED
            * match self {
                Self::Human => 1.0,
                Self::Verdict => 0.5,
                Self::Agent => 0.25,
                Self::Outside => 0.125,
            }
    }

    /// How sure whoever says nothing of it is taken to be, 0 to 1.
    #[must_use]
    pub const fn usual_claim(self) -> f64 {
        match self {
            Self::Human | Self::Verdict => 1.0,
            Self::Agent | Self::Outside => 0.5,
        }
    }

    /// Whether it may take few places while it is unproven.
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        matches!(self, Self::Agent | Self::Outside)
    }
}
