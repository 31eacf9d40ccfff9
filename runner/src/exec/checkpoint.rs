//! What work keeps that is cut off, so that the next attempt goes on from it: packed and sent to a control plane elsewhere
//! before the report, and fetched from there before the next attempt's work begins. What is in it the job type knows.
//!
//! Nothing here fails an attempt: what cannot be kept or used is said in the log.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::body::Bytes;
use sandbox_operator::checkpoints::{FORM, Manifest, PIECE, PIECES, Whole};
use tokio::{task::spawn_blocking, time::Instant};

use super::{
    archive::{self, Packed},
    lease::LAST,
    rent::said_now,
    socket::{CallError, KeepError, Node},
};
use crate::{
    backup::create,
    kind::{Kind, Work},
};

/// How long a place has from being asked to end to being killed, where nobody says: the two minutes of Spot and the
/// longest `stopTimeout` of ECS.
pub const STOP_WITHIN: Duration = Duration::from_mins(2);
/// What is left of it at the end for files and the report.
const RESERVE: Duration = Duration::from_secs(15);
/// How long fetching may take.
const FETCH: Duration = Duration::from_mins(2);
/// How soon a door that could not is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How the folder is called in which work keeps something, and the one in which it finds it.
const KEPT: (&str, &str) = ("checkpoint", "earlier");

/// Until when what.
#[derive(Clone, Copy, Debug)]
pub struct CutOff {
    /// The work has kept all that it keeps.
    pub keep_by: Instant,
    /// All of it is sent.
    send_by: Instant,
}

impl CutOff {
    /// Half of the time is for keeping, the other half for sending.
    fn of(stop_within: Duration, now: Instant) -> Self {
        let all = stop_within.saturating_sub(RESERVE);
        Self {
            keep_by: now + all / 2,
            send_by: now + all,
        }
    }
}

/// The folder whose content is kept, once the work has put it there whole.
pub fn kept(seat_dir: &Path) -> PathBuf {
    seat_dir.join(KEPT.0)
}

/// Allows work that was asked to end to keep something, where another attempt may go on from it; says how much longer it
/// may take.
pub(super) async fn allow(work: &Work, node: &Node, kind: &dyn Kind) -> Duration {
    let now = Instant::now();
    if !node.is_elsewhere() || !kind.goes_on() {
        return Duration::ZERO;
    }
    let beat = said_now(&work.beat.borrow(), work.rent);
    match node.beat(beat).await {
        Ok(heard) if heard.is_last => return Duration::ZERO,
        Err(CallError::Stale(_)) => return Duration::ZERO,
        // A door that is away for a moment may be back when there is something to send.
        Ok(_) | Err(_) => {}
    }
    let cut_off = CutOff::of(work.stop_within, now);
    // It is set once: there is one end.
    let _ = work.cut_off.set(cut_off);
    cut_off.keep_by.saturating_duration_since(Instant::now())
}

/// Sends what the work has kept.
pub(super) async fn send(work: &Work, node: &Node) {
    let folder = kept(&work.seat_dir);
    let Some(cut_off) = work.cut_off.get().filter(|_| folder.is_dir()) else {
        return;
    };
    let lease_ends = async {
        match &work.lease {
            Some(lease) => lease.run_out(LAST).await,
            None => std::future::pending().await,
        }
    };
    let done = tokio::select! {
        sent = tokio::time::timeout_at(cut_off.send_by, send_all(work, node, folder)) => {
            sent.unwrap_or_else(|_| Err("it took too long to send it".to_owned()))
        }
        () = lease_ends => Err("the lease was over".to_owned()),
    };
    work.log.line(&match done {
        Ok(Packed { bytes, .. }) => format!("kept a checkpoint of {bytes} bytes"),
        Err(why) => format!("no checkpoint was kept: {why}"),
    });
}

async fn send_all(work: &Work, node: &Node, folder: PathBuf) -> Result<Packed, String> {
    let file = work.seat_dir.join("checkpoint.tar.gz");
    let most = PIECE as u64 * u64::from(PIECES);
    let into = file.clone();
    let packed = blocking(move || archive::pack(&folder, &into, most)).await?;
    let pieces = u32::try_from(packed.bytes.div_ceil(PIECE as u64)).unwrap_or(u32::MAX);
    for piece in 0..pieces {
        let from = file.clone();
        let bytes = blocking(move || read(&from, piece)).await?;
        put(node, &format!("/{piece}"), bytes).await?;
    }
    let manifest = Manifest {
        form: FORM,
        pieces,
        bytes: packed.bytes,
        sha256: packed.sha256.clone(),
    };
    let manifest = serde_json::to_vec(&manifest).map_err(|e| e.to_string())?;
    put(node, "", manifest).await?;
    Ok(packed)
}

/// Puts something until it is there or refused.
async fn put(node: &Node, path: &str, bytes: Vec<u8>) -> Result<(), String> {
    loop {
        match node.checkpoint(path, Some(bytes.clone())).await {
            Ok(_) => return Ok(()),
            Err(KeepError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
            Err(e) => return Err(e.to_string()),
        }
    }
}

fn read(file: &Path, piece: u32) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(PIECE as u64 * u64::from(piece)))?;
    let mut bytes = Vec::new();
    file.take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Fetches what an earlier attempt kept, where there is any.
pub(super) async fn fetch(work: &Work, node: &Node, kind: &dyn Kind) {
    if !node.is_elsewhere() || !kind.goes_on() || work.brief.seat.attempt <= 1 {
        return;
    }
    let fetched = tokio::select! {
        fetched = tokio::time::timeout(FETCH, fetch_all(work, node)) => {
            fetched.unwrap_or_else(|_| Err("it took too long to fetch it".to_owned()))
        }
        () = work.stopped() => return,
    };
    match fetched {
        Ok(None) => {}
        Ok(Some((attempt, folder))) => {
            work.log
                .line(&format!("goes on from the checkpoint of attempt {attempt}"));
            // Nobody else fetches.
            let _ = work.earlier.set(folder);
        }
        Err(why) => work.log.line(&format!(
            "a checkpoint is left aside, and the work begins anew: {why}"
        )),
    }
}

async fn fetch_all(work: &Work, node: &Node) -> Result<Option<(u32, PathBuf)>, String> {
    let Some(whole) = newest(node).await? else {
        return Ok(None);
    };
    let Manifest { form, pieces, .. } = whole.manifest;
    if form != FORM || pieces > PIECES {
        return Err(format!("it has form {form}, this runner knows {FORM}"));
    }
    let file = work.seat_dir.join("earlier.tar.gz");
    let mut to = create(&file, 0o600).map_err(|e| format!("{e:#}"))?;
    for piece in 0..pieces {
        let path = format!("/{}/{piece}", whole.attempt);
        let bytes = get(node, &path).await.map_err(|e| e.to_string())?;
        to.write_all(&bytes).map_err(|e| e.to_string())?;
    }
    let folder = work.seat_dir.join(KEPT.1);
    let (into, manifest) = (folder.clone(), whole.manifest);
    blocking(move || open(&file, &manifest, &into)).await?;
    Ok(Some((whole.attempt, folder)))
}

/// Unpacks what was fetched, if it is what was sent.
fn open(file: &Path, manifest: &Manifest, into: &Path) -> io::Result<()> {
    let seen = archive::digest(file)?;
    if (seen.bytes, &seen.sha256) != (manifest.bytes, &manifest.sha256) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
    }
    archive::unpack(file, into)
}

async fn newest(node: &Node) -> Result<Option<Whole>, String> {
    match get(node, "").await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| format!("read what there is: {e}")),
        // A door that keeps no files has none.
        Err(KeepError::Nowhere) => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

/// Gets something until it is there or refused.
async fn get(node: &Node, path: &str) -> Result<Bytes, KeepError> {
    loop {
        match node.checkpoint(path, None).await {
            Err(KeepError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
            done => return done,
        }
    }
}

async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    match spawn_blocking(what).await {
        Ok(done) => done.map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_ends_at_once_leaves_no_time_for_a_checkpoint() {
        let now = Instant::now();
        let (spot, none) = (CutOff::of(STOP_WITHIN, now), CutOff::of(RESERVE, now));
        assert!(now < spot.keep_by && spot.keep_by < spot.send_by);
        assert!(spot.send_by + RESERVE <= now + STOP_WITHIN);
        assert_eq!((none.keep_by, none.send_by), (now, now));
    }

    #[test]
    fn what_is_not_what_was_sent_is_not_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("from")).unwrap();
        std::fs::write(at("from/a"), "text").unwrap();
        let packed = archive::pack(&at("from"), &at("packed"), 1 << 20).unwrap();
        let manifest = |bytes| Manifest {
            form: FORM,
            pieces: 1,
            bytes,
            sha256: packed.sha256.clone(),
        };
        open(&at("packed"), &manifest(packed.bytes), &at("to")).unwrap();
        open(&at("packed"), &manifest(packed.bytes + 1), &at("other")).unwrap_err();
        assert!(at("to/a").exists() && !at("other").exists());
    }
}
