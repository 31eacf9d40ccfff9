//! Who has a data folder: one `serve` or several that see the same, or one command that changes it while
//! nobody serves.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

/// One `serve` for one data folder: two would both start what waits. Held until it is dropped.
///
/// # Errors
/// Somebody has it, or it cannot be written.
pub fn lock(data_dir: &Path) -> Result<File> {
    let file = open(&data_dir.join("lock"))?;
    if file.try_lock().is_err() {
        bail!(
            "another `sandbox serve` has the data folder {}; stop it or use another --data-dir",
            data_dir.display()
        );
    }
    Ok(file)
}

/// A data folder of several `serve`, whose records stand elsewhere. They have to see the same processes:
/// what is not seen is taken for gone, and begun again. Held until it is dropped.
///
/// # Errors
/// Somebody has it alone, or sees other processes, or it cannot be written.
pub(super) fn share(data_dir: &Path) -> Result<File> {
    let mut file = open(&data_dir.join("lock"))?;
    let view = view()?;
    if file.try_lock().is_ok() {
        file.set_len(0)
            .and_then(|()| file.write_all(view.as_bytes()))
            .context("wrote down who has the data folder")?;
    }
    // The first keeps it too, and lets others in.
    if file.try_lock_shared().is_err() {
        bail!(
            "another `sandbox serve` has the data folder {} for itself; stop it or use another --data-dir",
            data_dir.display()
        );
    }
    let mut theirs = String::new();
    file.rewind()
        .and_then(|()| file.read_to_string(&mut theirs))
        .context("read who has the data folder")?;
    if theirs != view {
        bail!(
            "a `sandbox serve` on another machine, or in another container, has the data folder {}: what runs there is not seen from here; give this one its own --data-dir",
            data_dir.display()
        );
    }
    Ok(file)
}

/// What one does at a time in a folder: the file to lock for it.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn turn(folder: &Path, what: &str) -> Result<File> {
    open(&folder.join(format!("{what}.lock")))
}

/// What tells those who see the same processes: this boot of this machine, and the namespace of processes.
fn view() -> Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("read which boot this is")?;
    let processes =
        std::fs::read_link("/proc/self/ns/pid").context("read whose processes are seen")?;
    Ok(format!("{} {}", boot.trim(), processes.display()))
}

fn open(path: &Path) -> Result<File> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        // Root may lock a folder in which agents have written.
        .custom_flags(nofollow)
        .open(path);
    file.with_context(|| format!("opened {}", path.display()))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_shared_by_those_who_see_the_same_processes_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let first = share(folder.path()).unwrap();
        let second = share(folder.path()).unwrap();
        assert!(lock(folder.path()).is_err());
        drop(first);
        std::fs::write(folder.path().join("lock"), "another boot").unwrap();
        let told = share(folder.path()).unwrap_err().to_string();
        assert!(told.contains("another machine"), "{told}");
        // With nobody there it is who comes that counts.
        drop(second);
        let alone = share(folder.path()).unwrap();
        assert!(share(folder.path()).is_ok());
        drop(alone);
        assert!(lock(folder.path()).is_ok());
    }
}
