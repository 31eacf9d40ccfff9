//! This machine as clusters meet it: seats of its own beside the node's, in a tmux and in containers of their own, and a
//! door with TLS. What runs there belongs to the clusters; this node's jobs, files and secrets are another matter.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use sandbox_core::{Uid, port::Backend, spec::BackendName};
use sandbox_operator::{
    backend::container::proxy,
    control::Waker,
    host::{Machine, MachineConfig, digest, papers::Papers, relay, router},
    listen,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    containers::{self, Containers},
    node::{make_folder, tmux},
    sockets::{self, Listening, Turn},
};
use crate::{
    config::{ServeConfig, Sources, number},
    settings::Settings,
};

/// The opened parts of it.
pub(super) struct Host {
    listener: TcpListener,
    papers: Papers,
    machine: Arc<Machine>,
    calls: mpsc::UnboundedReceiver<Uid>,
    containers: Option<Containers>,
    socket: PathBuf,
}

/// The folder of everything that clusters have on this machine.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("host")
}

/// Where the papers stand, which are made where nobody named others.
///
/// # Errors
/// They cannot be made.
pub fn papers(data_dir: &Path, sources: &Sources) -> Result<Papers> {
    let own = Papers::of(&folder(data_dir));
    let named = |name: &str| sources.get(name).map(PathBuf::from);
    let (certificate, key) = (
        named("SANDBOX_HOST_TLS_CERT"),
        named("SANDBOX_HOST_TLS_KEY"),
    );
    let token = named("SANDBOX_HOST_TOKEN_FILE");
    let pair = match (certificate, key) {
        (None, None) => {
            own.make_certificate()?;
            (own.certificate.clone(), own.key.clone())
        }
        (Some(certificate), Some(key)) => (certificate, key),
        _ => anyhow::bail!(
            "read the settings of the host: SANDBOX_HOST_TLS_CERT and SANDBOX_HOST_TLS_KEY go together"
        ),
    };
    if token.is_none() {
        own.make_token()?;
    }
    Ok(Papers {
        certificate: pair.0,
        key: pair.1,
        token: token.unwrap_or(own.token),
    })
}

impl Host {
    /// Opens what is needed, where clusters may come at all.
    ///
    /// # Errors
    /// A part cannot be opened; the text says which and what to do.
    pub(super) async fn open(
        config: &ServeConfig,
        run: &Path,
        settings: &Settings,
    ) -> Result<Option<Self>> {
        let Some(address) = config.host_listen else {
            return Ok(None);
        };
        let data_dir = folder(&config.data_dir);
        make_folder(&data_dir)?;
        let papers = papers(&config.data_dir, &config.sources)?;
        let listener = TcpListener::bind(address).with_context(|| {
            format!("listened on {address} for clusters; is another server there?")
        })?;
        listener
            .set_nonblocking(true)
            .context("prepared the listener")?;
        let run = run.join("h");
        make_folder(&run)?;
        let socket = run.join("node.sock");
        let settings = Settings {
            workspace_root: data_dir.join("workspace"),
            artifacts_root: data_dir.join("artifacts"),
            secrets_root: data_dir.join("secrets"),
            socket: socket.clone(),
            ..settings.clone()
        };
        settings
            .write(&data_dir)
            .context("wrote the host's runner.json")?;
        let (waker, calls) = Waker::new();
        let own = ServeConfig {
            data_dir: data_dir.clone(),
            ..config.clone()
        };
        let containers = containers::open(&own, &run, &settings, (&waker, true)).await?;
        let places = places(&own, (&run, &socket), containers.as_ref()).await?;
        let conf = MachineConfig {
            places,
            seats: data_dir.join("seats"),
            slots: number(&config.sources, "SANDBOX_HOST_SLOTS")?.unwrap_or(config.slots),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok(Some(Self {
            listener,
            papers,
            machine: Machine::open(conf, waker)?,
            calls,
            containers,
            socket,
        }))
    }

    /// Runs until the node stops. Seats go on without it.
    ///
    /// # Errors
    /// The token cannot be read.
    pub(super) fn run(
        self,
        parts: &mut JoinSet<Result<()>>,
        (turn, stopped): (&Turn, &watch::Receiver<bool>),
    ) -> Result<()> {
        let token = self.papers.read_token()?;
        let address = self
            .listener
            .local_addr()
            .context("read where the host listens")?;
        let door = router(self.machine.clone(), digest(&token));
        let (stop, papers, listener) = (until(stopped.clone()), self.papers, self.listener);
        parts.spawn(async move {
            let tls = listen::tls((&papers.certificate, &papers.key)).await;
            let tls = tls.context("used the certificate of the host")?;
            tracing::info!(
                "serving clusters on https://{address}; `sandbox host` prints what they need"
            );
            let served = listen::serve(listener, door, Some(tls), stop).await;
            served.context("served clusters")
        });
        let runners = turn.listen(sockets::listen, self.socket)?;
        parts.spawn(serve_runners(
            runners,
            self.machine.clone(),
            stopped.clone(),
        ));
        if let Some(containers) = self.containers {
            let inside = containers.sockets.join("node.sock");
            let inside = turn.listen(containers::listen, inside)?;
            parts.spawn(serve_runners(inside, self.machine.clone(), stopped.clone()));
            let proxy = turn.listen(containers::listen, containers.sockets.join("proxy.sock"))?;
            parts.spawn(look_after(containers, proxy, stopped.clone()));
        }
        let (machine, calls, stop) = (self.machine, self.calls, until(stopped.clone()));
        parts.spawn(async move {
            tokio::select! {
                () = machine.keep(calls) => Ok(()),
                () = stop => Ok(()),
            }
        });
        Ok(())
    }
}

async fn places(
    config: &ServeConfig,
    (run, socket): (&Path, &Path),
    containers: Option<&Containers>,
) -> Result<BTreeMap<BackendName, Arc<dyn Backend>>> {
    let mut places: BTreeMap<BackendName, Arc<dyn Backend>> = BTreeMap::new();
    if config.backends.contains(&BackendName::Vps) {
        let door = Some(socket.to_owned());
        let tmux = tmux(&config.data_dir, run.join("tmux.sock"), door).await?;
        places.insert(BackendName::Vps, Arc::new(tmux));
    }
    if let Some(containers) = containers {
        places.insert(BackendName::Container, containers.backend.clone());
    }
    Ok(places)
}

async fn serve_runners(
    listening: Listening,
    machine: Arc<Machine>,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    let listener = tokio::select! {
        listener = listening => listener?,
        () = until(stopped.clone()) => return Ok(()),
    };
    // What waits for an answer here would keep the end from coming; whoever asked asks again.
    tokio::select! {
        served = axum::serve(listener, relay(machine)).into_future() => served.context("served the seat protocol"),
        () = until(stopped) => Ok(()),
    }
}

/// What containers need besides: their way out, and the engine's events.
async fn look_after(
    containers: Containers,
    proxy: Listening,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    let hosts = containers.hosts.clone();
    let proxied = async {
        let served = proxy::serve(proxy.await?, hosts).await;
        served.context("served the containers' proxy")
    };
    tokio::select! {
        served = proxied => served,
        () = containers.backend.clone().follow() => Ok(()),
        () = until(stopped) => Ok(()),
    }
}

/// Resolves when this is said, or nobody can say it any more.
async fn until(mut said: watch::Receiver<bool>) {
    let _ = said.wait_for(|is| *is).await;
}
