//! The back end `pod`: every seat is one pod of a cluster.
//!
//! | file | what it is |
//! |---|---|
//! | `conf` | what it is told; where things stand inside |
//! | `create` | what a pod is made of, as a pure function |
//! | `begin` | made once, adopted, refused, asked for again |
//! | `found` | what is known of a pod, and what it means |
//! | `cause` | why pods fail, as one table |
//! | `cache`, `follow` | our pods in memory, fed by a watch |
//! | `ending` | stop and reap |
//! | `logs` | what pods print, and where it is kept |
//!
//! The runner inside claims, beats and reports at the seat door over TLS, with a token of its pod.

mod begin;
mod cache;
mod cause;
mod conf;
mod create;
mod ending;
mod follow;
mod found;
mod logs;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use sandbox_core::{
    AgentJobSpec, Brief, Claim, Failure, Seat, Sighting,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
    validate::Invalid,
};

pub use cause::Cause;
pub use conf::{ATTEMPT_LABEL, AUDIENCE, CONTAINER, JOB_LABEL, PodConfig, inside};

use super::waits::Waits;
use crate::control::Waker;
use cache::{Cache, Entry};
use found::{Found, Stage};

/// Why an image that a job names is refused.
const NOT_ALLOWED: &str =
    "it is not one that this operator allows; the chart's pods.images lists them";
/// How long a node usually takes at most to begin a pod.
const USUAL: Duration = Duration::from_secs(20);
/// How long a look waits for the first look at everything.
const SYNC: Duration = Duration::from_secs(10);

/// Seats as pods of one cluster.
pub struct PodBackend {
    conf: PodConfig,
    client: Client,
    cache: Cache,
    waits: Waits,
    asked: Mutex<HashMap<String, Instant>>,
    waker: Waker,
}

impl fmt::Debug for PodBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodBackend").finish_non_exhaustive()
    }
}

impl PodBackend {
    /// The back end of this configuration. It sees pods only while [`PodBackend::follow`] runs; the waker
    /// has a job looked at when something of its pod changed.
    #[must_use]
    pub fn new(client: Client, conf: PodConfig, waker: Waker) -> Self {
        Self {
            conf,
            client,
            cache: Cache::default(),
            waits: Waits::default(),
            asked: Mutex::default(),
            waker,
        }
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn lock_asked(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first look at everything: before it, nothing that is not seen is not there.
    async fn ready(&self) -> Answer<()> {
        if self.cache.synced_within(SYNC).await {
            return Ok(());
        }
        let text = "look at the cluster's pods: the API server has not listed them yet";
        Err(PortError::Unknown(text.to_owned()))
    }

    /// The pod of the seat's name as it stands now, whoever made it.
    async fn live(&self, seat: &Seat, namespace: &str) -> Answer<Option<Found>> {
        let found = self.pods(namespace).get_opt(&seat.object_name()).await;
        let failed = |e| PortError::Unknown(format!("look at the pod of seat {seat}: {e}"));
        Ok(found.map_err(failed)?.as_ref().map(Found::read))
    }

    /// What is seen of a pod that is there.
    fn seen(&self, found: &Found, claim: Option<&Claim>) -> Look {
        let now = Timestamp::now();
        let mut look = Look {
            sightings: vec![found.sighting(now)],
            image: found.image.clone(),
            ..Look::default()
        };
        if let (Stage::Before(text, cause), None) = (found.stage(now), claim) {
            let given_up = cause.filter(|c| self.is_given_up(*c, found, now));
            match given_up {
                // The seat is closed before anything else: one that begins all the same does nothing.
                Some(cause) => look.sightings = vec![never(found, cause, &text)],
                None if is_news(cause, found, now) => look.preparing = Some(text),
                None => {}
            }
        }
        look
    }

    /// Whether what a pod needs has been missing for too long.
    fn is_given_up(&self, cause: Cause, found: &Found, now: Timestamp) -> bool {
        let since = found.placed_at().filter(|_| cause != Cause::Unschedulable);
        let waited = since.map(|at| now.duration_since(at).unsigned_abs());
        waited.is_some_and(|w| w >= self.conf.prepare_within)
    }

    /// What is seen where no pod is: how the last one went, where that is known.
    async fn absent(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        let sightings = match (self.cache.get(seat), claim) {
            (Some(Entry::Gone(last)), Some(_)) => vec![went(&last)],
            // Asked once more before a claimant counts as not there.
            (None, Some(_)) => match self.ours(seat).await? {
                Some(found) => return Ok(self.seen(&found, claim)),
                None => vec![Sighting::Unknown {
                    why: Cause::NodeLost.text("its pod is not there"),
                }],
            },
            _ => Vec::new(),
        };
        Ok(Look {
            sightings,
            preparing: self.waits.pending(seat).filter(|_| claim.is_none()),
            ..Look::default()
        })
    }
}

/// Whether people are told what a pod waits for: that its node makes it is told when it takes long.
fn is_news(cause: Option<Cause>, found: &Found, now: Timestamp) -> bool {
    let usual = matches!(cause, None | Some(Cause::NoVolume));
    let since = found.placed_at().map(|at| now.duration_since(at));
    !usual || since.is_some_and(|s| s.unsigned_abs() >= USUAL)
}

/// A pod that is gone: over when the kubelet had said so before, else nobody knows.
fn went(last: &Found) -> Sighting {
    let now = Timestamp::now();
    match last.stage(now) {
        Stage::Over => last.sighting(now),
        _ => Sighting::Unknown {
            why: Cause::NodeLost.text("its pod is gone, and nobody saw it end"),
        },
    }
}

/// A pod that was never begun and is given up.
fn never(found: &Found, cause: Cause, text: &str) -> Sighting {
    let why = match text.strip_prefix(cause.what()) {
        Some(_) => Failure::new(cause.class(), text),
        None => cause.failure(text),
    };
    Sighting::Exited {
        instance: found::instance(&found.uid),
        code: None,
        signal: None,
        why: Some(why),
    }
}

#[async_trait]
impl Backend for PodBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Pod, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        self.begin(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.ready().await?;
        match self.cache.get(seat) {
            Some(Entry::There(found)) => Ok(self.seen(&found, claim)),
            _ => self.absent(seat, claim).await,
        }
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.stop_seat(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.reap_seat(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.read_log(seat, from, limit).await
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        let asked = spec.backend.as_ref().and_then(|b| b.pod.as_ref());
        let image = asked.and_then(|p| p.image.as_deref());
        let refused = image.filter(|image| !self.conf.allows(image));
        let invalid = |_| Invalid::new("spec.backend.pod.image", NOT_ALLOWED);
        refused.map(invalid).into_iter().collect()
    }
}
