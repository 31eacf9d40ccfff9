//! The files that work leaves, sent to a control plane elsewhere before the report: nothing of the place is left after
//! it. What cannot be sent is said in the log, and is no failure of the work.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use super::{
    lease::LAST,
    socket::{KeepError, Node},
};
use crate::{backup::folder::Folder, kind::Work};

/// How long all of it may take, and how long where the work was told to end.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(2), Duration::from_secs(5));
/// How often a file is tried, and how soon again.
const TRIES: (u32, Duration) = (3, Duration::from_secs(1));

/// Sends all of them, in the order of their paths, where the node is elsewhere.
pub(super) async fn send(work: &Work, node: &Node) {
    let folder = work.artifacts();
    if !node.is_elsewhere() || !folder.is_dir() {
        return;
    }
    let stopping = work.stopping.load(Ordering::Relaxed);
    let patience = if stopping { PATIENCE.1 } else { PATIENCE.0 };
    let lease_ends = async {
        match &work.lease {
            Some(lease) => lease.run_out(LAST).await,
            None => std::future::pending().await,
        }
    };
    let over = tokio::select! {
        sent = tokio::time::timeout(patience, send_all(work, node, &folder)) => sent.is_err(),
        () = lease_ends => true,
    };
    if over {
        work.log
            .line("not all files of the work were kept: it took too long to send them");
    }
}

async fn send_all(work: &Work, node: &Node, root: &Path) {
    let mut paths = Vec::new();
    let listed = Folder::open(root).and_then(|folder| {
        folder.walk(Path::new("."), &mut |path: PathBuf, entry| {
            if entry.is_file {
                paths.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(folder)
    });
    let folder = match listed {
        Ok(folder) => folder,
        Err(e) => {
            return work
                .log
                .line(&format!("the files of the work were not kept: {e}"));
        }
    };
    for path in paths {
        match send_one(node, &folder, &path).await {
            Ok(()) => {}
            Err(KeepError::Nowhere) => {
                return work
                    .log
                    .line("the files of the work were not kept: the operator keeps none of them");
            }
            Err(e) => work
                .log
                .line(&format!("{} was not kept: {e}", path.display())),
        }
    }
}

async fn send_one(node: &Node, folder: &Folder, path: &Path) -> Result<(), KeepError> {
    let names: Option<Vec<&str>> = path.iter().map(|n| n.to_str()).collect();
    let names = names.ok_or_else(|| KeepError::Refused("its name is no text".to_owned()))?;
    let mut tries = 1;
    loop {
        let opened = folder
            .file(path)
            .map_err(|e| KeepError::Refused(e.to_string()))?;
        let Some(file) = opened else { return Ok(()) };
        match node.keep(&names, file).await {
            Err(KeepError::Unavailable(_)) if tries < TRIES.0 => tries += 1,
            done => return done,
        }
        tokio::time::sleep(TRIES.1).await;
    }
}
