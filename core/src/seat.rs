//! The seat, and everything that is said about one: who claimed it, what is seen of it, what it
//! reports. A seat is the key of everything that may happen only once.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    job::{BadName, Uid},
    money::Usd,
    outcome::{Failure, Outcome},
};

/// One numbered try of one job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seat {
    /// The job.
    pub uid: Uid,
    /// Which try, from 1.
    pub attempt: u32,
}

impl Seat {
    /// The seat of this try of this job.
    #[must_use]
    pub const fn new(uid: Uid, attempt: u32) -> Self {
        Self { uid, attempt }
    }

    /// What its pod or container is called: the same every time.
    #[must_use]
    pub fn object_name(&self) -> String {
        format!("aj-{}-{}", self.uid, self.attempt)
    }

    /// The seat whose pod or container has this name.
    #[must_use]
    pub fn of_object_name(name: &str) -> Option<Self> {
        let (uid, attempt) = name.strip_prefix("aj-")?.rsplit_once('-')?;
        let seat = Self::new(uid.parse().ok()?, attempt.parse().ok()?);
        // One name a seat: `aj-…-01` is nobody's.
        (seat.object_name() == name).then_some(seat)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.uid, self.attempt)
    }
}

impl FromStr for Seat {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new("seat", text, "must be <job uid>/<attempt>");
        let (uid, attempt) = text.split_once('/').ok_or_else(bad)?;
        let attempt: u32 = attempt.parse().map_err(|_| bad())?;
        Ok(Self::new(uid.parse()?, attempt))
    }
}

/// Which instance took the seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// A random text that only this instance knows, so that it may ask again after a lost answer.
    #[schemars(length(max = 64))]
    pub nonce: String,
    /// What the back end calls this instance: boot id, pid and start time on one machine, a pod
    /// uid, a container id, a task ARN.
    #[schemars(length(max = 256))]
    pub instance: String,
    /// When it was claimed.
    pub at: Timestamp,
}

/// Why a seat was closed before anybody claimed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// A sentence for people.
    #[schemars(length(max = 256))]
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What stands in the seat register. It is written once and never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Register {
    /// Nobody came, and the door is open.
    #[default]
    Open,
    /// This instance has the seat.
    Claimed(Claim),
    /// Nobody will have it.
    Closed(Closed),
}

/// What work has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Money.
    pub usd: Usd,
    /// Tokens read by models, cached ones included.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub input_tokens: u64,
    /// Tokens written by models.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub output_tokens: u64,
    /// Whole seconds of work.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seconds: u64,
}

impl Usage {
    /// The sum of two uses.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd.plus(other.usd),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            seconds: self.seconds.saturating_add(other.seconds),
        }
    }

    /// Tokens in and out.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// How many agents a job has, and what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentCounts {
    /// All of them.
    pub total: u32,
    /// At work.
    pub working: u32,
    /// Waiting for somebody or something.
    pub blocked: u32,
}

/// What a runner says while it works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heartbeat {
    /// When it was sent.
    pub at: Timestamp,
    /// What this attempt has cost so far.
    pub usage: Usage,
    /// The agents, where the job has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<AgentCounts>,
    /// One line about what is going on. At most 256 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// More for the dashboard: one object per agent.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// What a runner says at the end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the job type promises as its result; null without one.
    #[serde(default)]
    pub result: Value,
    /// What this attempt cost.
    #[serde(default)]
    pub usage: Usage,
    /// Paths the work touched, relative to its workspace; for memory. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Lessons in the form `[LEARNED:domain] text`, as the work wrote them. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons: Vec<String>,
    /// How well it went, from 0 to 1, where the job type can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<f64>,
    /// When the attempt began to work.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// What a back end sees of one instance. An instance that is not seen has no sighting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sighting {
    /// It runs.
    Alive {
        /// As in [`Claim::instance`].
        instance: String,
    },
    /// It is over; nothing of it runs.
    Exited {
        /// As in [`Claim::instance`].
        instance: String,
        /// The exit code, unless a signal ended it or the place has forgotten it.
        code: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
        /// What the place says about the end, where it knows more: it ran out of memory, perhaps.
        why: Option<Failure>,
    },
    /// The place cannot be asked, or what is seen proves nothing. Never taken for dead.
    Unknown {
        /// What was attempted and seen.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_seat_and_no_other_name_does() {
        let name = "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-2";
        let seat = Seat::of_object_name(name);
        assert_eq!(seat.map(|s| s.object_name()).as_deref(), Some(name));
        for other in [
            "",
            "aj-",
            "aj-x-1",
            "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-02",
            "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-+2",
            "bj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-2",
        ] {
            assert_eq!(Seat::of_object_name(other), None, "{other}");
        }
    }
}
