//! Seat registers: who has a seat or why nobody will, the claimant's heartbeat, its report.
//!
//! The list: [`files`] for one machine, [`kube`] and [`dynamodb`] for jobs whose records have them, [`memory`] for tests. What both promise stands in the
//! contract tests; what both refuse stands here. Nothing here launches, stops or judges a runner.

pub mod dynamodb;
pub mod files;
pub mod kube;
pub mod memory;
mod record;
mod results;

use jiff::Timestamp;
use sandbox_core::{
    FailureClass, Register, Seat,
    port::{Answer, PortError},
    seat::Closed,
};

/// The largest register, in bytes as JSON.
pub const REGISTER_LIMIT: usize = 16 << 10;
/// The largest heartbeat, in bytes as JSON.
pub const HEARTBEAT_LIMIT: usize = 256 << 10;
/// The largest report, in bytes as JSON.
pub const REPORT_LIMIT: usize = 4 << 20;
/// The largest brief, in bytes as JSON.
pub const BRIEF_LIMIT: usize = 8 << 20;

/// The JSON of a value, unless it is larger than a reader would accept.
fn encode<T: serde::Serialize>(
    seat: &Seat,
    what: &str,
    value: &T,
    limit: usize,
) -> Answer<Vec<u8>> {
    let refuse = |text: String| Err(PortError::refused(FailureClass::OutputRejected, text));
    match serde_json::to_vec(value) {
        Ok(bytes) if bytes.len() <= limit => Ok(bytes),
        Ok(bytes) => refuse(format!(
            "write the {what} of seat {seat}: it has {} bytes, at most {limit} are kept",
            bytes.len()
        )),
        Err(e) => refuse(format!("write the {what} of seat {seat}: {e}")),
    }
}

/// Lets the claimant through, and tells anybody else to stop.
fn admit(seat: &Seat, register: &Register, nonce: &str) -> Answer<()> {
    let why = match register {
        Register::Claimed(claim) if claim.nonce == nonce => return Ok(()),
        Register::Claimed(_) => "another instance has it".to_owned(),
        Register::Closed(closed) => format!("it was closed: {}", closed.reason),
        Register::Open => "it was never claimed".to_owned(),
    };
    let text = format!("seat {seat} is not held by the sender, which must stop: {why}");
    Err(PortError::refused(FailureClass::Infrastructure, text))
}

/// Why a seat is shut, the reason cut to what a register holds.
fn closed(reason: &str, at: Timestamp) -> Closed {
    let reason = reason[..reason.floor_char_boundary(256)].to_owned();
    Closed { reason, at }
}
