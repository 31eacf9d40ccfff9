//! Where sockets stand: beside the data, or in a short private folder when that path is too long.

use std::{
    fmt::Write as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::net::UnixListener;

/// A socket's path holds 107 bytes; the longest name we put behind the folder takes 16.
const LONGEST_FOLDER: usize = 90;

/// A folder for sockets that only this user can enter.
///
/// # Errors
/// It cannot be made, or somebody else's stands in its place.
pub fn folder(data_dir: &Path) -> Result<PathBuf> {
    let near = data_dir.join("run");
    let folder = if near.as_os_str().len() <= LONGEST_FOLDER {
        near
    } else {
        far(data_dir)
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(&folder)
        .with_context(|| format!("made the socket folder {}", folder.display()))?;
    let owner = std::fs::metadata(&folder)?.uid();
    if owner != rustix::process::getuid().as_raw() {
        bail!(
            "made the socket folder {}: it belongs to another user",
            folder.display()
        );
    }
    Ok(folder)
}

/// Listens on a socket of our own.
///
/// # Errors
/// It cannot be made.
pub(super) fn listen(socket: &Path) -> Result<UnixListener> {
    // A file that a killed process left behind; the lock says that nobody serves it.
    let _ = std::fs::remove_file(socket);
    UnixListener::bind(socket).with_context(|| format!("listened on {}", socket.display()))
}

/// The same folder for the same data, in every release: a running tmux must be found again.
fn far(data_dir: &Path) -> PathBuf {
    let digest = Sha256::digest(data_dir.as_os_str().as_bytes());
    let mut short = String::new();
    for byte in &digest[..8] {
        // Writing to a String cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("sandbox-{user}-{short}"))
}
