//! Where sockets stand: beside the data, or in a short private folder when that path is too long.

use std::{
    fmt::Write as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    pin::Pin,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::{net::UnixListener, sync::watch};

use super::lock::turn;

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

/// Whose turn it is to listen: runners know one socket of their data folder, and of several `serve` of
/// that folder one listens there. When its process ends, another's turn comes at once.
pub(super) struct Turn(watch::Receiver<bool>);

/// A listener, once it is our turn.
pub(super) type Listening = Pin<Box<dyn Future<Output = Result<UnixListener>> + Send>>;

impl Turn {
    /// Takes the turn, or waits for it beside. It is kept until this process ends.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn take(run: &Path) -> Result<Self> {
        let file = turn(run, "sockets")?;
        let free = file.try_lock().is_ok();
        let (ours, is_ours) = watch::channel(free);
        // Not a task: it blocks as long as another serves, also while the runtime ends.
        std::thread::spawn(move || {
            let locked = if free { Ok(()) } else { file.lock() };
            if let Err(e) = locked {
                tracing::error!(error = %e, "cannot wait for the turn to listen to runners");
                return;
            }
            ours.send_replace(true);
            // Locked to the end of the process.
            std::mem::forget(file);
        });
        Ok(Self(is_ours))
    }

    /// Listens as this function does: at once where it is our turn, else as soon as it is.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(super) fn listen(
        &self,
        how: fn(&Path) -> Result<UnixListener>,
        socket: PathBuf,
    ) -> Result<Listening> {
        let mut ours = self.0.clone();
        if *ours.borrow() {
            let listener = how(&socket)?;
            return Ok(Box::pin(async move { Ok(listener) }));
        }
        Ok(Box::pin(async move {
            if ours.wait_for(|is| *is).await.is_err() && !*ours.borrow() {
                // That was told; runners write to their files, and are looked at now and then.
                std::future::pending::<()>().await;
            }
            how(&socket)
        }))
    }
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
