//! What a control plane asks of a machine, as JSON over TLS. Every question names its owner, and every answer is a
//! `Result`: what went wrong is told as the ports tell it.

use std::time::Duration;

use jiff::Timestamp;
use sandbox_core::{Brief, Claim, Failure, Seat, Uid, port::PortError, spec::BackendName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of these questions. A machine of another is told so, and nothing is begun there.
pub const VERSION: u32 = 1;
/// How long a ticket is good for, by the machine's own clock.
pub const TICKET: Duration = Duration::from_mins(1);
/// Largest question or answer, in bytes: a report with its result.
pub const LARGEST: usize = 9 * 1024 * 1024;

/// Whose seats are asked about: a control plane's name for this machine, which no other uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The name.
    pub owner: String,
}

/// What a machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// [`VERSION`].
    pub version: u32,
    /// The release that runs there.
    pub release: String,
    /// Another one each time that it is started.
    pub instance: String,
    /// The places it offers.
    pub backends: Vec<BackendName>,
    /// Slots there are.
    pub slots: u32,
    /// Slots that nobody has.
    pub free: u32,
    /// What its clock says.
    pub now: Timestamp,
}

/// Leave for one start, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// To be shown with the start.
    pub ticket: String,
    /// How long it is good for, in milliseconds.
    pub valid_ms: u64,
}

/// A start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The leave.
    pub ticket: String,
    /// What the runner is told.
    pub brief: Brief,
    /// How long it may go on without being acknowledged, in milliseconds.
    pub lease_ms: u64,
}

/// A look.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LookAt {
    /// Who has the seat.
    pub claim: Option<Claim>,
}

/// The end of instances, or of everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stop {
    /// The instance that stays.
    pub keep: Option<String>,
    /// Whether all that was begun for the seat is ended and removed, its log included.
    pub all: bool,
}

/// Which piece of a log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Piece {
    /// Where it begins, in bytes.
    pub from: u64,
    /// Most bytes.
    pub limit: u32,
}

/// Asks what runners have said, and waits for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// How long to wait, in milliseconds.
    pub wait_ms: u64,
}

/// What is new on a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Polled {
    /// The machine.
    pub about: About,
    /// What runners ask; each is to be answered.
    pub asked: Vec<Asked>,
    /// Jobs whose runner may have ended.
    pub changed: Vec<Uid>,
    /// Every seat of this owner that is there.
    pub seats: Vec<Seat>,
}

/// A message of a runner: a verb of the seat protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// To be answered under this name.
    pub id: String,
    /// Whose.
    pub seat: Seat,
    /// Claim, brief, recall, heartbeat, report, record or ask.
    pub verb: String,
    /// What is said.
    pub body: Value,
}

/// The answer to a message of a runner, as HTTP has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whose.
    pub id: String,
    /// The code.
    pub status: u16,
    /// What is answered.
    pub body: String,
}

/// [`PortError`], to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trouble {
    /// Definitely not done.
    Refused(Failure),
    /// Not the newest.
    Conflict(String),
    /// Not there.
    NotFound(String),
    /// Not known.
    Unknown(String),
}

impl From<PortError> for Trouble {
    fn from(e: PortError) -> Self {
        match e {
            PortError::Refused(f) => Self::Refused(f),
            PortError::Conflict(t) => Self::Conflict(t),
            PortError::NotFound(t) => Self::NotFound(t),
            // A machine elsewhere is asked again in the same way.
            PortError::NoRoom(t) | PortError::Unknown(t) => Self::Unknown(t),
        }
    }
}

impl From<Trouble> for PortError {
    fn from(e: Trouble) -> Self {
        match e {
            Trouble::Refused(f) => Self::Refused(f),
            Trouble::Conflict(t) => Self::Conflict(t),
            Trouble::NotFound(t) => Self::NotFound(t),
            Trouble::Unknown(t) => Self::Unknown(t),
        }
    }
}

/// What every question is answered with.
pub type Told<T> = Result<T, Trouble>;
