//! The back end `vps`: every seat is one session of a private tmux server on this machine.
//!
//! | file | what it is |
//! |---|---|
//! | `conf` | what it is told, and the tmux configuration |
//! | `tmux` | runs tmux commands, tells errors apart |
//! | `version` | which tmux will do |
//! | `server` | starts the server where nothing of ours takes it down |
//! | `scope` | which service manager keeps that server |
//! | `session` | one session per seat: begin, adopt, end in batches |
//! | `panes`, `remains` | what tmux holds; which processes carry a seat's mark |
//! | `look` | what is seen of a seat, out of both |
//! | `ending` | stop and reap |
//! | `rounds` | one look-up for all who ask |
//! | `instance` | which process is meant, beyond doubt; the runner uses it too |
//!
//! What a person does in the tmux server or to its processes changes what is seen, never the
//! register: that stands in the seat's files.

mod conf;
mod ending;
pub mod instance;
mod look;
mod panes;
mod remains;
mod rounds;
mod scope;
mod server;
mod session;
mod tmux;
pub mod version;

use std::{ffi::OsString, path::Path, time::Duration};

use async_trait::async_trait;
use sandbox_core::{
    AgentJobSpec, Brief, Claim, Seat,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
    validate::Invalid,
};

pub use conf::{SEAT_VARIABLE, VpsConfig};
pub use server::Placement;

use crate::seats::files::{log, sync};

/// How long one call of tmux may take.
const TMUX_LIMIT: Duration = Duration::from_secs(5);

/// The seats for which something runs on this machine, whichever data folder they belong to. Blocks for
/// as long as one look through `/proc` takes.
///
/// # Errors
/// `/proc` cannot be read.
pub fn seats_at_work() -> std::io::Result<Vec<Seat>> {
    let found = remains::scan()?;
    let running = found.iter().filter(|(_, all)| !all.is_empty());
    let mut seats: Vec<Seat> = running.filter_map(|(seat, _)| seat.parse().ok()).collect();
    seats.sort();
    Ok(seats)
}

/// Seats as tmux sessions of this machine.
#[derive(Debug)]
pub struct VpsBackend {
    config: VpsConfig,
    tmux: tmux::Tmux,
    server: server::Server,
    looker: look::Looker,
    doomed: session::Doomed,
}

impl VpsBackend {
    /// The back end on the private socket of this configuration. Starts nothing yet.
    ///
    /// # Errors
    /// `Refused` for a configuration that could not work, with what to change.
    pub fn new(config: VpsConfig) -> Answer<Self> {
        config.check()?;
        let tmux = tmux::Tmux {
            socket: config.socket.clone(),
            conf: config.tmux_conf(),
            limit: TMUX_LIMIT,
        };
        Ok(Self {
            config,
            tmux,
            server: server::Server::default(),
            looker: look::Looker::new(),
            doomed: session::Doomed::new(),
        })
    }

    /// Starts the tmux server if it does not run, and says where it stands.
    ///
    /// # Errors
    /// `Refused` when tmux is missing or too old, with what to do; `Unknown` when it does not
    /// answer.
    pub async fn ready(&self) -> Answer<Placement> {
        Ok(self.server.up(&self.tmux, &self.config).await?)
    }

    /// The command that shows a seat's session to a person, program first. It must not inherit
    /// the variable `TMUX`.
    #[must_use]
    pub fn attach_argv(&self, seat: &Seat) -> Vec<OsString> {
        session::attach(&self.tmux, seat)
    }

    /// Works on the seat's files away from the async threads.
    async fn on_disk<T, F>(&self, seat: &Seat, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&Path, &Seat) -> Answer<T> + Send + 'static,
    {
        let (root, seat) = (self.config.seats.clone(), seat.clone());
        let done = tokio::task::spawn_blocking(move || work(&root, &seat)).await;
        done.unwrap_or_else(|e| Err(PortError::Unknown(format!("use the seat folder: {e}"))))
    }
}

#[async_trait]
impl Backend for VpsBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Vps, session::name(seat))
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let sent = brief.clone();
        self.on_disk(&brief.seat, move |root, _| sync::put_brief(root, &sent))
            .await?;
        self.ready().await?;
        session::begin(&self.tmux, &self.config, &brief.seat).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.looker.look(&self.tmux, seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.stop_seat(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.reap_seat(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.on_disk(seat, move |root, seat| log::read(root, seat, from, limit))
            .await
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        super::not_elsewhere(spec).into_iter().collect()
    }
}
