//! The seat register as plain functions over the seat root, blocking and without a runtime: a
//! runner calls them before it has started anything else. Each promises what the method of the
//! same name of [`sandbox_core::port::Seats`] promises.

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sandbox_core::{
    Brief, Claim, Heartbeat, Register, Report, Seat, Uid,
    port::{Answer, PortError, SeatRecord},
    seat::Closed,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::disk;
use crate::seats::{
    BRIEF_LIMIT, HEARTBEAT_LIMIT, REGISTER_LIMIT, REPORT_LIMIT, admit, closed, encode,
};

const REGISTER: &str = "register.json";
const HEARTBEAT: &str = "heartbeat.json";
const REPORT: &str = "report.json";
const LATE: &str = "late.json";
const BRIEF: &str = "brief.json";

/// How a claimed seat ended. The file is put once, so it says for ever which came first.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum End {
    /// Its end was decided before its claimant reported.
    Stopped { stopped: Closed },
    /// Its claimant reported.
    Reported(Box<Report>),
}

/// The folder of a seat: `<root>/<uid>/<attempt>`. It may not be there yet.
#[must_use]
pub fn folder(root: &Path, seat: &Seat) -> PathBuf {
    root.join(seat.uid.as_str()).join(seat.attempt.to_string())
}

/// The file a runner writes its log to, and appends to only.
#[must_use]
pub fn log_path(root: &Path, seat: &Seat) -> PathBuf {
    folder(root, seat).join("log")
}

/// Reads register, heartbeat and report, in this order.
///
/// # Errors
/// `Unknown` when one of them cannot be read or is damaged.
pub fn read(root: &Path, seat: &Seat) -> Answer<SeatRecord> {
    let register = register(root, seat)?;
    let heartbeat = load(root, seat, HEARTBEAT, HEARTBEAT_LIMIT)?;
    let (stopped, report) = match load(root, seat, REPORT, REPORT_LIMIT)? {
        None => (None, None),
        Some(End::Reported(report)) => (None, Some(*report)),
        Some(End::Stopped { stopped }) => (Some(stopped), load(root, seat, LATE, REPORT_LIMIT)?),
    };
    Ok(SeatRecord {
        register,
        heartbeat,
        stopped,
        report,
    })
}

/// Reads the register alone.
///
/// # Errors
/// `Unknown` when it cannot be read or is damaged.
pub fn register(root: &Path, seat: &Seat) -> Answer<Register> {
    match load(root, seat, REGISTER, REGISTER_LIMIT)? {
        Some(Register::Open) => Err(damaged(seat, REGISTER, &"an open seat has no such file")),
        Some(stands) => Ok(stands),
        None => Ok(Register::Open),
    }
}

/// Puts the claim if nothing stands there; gives what stands there afterwards.
///
/// # Errors
/// `Unknown` when it is not known whether the claim was written.
pub fn claim(root: &Path, seat: &Seat, claim: Claim) -> Answer<Register> {
    put_register(root, seat, Register::Claimed(claim))
}

/// Closes the seat if nothing stands there, stops it if it is claimed and has not reported; gives
/// what stands in the register afterwards.
///
/// # Errors
/// `Unknown` when it is not known whether it was closed.
pub fn close(root: &Path, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
    let stopped = closed(reason, now);
    let stands = put_register(root, seat, Register::Closed(stopped.clone()))?;
    if matches!(stands, Register::Claimed(_)) {
        let end = encode(seat, "stop", &End::Stopped { stopped }, REGISTER_LIMIT)?;
        put(root, seat, REPORT, &end)?;
    }
    Ok(stands)
}

/// Puts the claimant's heartbeat.
///
/// # Errors
/// `Refused` when the nonce is not the claimant's, or the heartbeat is too large.
pub fn beat(root: &Path, seat: &Seat, nonce: &str, beat: &Heartbeat) -> Answer<()> {
    let bytes = encode(seat, "heartbeat", beat, HEARTBEAT_LIMIT)?;
    admit(seat, &register(root, seat)?, nonce)?;
    disk::replace(&folder(root, seat), HEARTBEAT, &bytes).map_err(|e| failed(seat, HEARTBEAT, &e))
}

/// Puts the claimant's report; the first one stands. After a stop it is kept beside it.
///
/// # Errors
/// `Refused` when the nonce is not the claimant's, or the report is too large.
pub fn report(root: &Path, seat: &Seat, nonce: &str, report: &Report) -> Answer<()> {
    let bytes = encode(seat, "report", report, REPORT_LIMIT)?;
    admit(seat, &register(root, seat)?, nonce)?;
    if put(root, seat, REPORT, &bytes)? {
        return Ok(());
    }
    match load(root, seat, REPORT, REPORT_LIMIT)? {
        Some(End::Stopped { .. }) => put(root, seat, LATE, &bytes).map(drop),
        _ => Ok(()),
    }
}

/// Puts the brief beneath the seat; the first one stands, so that a repeated launch is the same.
///
/// # Errors
/// `Refused` when it is too large; `Unknown` when it may not have been written.
pub fn put_brief(root: &Path, brief: &Brief) -> Answer<()> {
    let bytes = encode(&brief.seat, "brief", brief, BRIEF_LIMIT)?;
    put(root, &brief.seat, BRIEF, &bytes).map(drop)
}

/// Reads the brief of a seat. A runner does this before it claims: without a brief there is
/// nothing to claim.
///
/// # Errors
/// `NotFound` when nobody put one; `Unknown` when it cannot be read.
pub fn brief(root: &Path, seat: &Seat) -> Answer<Brief> {
    let missing = || PortError::NotFound(format!("seat {seat} has no brief"));
    load(root, seat, BRIEF, BRIEF_LIMIT)?.ok_or_else(missing)
}

/// Forgets every seat of a job.
///
/// # Errors
/// `Unknown` when something may be left; asking again is safe.
pub fn discard(root: &Path, uid: &Uid) -> Answer<()> {
    let aside = root.join(format!(".gone-{uid}"));
    let text = |e| PortError::Unknown(format!("discard the seats of job {uid}: {e}"));
    disk::remove_folder(&root.join(uid.as_str()), &aside).map_err(text)
}

/// Removes what a job left beneath the artifacts' root, whichever tenant's it is.
///
/// # Errors
/// `Unknown` when something may be left; asking again is safe.
pub fn discard_artifacts(root: &Path, uid: &Uid) -> Answer<()> {
    let text = |e| PortError::Unknown(format!("discard the artifacts of job {uid}: {e}"));
    let tenants = match std::fs::read_dir(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        tenants => tenants.map_err(text)?,
    };
    for tenant in tenants {
        let folder = tenant.map_err(text)?.path();
        let aside = folder.join(format!(".gone-{uid}"));
        disk::remove_folder(&folder.join(uid.as_str()), &aside).map_err(text)?;
    }
    Ok(())
}

fn put_register(root: &Path, seat: &Seat, wanted: Register) -> Answer<Register> {
    let bytes = encode(seat, "register", &wanted, REGISTER_LIMIT)?;
    if put(root, seat, REGISTER, &bytes)? {
        return Ok(wanted);
    }
    register(root, seat)
}

fn put(root: &Path, seat: &Seat, name: &str, bytes: &[u8]) -> Answer<bool> {
    disk::put_if_absent(&folder(root, seat), name, bytes).map_err(|e| failed(seat, name, &e))
}

fn load<T: DeserializeOwned>(
    root: &Path,
    seat: &Seat,
    name: &str,
    limit: usize,
) -> Answer<Option<T>> {
    let bytes = disk::read(&folder(root, seat).join(name), limit);
    match bytes.map_err(|e| damaged(seat, name, &e))? {
        Some(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(e) => Err(damaged(seat, name, &e)),
        },
        None => Ok(None),
    }
}

fn failed(seat: &Seat, name: &str, e: &io::Error) -> PortError {
    PortError::Unknown(format!("write {name} of seat {seat}: {e}"))
}

fn damaged(seat: &Seat, name: &str, e: &dyn std::fmt::Display) -> PortError {
    PortError::Unknown(format!(
        "read {name} of seat {seat}: {e}; look at the file in the seat's folder"
    ))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::fs;

    use super::*;

    fn seat() -> Seat {
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1".parse().unwrap()
    }

    fn mine() -> Claim {
        Claim {
            nonce: "n".to_owned(),
            instance: "i".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_damaged_file_is_unknown_and_named_without_its_path() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path(), &seat(), mine()).unwrap();
        for name in [HEARTBEAT, REPORT, REGISTER] {
            fs::write(folder(dir.path(), &seat()).join(name), "{\"cut").unwrap();
            let text = match read(dir.path(), &seat()) {
                Err(PortError::Unknown(text)) => text,
                other => format!("{other:?}"),
            };
            assert!(
                text.starts_with(&format!("read {name} of seat {}", seat())),
                "{text}"
            );
            assert!(!text.contains(dir.path().to_str().unwrap()), "{text}");
            fs::remove_file(folder(dir.path(), &seat()).join(name)).unwrap();
        }
    }

    #[test]
    fn an_empty_register_is_damaged_and_not_open() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder(dir.path(), &seat())).unwrap();
        fs::write(folder(dir.path(), &seat()).join(REGISTER), "").unwrap();
        assert!(matches!(
            register(dir.path(), &seat()),
            Err(PortError::Unknown(_))
        ));
        assert!(matches!(
            claim(dir.path(), &seat(), mine()),
            Err(PortError::Unknown(_))
        ));
    }

    #[test]
    fn what_a_crash_left_half_written_is_not_seen() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder(dir.path(), &seat())).unwrap();
        let temp = folder(dir.path(), &seat()).join(".0.tmp");
        fs::write(temp, "{\"claimed\":{\"non").unwrap();
        assert_eq!(register(dir.path(), &seat()).unwrap(), Register::Open);
        let stands = claim(dir.path(), &seat(), mine()).unwrap();
        assert_eq!(stands, Register::Claimed(mine()));
        assert_eq!(register(dir.path(), &seat()).unwrap(), stands);
    }

    #[test]
    fn a_report_that_nobody_could_read_back_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path(), &seat(), mine()).unwrap();
        let detail = serde_json::Value::String("x".repeat(HEARTBEAT_LIMIT));
        let large = Heartbeat {
            detail,
            ..Heartbeat::default()
        };
        let answer = beat(dir.path(), &seat(), "n", &large);
        assert!(matches!(answer, Err(PortError::Refused(_))), "{answer:?}");
    }

    #[test]
    fn files_and_folders_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path(), &seat(), mine()).unwrap();
        let folder = folder(dir.path(), &seat());
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(REGISTER)), 0o600);
    }
}
