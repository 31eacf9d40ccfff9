//! Who has a data folder: one `serve`, or one command that changes it while nobody serves.

use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

/// One `serve` for one data folder: two would both start what waits. Held until it is dropped.
///
/// # Errors
/// Somebody has it, or it cannot be written.
pub fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("lock");
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        // Root may lock a folder in which agents have written.
        .custom_flags(nofollow)
        .open(&path);
    let file = file.with_context(|| format!("opened {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another `sandbox serve` has the data folder {}; stop it or use another --data-dir",
            data_dir.display()
        );
    }
    Ok(file)
}
