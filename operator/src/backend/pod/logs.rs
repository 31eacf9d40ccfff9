//! What pods print: read from the kubelet while the pod is there, kept before it is removed.

use std::time::Duration;

use futures::AsyncReadExt;
use kube::api::LogParams;
use object_store::ObjectStoreExt;
use sandbox_core::{
    Seat,
    port::{Answer, LogChunk, PortError},
};

use super::{PodBackend, cache::Entry, conf::CONTAINER, found::Found};
use crate::{
    backend::kept::{self, log_path},
    seats::files::log::chunk,
};

/// How long the kubelet may take to give a log that is to be kept.
const PATIENCE: Duration = Duration::from_secs(30);

impl PodBackend {
    pub(super) async fn read_log(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let to = from.saturating_add(limit.into());
        if let Some(Entry::There(found)) = self.cache.get(seat) {
            let all = self.printed(&found, to).await?;
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
            return Ok(chunk(&all[start..], from));
        }
        kept::read(&self.conf.logs, &log_path(seat), (from, limit)).await
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
