//! Where the files of control planes are. One whose run was killed stays behind; whoever starts next removes it.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::Result;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A folder, and what says that it is in use.
pub(super) struct Place {
    // In the order in which they end.
    folder: TempDir,
    _held: File,
}

impl Place {
    pub(super) fn new() -> Result<Self> {
        let user = rustix::process::geteuid().as_raw();
        let all = std::env::temp_dir().join(format!("sandbox-clusters-{user}"));
        fs::create_dir_all(&all)?;
        // One at a time: a folder that is just being made is held by nobody yet.
        let turn = File::create(all.join("turn"))?;
        flock(&turn, FlockOperation::LockExclusive)?;
        for old in fs::read_dir(&all)? {
            let old = old?.path();
            if old.is_dir() && hold(&old).is_ok() {
                // Its own process may be just removing it.
                let _ = fs::remove_dir_all(old);
            }
        }
        let folder = TempDir::new_in(&all)?;
        let held = hold(folder.path())?;
        Ok(Self {
            folder,
            _held: held,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Until the file is closed, as at the end of the process.
fn hold(folder: &Path) -> Result<File> {
    let held = File::create(folder.join("held"))?;
    flock(&held, FlockOperation::NonBlockingLockExclusive)?;
    Ok(held)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_any_more_is_removed_by_the_next_and_nothing_else() {
        let left = {
            let Place { folder, .. } = Place::new().unwrap();
            folder.keep()
        };
        let (one, other) = (Place::new().unwrap(), Place::new().unwrap());
        assert!(!left.exists() && one.path().exists() && other.path().exists());
    }
}
