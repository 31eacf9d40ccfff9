//! Taking turns at what git keeps of worktrees: while one is being made or taken away, git trips over
//! the half of it that is there, also in calls for another. Only calls of ours wait for each other.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

use super::trouble::GitError;

/// The longest wait for one's turn.
const WAIT: Duration = Duration::from_mins(2);
/// How often it is tried.
const AGAIN: Duration = Duration::from_millis(20);

/// A turn; over when it is dropped, or with the process.
#[derive(Debug)]
pub(super) struct Turn {
    _folder: File,
}

impl Turn {
    /// Waits for a turn at what git keeps in this folder. The folder itself is locked, so nothing is
    /// left in somebody's repository.
    ///
    /// # Errors
    /// The folder cannot be locked, or others do not end.
    pub(super) async fn at(kept: &Path, what: &str) -> Result<Self, GitError> {
        let failed = |why| GitError::Io {
            what: format!("{what}: wait for others that do the same"),
            why,
        };
        let folder = File::open(kept).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > WAIT => {
                    return Err(failed(io::ErrorKind::TimedOut.into()));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}
