//! What an attempt that was cut off keeps for the next one: one archive in pieces, and a manifest that is written last, so
//! that a half-sent checkpoint is none. What is in it only runners know.

use std::sync::Arc;

use futures::TryStreamExt;
use hyper::body::Bytes;
use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};
use sandbox_core::{
    FailureClass,
    port::{Answer, PortError},
};
use serde::{Deserialize, Serialize};

use crate::artifacts::forget;

/// Largest piece, in bytes. AWS Lambda takes and gives 6 MiB a call, and bytes are a third longer on the way.
pub const PIECE: usize = 4_000_000;
/// Most pieces.
pub const PIECES: u32 = 64;
/// Largest manifest, in bytes.
pub const MANIFEST: usize = 4096;
/// The form of archives that this release makes and reads.
pub const FORM: u32 = 1;
/// How the manifest is called beside its pieces.
const NAME: &str = "manifest.json";

/// What makes a checkpoint whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the archive.
    pub form: u32,
    /// How many pieces it has.
    pub pieces: u32,
    /// How many bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// A whole checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole {
    /// Which attempt made it.
    pub attempt: u32,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// The checkpoints of one job.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

impl Checkpoints {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, folder: Path) -> Self {
        Self { store, folder }
    }

    fn of(&self, attempt: u32, name: &str) -> Path {
        self.folder.clone().join(attempt.to_string()).join(name)
    }

    /// Keeps a piece, counted from 0; one of the same number is replaced.
    ///
    /// # Errors
    /// `Refused` for one that is too large or too many; `Unknown` when the store cannot be asked.
    pub async fn put_piece(&self, attempt: u32, piece: u32, bytes: Bytes) -> Answer<()> {
        if piece >= PIECES || bytes.len() > PIECE {
            let text =
                format!("kept a piece of a checkpoint: at most {PIECES} of {PIECE} bytes are kept");
            return Err(PortError::refused(FailureClass::OutputRejected, text));
        }
        let path = self.of(attempt, &piece.to_string());
        let put = self.store.put(&path, bytes.into()).await;
        put.map(drop).map_err(|e| unknown("kept a piece", &e))
    }

    /// Says that the checkpoint of this attempt is whole. From now on those of earlier attempts are of no use.
    ///
    /// # Errors
    /// `Refused` for a manifest that cannot be one; `Unknown` when the store cannot be asked.
    pub async fn finish(&self, attempt: u32, manifest: &Manifest) -> Answer<()> {
        if !(1..=PIECES).contains(&manifest.pieces) {
            let text = format!("kept a checkpoint: it has from 1 to {PIECES} pieces");
            return Err(PortError::refused(FailureClass::OutputRejected, text));
        }
        let bytes = serde_json::to_vec(manifest);
        let bytes = bytes.map_err(|e| PortError::Unknown(format!("kept a checkpoint: {e}")))?;
        let put = self.store.put(&self.of(attempt, NAME), bytes.into()).await;
        put.map_err(|e| unknown("kept the manifest", &e))?;
        for earlier in self.attempts().await?.into_iter().filter(|n| *n < attempt) {
            forget(&self.store, &self.folder.clone().join(earlier.to_string())).await?;
        }
        Ok(())
    }

    /// The attempts of which anything is kept.
    async fn attempts(&self) -> Answer<Vec<u32>> {
        let found = self.store.list_with_delimiter(Some(&self.folder)).await;
        let found = found.map_err(|e| unknown("listed checkpoints", &e))?;
        let number = |p: Path| p.filename()?.parse().ok();
        Ok(found
            .common_prefixes
            .into_iter()
            .filter_map(number)
            .collect())
    }

    /// The newest whole one of an attempt before this.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be asked.
    pub async fn newest(&self, before: u32) -> Answer<Option<Whole>> {
        let mut attempts = self.attempts().await?;
        attempts.retain(|n| *n < before);
        attempts.sort_unstable();
        for attempt in attempts.into_iter().rev() {
            let manifest = self.get(&self.of(attempt, NAME), MANIFEST).await?;
            // What cannot be read is as good as none.
            let read = manifest.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let Some(manifest) = read {
                return Ok(Some(Whole { attempt, manifest }));
            }
        }
        Ok(None)
    }

    /// One piece; none when it is not there.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be asked.
    pub async fn piece(&self, attempt: u32, piece: u32) -> Answer<Option<Bytes>> {
        self.get(&self.of(attempt, &piece.to_string()), PIECE).await
    }

    async fn get(&self, path: &Path, most: usize) -> Answer<Option<Bytes>> {
        let what = |e| unknown("read a checkpoint", &e);
        let found = match self.store.get(path).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(what)?,
        };
        if found.meta.size > most as u64 {
            return Ok(None);
        }
        let pieces: Vec<Bytes> = found.into_stream().try_collect().await.map_err(what)?;
        Ok(Some(pieces.concat().into()))
    }

    /// Forgets all of them.
    ///
    /// # Errors
    /// `Unknown` when something may be left; asking again is safe.
    pub async fn forget(&self) -> Answer<()> {
        forget(&self.store, &self.folder).await
    }
}

fn unknown(what: &str, e: &Error) -> PortError {
    PortError::Unknown(format!("{what} in the artifact store: {e}"))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn manifest(pieces: u32) -> Manifest {
        Manifest {
            form: FORM,
            pieces,
            bytes: 3,
            sha256: "ab".to_owned(),
        }
    }

    fn empty() -> Checkpoints {
        Checkpoints::new(Arc::new(InMemory::new()), Path::from("jobs/one"))
    }

    #[tokio::test]
    async fn pieces_without_a_manifest_are_no_checkpoint() {
        let kept = empty();
        kept.put_piece(1, 0, Bytes::from("abc")).await.unwrap();
        assert_eq!(kept.newest(2).await, Ok(None));
        kept.finish(1, &manifest(1)).await.unwrap();
        let whole = kept.newest(2).await.unwrap().unwrap();
        assert_eq!((whole.attempt, whole.manifest), (1, manifest(1)));
        assert_eq!(kept.piece(1, 0).await, Ok(Some(Bytes::from("abc"))));
        assert_eq!(
            kept.newest(1).await,
            Ok(None),
            "an attempt does not go on from itself"
        );
    }

    #[tokio::test]
    async fn a_whole_checkpoint_takes_the_place_of_earlier_ones_and_half_a_one_does_not() {
        let kept = empty();
        for attempt in [1, 2, 10] {
            kept.put_piece(attempt, 0, Bytes::from("abc"))
                .await
                .unwrap();
        }
        kept.finish(2, &manifest(1)).await.unwrap();
        assert_eq!(kept.newest(11).await.unwrap().unwrap().attempt, 2);
        assert_eq!(kept.attempts().await.unwrap().len(), 2, "the first is gone");
        kept.finish(10, &manifest(1)).await.unwrap();
        assert_eq!(kept.newest(11).await.unwrap().unwrap().attempt, 10);
        kept.forget().await.unwrap();
        assert_eq!(kept.newest(11).await, Ok(None));
    }

    #[tokio::test]
    async fn what_is_too_large_or_too_many_is_refused() {
        let kept = empty();
        let large = Bytes::from(vec![0; PIECE + 1]);
        assert!(kept.put_piece(1, 0, large).await.is_err());
        assert!(kept.put_piece(1, PIECES, Bytes::new()).await.is_err());
        assert!(kept.finish(1, &manifest(PIECES + 1)).await.is_err());
        assert!(kept.finish(1, &manifest(0)).await.is_err());
    }
}
