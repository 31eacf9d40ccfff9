//! The back end `container`: every seat is one container of an engine on this machine (Docker, or
//! Podman by the same interface).
//!
//! | file | what it is |
//! |---|---|
//! | `conf` | what it is told; where things stand inside |
//! | `engine` | the client, its errors told apart |
//! | `create` | what a container is made of, as a pure function |
//! | `folders` | what it mounts: seat, artifacts, workspace, secrets |
//! | `begin` | made once, adopted, refused |
//! | `images`, `network` | pulled images; the bridge of `network: full` |
//! | `places` | where our folders are for the engine |
//! | `gate` | the engine's socket, for calls of ours and no others |
//! | `look`, `ending` | what is seen; stop and reap |
//! | `events`, `sweep` | ends are told at once; orphans are removed |
//! | `proxy` | the way out of `network: restricted` |
//!
//! The runner inside claims, beats and reports by the same files as one in tmux: the folder of its
//! seat is mounted. So it works on while we, or the engine's daemon, are down.

mod begin;
mod conf;
mod create;
mod ending;
mod engine;
mod events;
mod folders;
pub mod gate;
mod images;
mod look;
mod network;
mod places;
pub mod proxy;
mod sweep;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use sandbox_core::{
    AgentJobSpec, Brief, Claim, Seat,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
    validate::Invalid,
};

pub use conf::{
    ContainerConfig, FIXED_USER, OWNER_LABEL, SEAT_LABEL, User, engine_host, inside, own_container,
};
pub use create::RELAY;
pub use look::instance;

use crate::{control::Waker, seats::files::log};

/// Why an image that a job names is refused.
const NOT_ALLOWED: &str =
    "it is not one that this server allows; SANDBOX_CONTAINER_IMAGES lists them";

/// Seats as containers of this machine.
#[derive(Debug)]
pub struct ContainerBackend {
    conf: ContainerConfig,
    owner: String,
    machine: u64,
    engine: Arc<engine::Engine>,
    images: images::Images,
    bridge: network::Bridge,
    waker: Waker,
    places: tokio::sync::OnceCell<places::Places>,
    asked: Mutex<HashMap<String, Instant>>,
}

impl ContainerBackend {
    /// The back end of this configuration. Asks the engine nothing yet; the waker has a job looked at
    /// when something of it ended or is ready.
    ///
    /// # Errors
    /// `Refused` for a configuration that could not work, with what to change.
    pub fn new(conf: ContainerConfig, waker: Waker) -> Answer<Self> {
        let engine = Arc::new(engine::Engine::new(&conf.host)?);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            owner: conf.owner()?,
            machine: (cores as u64).saturating_mul(1000),
            images: images::Images::new(engine.clone(), waker.clone()),
            bridge: network::Bridge::default(),
            places: tokio::sync::OnceCell::new(),
            asked: Mutex::default(),
            engine,
            waker,
            conf,
        })
    }

    /// Who we are on this engine: what stands in the label of our containers.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Asks the engine what it is: its version, in a word.
    ///
    /// # Errors
    /// `Unknown` when it does not answer, with what to do.
    pub async fn ready(&self) -> Answer<String> {
        let asked = async {
            let docker = self.engine.client().await?;
            Ok::<_, engine::Trouble>(docker.version().await?)
        };
        let version = asked.await.map_err(|e| e.unknown("use containers"))?;
        Ok(version.version.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// Where our folders are for the engine; asked once, when it is there.
    async fn places(&self) -> Result<&places::Places, engine::Trouble> {
        let own = self.conf.own.as_deref();
        let ask = || places::Places::ask(&self.engine, own);
        self.places.get_or_try_init(ask).await
    }

    fn lock_asked(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn on_disk<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&ContainerConfig) -> Answer<T> + Send + 'static,
    {
        let conf = self.conf.clone();
        let done = tokio::task::spawn_blocking(move || work(&conf)).await;
        done.unwrap_or_else(|e| Err(PortError::Unknown(format!("use the data folder: {e}"))))
    }
}

/// The engine's version, and whether it has an image: for people who look what a machine has.
///
/// # Errors
/// `Unknown` when it does not answer, with what to do.
pub async fn engine_state(host: &str, image: &str) -> Answer<(String, bool)> {
    let engine = engine::Engine::new(host)?;
    let asked = async {
        let docker = engine.client().await?;
        let version = docker.version().await?.version.unwrap_or_default();
        match docker.inspect_image(image).await.map_err(Into::into) {
            Ok(_) => Ok((version, true)),
            Err(engine::Trouble::NotFound(_)) => Ok((version, false)),
            Err(e) => Err(e),
        }
    };
    asked
        .await
        .map_err(|e: engine::Trouble| e.unknown("use containers"))
}

#[async_trait]
impl Backend for ContainerBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Container, create::name(seat))
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let sent = brief.clone();
        self.on_disk(move |conf| folders::prepare(conf, &sent))
            .await?;
        self.begin(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        let found = self.ours(seat).await;
        let found =
            found.map_err(|e| e.unknown(&format!("look at the container of seat {seat}")))?;
        let Some(mut found) = found.filter(|f| !f.is_only_made()) else {
            return Ok(Look {
                preparing: self.images.preparing(seat),
                ..Look::default()
            });
        };
        if !self.lock_asked().contains_key(&found.id) {
            found.ask_about_memory(&self.engine).await;
        }
        let said = match claim {
            None if !found.runs() => look::printed(&self.engine, seat).await,
            _ => None,
        };
        Ok(Look {
            sightings: vec![found.sighting(said)],
            image: found.image,
            ..Look::default()
        })
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.stop_seat(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.reap_seat(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let seat = seat.clone();
        self.on_disk(move |conf| log::read(&conf.seats, &seat, from, limit))
            .await
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        let asked = spec.backend.as_ref().and_then(|b| b.container.as_ref());
        let image = asked.and_then(|c| c.image.as_deref());
        let refused = image.filter(|image| !self.conf.allows(image));
        let invalid = |_| Invalid::new("spec.backend.container.image", NOT_ALLOWED);
        let elsewhere = super::not_elsewhere(spec);
        refused.map(invalid).into_iter().chain(elsewhere).collect()
    }
}
