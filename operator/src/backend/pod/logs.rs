//! What pods print: read from the kubelet while the pod is there, kept before it is removed.

use std::time::Duration;

use futures::AsyncReadExt;
use kube::api::LogParams;
use object_store::{ObjectStoreExt, path::Path};
use sandbox_core::{
    Seat,
    port::{Answer, LogChunk, PortError},
};

use super::{PodBackend, cache::Entry, conf::CONTAINER, found::Found};

/// How long the kubelet may take to give a log that is to be kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the log of a seat is kept: beside the job's reports, so that whoever forgets those forgets it.
#[must_use]
pub fn log_path(seat: &Seat) -> Path {
    Path::from(format!("reports/{}/{}.log", seat.uid, seat.attempt))
}

impl PodBackend {
    pub(super) async fn read_log(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let to = from.saturating_add(limit.into());
        if let Some(Entry::There(found)) = self.cache.get(seat) {
            let all = self.printed(&found, to).await?;
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
            return Ok(chunk(&all[start..], from));
        }
        self.kept(seat, from, to).await
    }

    async fn kept(&self, seat: &Seat, from: u64, to: u64) -> Answer<LogChunk> {
        let path = log_path(seat);
        let failed = |e: object_store::Error| match e {
            object_store::Error::NotFound { .. } => {
                PortError::NotFound(format!("seat {seat} has no log yet"))
            }
            e => PortError::Unknown(format!("read the log of seat {seat}: {e}")),
        };
        let size = self.conf.logs.head(&path).await.map_err(failed)?.size;
        if from >= size {
            return Ok(chunk(&[], size));
        }
        let range = from..to.min(size);
        let bytes = self.conf.logs.get_range(&path, range).await;
        Ok(chunk(&bytes.map_err(failed)?, from))
    }

    /// The first bytes that the container printed.
    async fn printed(&self, found: &Found, most: u64) -> Answer<Vec<u8>> {
        let failed = |e: &dyn std::fmt::Display| {
            PortError::Unknown(format!("read the log of pod {}: {e}", found.name))
        };
        // What is told of a pod lags behind it: the kubelet alone knows whether it has printed something.
        let refused = |e: kube::Error| match e {
            kube::Error::Api(s) if [400, 404].contains(&s.code) => {
                PortError::NotFound(format!("pod {} has no log yet", found.name))
            }
            e => failed(&e),
        };
        let params = LogParams {
            container: Some(CONTAINER.to_owned()),
            limit_bytes: i64::try_from(most).ok(),
            ..LogParams::default()
        };
        let pods = self.pods(&found.namespace);
        let reading = async {
            let stream = pods.log_stream(&found.name, &params).await;
            let mut stream = Box::pin(stream.map_err(refused)?.take(most));
            let mut bytes = Vec::new();
            let read = stream.read_to_end(&mut bytes).await;
            read.map_err(|e| failed(&e))?;
            Ok(bytes)
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.map_err(|_| failed(&"the kubelet gave no answer in time"))?
    }

    /// Keeps what a pod printed. A log that cannot be had does not keep the pod.
    pub(super) async fn keep_log(&self, seat: &Seat, found: &Found) {
        if !found.is_placed() {
            return;
        }
        let kept = async {
            let bytes = self.printed(found, self.conf.log_limit).await?;
            let put = self.conf.logs.put(&log_path(seat), bytes.into()).await;
            put.map_err(|e| PortError::Unknown(format!("kept it: {e}")))
        };
        match kept.await {
            // It was never begun.
            Ok(_) | Err(PortError::NotFound(_)) => {}
            Err(e) => tracing::warn!(%seat, error = %e, "the log of a pod is lost"),
        }
    }
}

/// Whole characters of these bytes, which begin at this place.
fn chunk(bytes: &[u8], from: u64) -> LogChunk {
    let whole = match std::str::from_utf8(bytes) {
        // What is cut at the end comes with the next piece.
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => &bytes[..e.valid_up_to()],
        _ => bytes,
    };
    LogChunk {
        text: String::from_utf8_lossy(whole).into_owned(),
        next: from.saturating_add(whole.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_comes_whole_with_the_next_piece() {
        let text = "aé".as_bytes();
        let first = chunk(&text[..2], 10);
        assert_eq!((first.text.as_str(), first.next), ("a", 11));
        let rest = chunk(&text[1..], first.next);
        assert_eq!((rest.text.as_str(), rest.next), ("é", 13));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_the_reader() {
        let odd = chunk(&[0xff, b'x'], 0);
        assert_eq!((odd.text.as_str(), odd.next), ("\u{fffd}x", 2));
        assert_eq!(chunk(&[0xc3], 5).next, 6);
    }
}
