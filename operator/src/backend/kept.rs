//! Logs of seats whose place is gone: beside the job's reports, so that whoever forgets those forgets them.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use sandbox_core::{
    Seat,
    port::{Answer, LogChunk, PortError},
};

use crate::seats::files::log::chunk;

/// Where the log of a seat is kept.
#[must_use]
pub fn log_path(seat: &Seat) -> Path {
    Path::from(format!("reports/{}/{}.log", seat.uid, seat.attempt))
}

/// Reads at most `limit` bytes from this place on.
///
/// # Errors
/// `NotFound` where none is kept; `Unknown` where that cannot be told.
pub(super) async fn read(
    files: &Arc<dyn ObjectStore>,
    path: &Path,
    (from, limit): (u64, u32),
) -> Answer<LogChunk> {
    let failed = |e: object_store::Error| match e {
        object_store::Error::NotFound { .. } => {
            PortError::NotFound("this seat has no log yet".to_owned())
        }
        e => PortError::Unknown(format!("read the log {path}: {e}")),
    };
    let size = files.head(path).await.map_err(failed)?.size;
    if from >= size {
        return Ok(chunk(&[], size));
    }
    let range = from..from.saturating_add(limit.into()).min(size);
    let bytes = files.get_range(path, range).await;
    Ok(chunk(&bytes.map_err(failed)?, from))
}
