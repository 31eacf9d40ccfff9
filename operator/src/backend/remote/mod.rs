//! The back ends `vps` and `container` of a control plane that has no such place itself: seats on machines elsewhere, by
//! the seat API of their `sandbox serve`.
//!
//! | file | what it is |
//! |---|---|
//! | `client` | the way to one machine |
//! | `pin` | TLS with one certificate |
//! | `known` | the machines, and what each said last |
//! | `relay` | passes what runners say there on to our own seat service |
//!
//! Which machine a seat is on stands in its job, and was written there before anything was asked of the machine.

mod client;
mod known;
mod pin;
mod relay;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{ObjectStore, ObjectStoreExt};
use sandbox_core::{
    Brief, Claim, Seat,
    port::{Answer, Backend, LogChunk, Look, PortError, Store},
    spec::BackendName,
};

pub use client::{Client, ClientSettings, Unready};
pub use known::{Described, Health, Machines};
pub use pin::{spki_sha256, spki_sha256_of_pem};
pub use relay::Relay;

use super::kept::{self, log_path};

/// The largest piece of a log that is asked for at once.
const PIECE: u32 = 1 << 20;
/// Most bytes that are kept of one log.
const LOG_LIMIT: usize = 64 << 20;

/// Seats on machines elsewhere.
pub struct RemoteBackend {
    name: BackendName,
    conf: RemoteConfig,
}

/// What the back end reaches.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where it stands which machine a seat is on.
    pub store: Arc<dyn Store>,
    /// The machines.
    pub machines: Arc<Machines>,
    /// Where logs are kept when a seat is over.
    pub logs: Arc<dyn ObjectStore>,
    /// How long a seat goes on without being acknowledged.
    pub lease: Duration,
}

impl RemoteBackend {
    /// The back end of this word.
    #[must_use]
    pub const fn new(name: BackendName, conf: RemoteConfig) -> Self {
        Self { name, conf }
    }

    /// The machine that this seat is on; `None` where none was ever chosen.
    async fn machine(&self, seat: &Seat) -> Answer<Option<Arc<Client>>> {
        let Some(job) = self.conf.store.load(&seat.uid).await? else {
            return Ok(None);
        };
        let status = job.status();
        let placed = status.backend_ref.as_ref().and_then(|r| r.host.clone());
        let Some(host) = placed.filter(|_| status.attempt == seat.attempt) else {
            return Ok(None);
        };
        let gone = || {
            let text = format!(
                "RunnerHost {} is gone, or its certificate or token cannot be read; `kubectl describe rh {}`",
                host.name, host.name
            );
            PortError::Unknown(text)
        };
        self.conf
            .machines
            .client(&host.uid)
            .map(Some)
            .ok_or_else(gone)
    }
}

/// Keeps the log of a seat before it is forgotten there.
async fn keep_log(logs: &Arc<dyn ObjectStore>, client: &Client, seat: &Seat) -> Answer<()> {
    let (mut all, mut from) = (Vec::new(), 0);
    while all.len() < LOG_LIMIT {
        let piece = match client.logs(seat, from, PIECE).await {
            // It wrote none, or it was kept before.
            Err(PortError::NotFound(_)) if all.is_empty() => return Ok(()),
            piece => piece?,
        };
        if piece.next == from {
            break;
        }
        from = piece.next;
        all.extend_from_slice(piece.text.as_bytes());
    }
    let put = logs.put(&log_path(seat), all.into()).await;
    put.map(drop)
        .map_err(|e| PortError::Unknown(format!("kept the log of seat {seat}: {e}")))
}

#[async_trait]
impl Backend for RemoteBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (self.name, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let nowhere = || PortError::Unknown(format!("seat {} has no machine", brief.seat));
        let client = self.machine(&brief.seat).await?.ok_or_else(nowhere)?;
        let ticket = client.ticket(&brief.seat).await?;
        client.start(brief, ticket.ticket, self.conf.lease).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        match self.machine(seat).await? {
            Some(client) => client.look(seat, claim).await,
            None => Ok(Look::default()),
        }
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        match self.machine(seat).await? {
            Some(client) => client.stop(seat, keep).await,
            None => Ok(()),
        }
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        let Some(client) = self.machine(seat).await? else {
            return Ok(());
        };
        keep_log(&self.conf.logs, &client, seat).await?;
        client.reap(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        if let Ok(Some(client)) = self.machine(seat).await {
            match client.logs(seat, from, limit).await {
                // It is over, and its log was fetched, perhaps.
                Err(PortError::NotFound(_)) => {}
                said => return said,
            }
        }
        kept::read(&self.conf.logs, &log_path(seat), (from, limit)).await
    }
}
