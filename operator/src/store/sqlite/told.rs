//! What SQLite said, in words that name the remedy. Decides nothing.

use rusqlite::ErrorCode as Code;
use sandbox_core::port::PortError;

/// An error of SQLite as an answer: whether it was done is not known.
pub(super) fn unknown(what: &str, e: &rusqlite::Error) -> PortError {
    PortError::Unknown(format!("{what}: {e}; {}", remedy(e)))
}

/// What a person can do about it.
pub(super) fn remedy(e: &rusqlite::Error) -> &'static str {
    match e.sqlite_error_code() {
        Some(Code::DiskFull | Code::SystemIoFailure) => {
            "make room on the disk and see that it is healthy; nothing that was acknowledged is lost"
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            "another program holds the database: end that program and try again"
        }
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
            "the file is damaged or no database: restore it from a backup, or move it away to begin anew"
        }
        Some(Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly) => {
            "see that its folder exists and that this user may write there"
        }
        _ => "try again; if it stays, look at the operator's log",
    }
}
