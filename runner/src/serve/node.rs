//! One node: opens its parts in order, runs until it is told to stop, closes them in order.
//!
//! Runners and agents are not its children: they go on when it stops and are found again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use sandbox_core::{
    plan::{Hosts, Limits, REMOVE_WITHIN, Reason, Sites},
    port::{Backend, Memory, Seats, Store},
    reconcile::{Ports, Rest},
    spec::BackendName,
};
use sandbox_operator::{
    announce::Announcing,
    backend::{
        container::proxy,
        vps::{VpsBackend, VpsConfig},
    },
    control::{self, Control, Waker},
    counts::{Counted, Reconciles},
    face::{
        mcp::{Limited, Tools},
        rate::Bounds,
        seat::{SeatDoor, router},
    },
    listen::told_to_stop,
    seats::files::FileSeats,
    sweep,
    watch::Watches,
};
use tokio::{sync::watch, task::JoinSet};

use super::{
    containers::{self, Containers},
    face,
    fargate::{self, Fargate},
    host::Host,
    others::Others,
    sockets::{self, Listening, Turn},
    stores::{self, Stores},
};
use crate::{
    config::{ServeConfig, agent_login_file, number, pairs, switch},
    model::price::Prices,
    settings::{Checks, Settings},
};

/// How long a runner may take to end after it was asked to.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(15);
/// Reconciles at a time: most of them wait for a disk or for tmux.
const RECONCILES: usize = 32;

/// Runs the node.
///
/// # Errors
/// A part could not be opened; the text says which and what to do.
pub(super) async fn run(config: ServeConfig) -> Result<()> {
    make_folder(&config.data_dir)?;
    let mut taken = stores::take(&config)?;
    let run = sockets::folder(&config.data_dir)?;
    let socket = run.join("node.sock");
    let settings = settings(&config, &socket)?;
    settings
        .write(&config.data_dir)
        .context("wrote runner.json")?;
    let listener = face::listen(&config)?;
    let host = Host::open(&config, &run, &settings).await?;
    let mut node = open(&config, &run, &settings).await?;
    drop(taken.opening.take());
    let turn = Turn::take(&run)?;
    let services = face::services(&config, &node)?;
    let (stop, stopped) = watch::channel(false);
    let mut parts: JoinSet<Result<()>> = JoinSet::new();
    let seats = turn.listen(sockets::listen, socket)?;
    parts.spawn(serve_seats(seats, node.door(&config), stopped.clone()));
    node.containers(&config, &mut parts, (&turn, &stopped))?;
    node.tasks(&config, &mut parts, &stopped);
    if let Some(host) = host {
        host.run(&mut parts, (&turn, &stopped))?;
    }
    node.hear_others(&mut parts, stopped.clone());
    parts.spawn(face::serve(&config, services, listener, stopped.clone()));
    parts.spawn(node.sweep(&config, stopped.clone()));
    parts.spawn(node.control(&config, stopped));
    let first = tokio::select! {
        () = told_to_stop() => Ok(()),
        Some(ended) = parts.join_next() => ended.context("a part of the node panicked")?,
    };
    tracing::info!("stopping; jobs go on without this process");
    stop.send_replace(true);
    let rest = parts.join_all().await;
    rest.into_iter().fold(first, Result::and)
}

pub(super) fn make_folder(data_dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(data_dir)
        .with_context(|| format!("made the data folder {}", data_dir.display()))
}

fn settings(config: &ServeConfig, socket: &Path) -> Result<Settings> {
    let words = |name: &str, default: &str| {
        let text = config.sources.get(name).unwrap_or(default);
        text.split_whitespace().map(str::to_owned).collect()
    };
    // A runner starts elsewhere.
    let path = |name: &str| {
        config
            .sources
            .get(name)
            .map(std::path::absolute)
            .transpose()
    };
    let prices_file = path("SANDBOX_PRICES_FILE")?;
    if let Some(file) = &prices_file {
        Prices::with(file).map_err(anyhow::Error::msg)?;
    }
    let checks = path("SANDBOX_CHECKS_FILE")?.map(|file| Checks::read(&file));
    Ok(Settings {
        prices_file,
        checks: checks
            .transpose()
            .map_err(anyhow::Error::msg)?
            .unwrap_or_default(),
        workspace_root: config.workspace_root.clone(),
        artifacts_root: config.data_dir.join("artifacts"),
        socket: socket.to_owned(),
        door: None,
        model_url: config.sources.get("ANTHROPIC_BASE_URL").map(str::to_owned),
        model_key_file: super::secrets::model_key(config)?,
        dbt_command: words("SANDBOX_DBT_COMMAND", "dbt"),
        agent_command: words("SANDBOX_AGENT_COMMAND", "claude"),
        agent_env: pairs(&config.sources, "SANDBOX_AGENT_ENV")?,
        agent_token_file: path("SANDBOX_AGENT_TOKEN_FILE")?,
        agent_login: switch(&config.sources, "SANDBOX_AGENT_LOGIN")?,
        agent_login_file: std::path::absolute(agent_login_file(&config.sources))?,
        agent_login_renew: words("SANDBOX_AGENT_LOGIN_RENEW", ""),
        secrets_root: config.data_dir.join("secrets"),
        file_urls: switch(&config.sources, "SANDBOX_FILE_URLS")?,
        clone_limit: number(&config.sources, "SANDBOX_CLONE_LIMIT")?.unwrap_or_default(),
        git_timeout: number(&config.sources, "SANDBOX_GIT_TIMEOUT")?.unwrap_or_default(),
        log_limit: config
            .sources
            .get("SANDBOX_LOG_LIMIT")
            .and_then(|n| n.parse().ok())
            .unwrap_or_default(),
    })
}

/// The opened parts.
pub(super) struct Node {
    pub(super) ports: Ports,
    pub(super) writes: watch::Receiver<u64>,
    pub(super) waker: Waker,
    pub(super) elf: Arc<sandbox_elf::Elf>,
    pub(super) tools: Arc<dyn Tools>,
    pub(super) bounds: Arc<Bounds>,
    checks: Arc<Checks>,
    pub(super) reconciles: Arc<Reconciles>,
    /// What the store counts of itself.
    pub(super) counted: Option<Counted>,
    calls: Option<tokio::sync::mpsc::UnboundedReceiver<sandbox_core::Uid>>,
    watches: Watches,
    containers: Option<Containers>,
    fargate: Option<Fargate>,
    others: Option<Others>,
    sites: watch::Receiver<Sites>,
}

async fn open(config: &ServeConfig, run: &Path, settings: &Settings) -> Result<Node> {
    let Stores {
        store,
        elf,
        shared,
        counted,
    } = stores::open(config).await?;
    let (store, writes) = Announcing::new(store);
    let bell = store.bell();
    let memory: Arc<dyn Memory> = elf.clone();
    let (waker, calls) = Waker::new();
    let mut backends: BTreeMap<BackendName, Arc<dyn Backend>> = BTreeMap::new();
    if config.backends.contains(&BackendName::Vps) {
        backends.insert(BackendName::Vps, Arc::new(vps(config, run).await?));
    }
    let containers = containers::open(config, run, settings, (&waker, false)).await?;
    if let Some(containers) = &containers {
        backends.insert(BackendName::Container, containers.backend.clone());
    }
    let store: Arc<dyn Store> = Arc::new(store);
    let fargate = fargate::open(config, &store, &waker).await?;
    if let Some(fargate) = &fargate {
        backends.insert(BackendName::Fargate, fargate.backend.clone());
    }
    let offers = backends.keys().copied().collect();
    let (others, sites) = match shared {
        Some(shared) => {
            let (others, sites) = Others::meet(shared, offers, (bell, waker.clone())).await?;
            (Some(others), sites)
        }
        None => (None, watch::channel(Sites::default()).1),
    };
    let ports = Ports {
        store,
        seats: seats(config),
        backends: Arc::new(backends),
        memory,
    };
    let bounds = Arc::new(Bounds::default());
    Ok(Node {
        ports,
        writes,
        watches: Watches::new(waker.clone()),
        waker,
        tools: Arc::new(Limited::new(elf.clone(), bounds.clone())),
        bounds,
        checks: Arc::new(settings.checks.clone()),
        reconciles: Arc::default(),
        counted,
        elf,
        containers,
        fargate,
        others,
        sites,
        calls: Some(calls),
    })
}

fn seats(config: &ServeConfig) -> Arc<dyn Seats> {
    let seats = FileSeats::new(config.data_dir.join("seats"));
    Arc::new(seats.with_artifacts(config.data_dir.join("artifacts")))
}

async fn vps(config: &ServeConfig, run: &Path) -> Result<VpsBackend> {
    tmux(&config.data_dir, run.join("tmux.sock"), None).await
}

/// A tmux of this data folder, on this socket. Where there is a door, runners ask there for their seats.
pub(super) async fn tmux(
    data_dir: &Path,
    socket: PathBuf,
    door: Option<PathBuf>,
) -> Result<VpsBackend> {
    let runner = std::env::current_exe().context("read where this program is")?;
    let backend = VpsBackend::new(VpsConfig {
        data_dir: data_dir.to_owned(),
        seats: data_dir.join("seats"),
        runner,
        socket,
        grace: STOP_GRACE,
        env: BTreeMap::new(),
        door,
    })?;
    let placed = backend.ready().await.context("started tmux")?;
    tracing::info!(?placed, "tmux is ready");
    Ok(backend)
}

impl Node {
    /// What others on the same store call us.
    pub(super) fn site(&self) -> Option<String> {
        self.sites.borrow().own.clone()
    }

    fn door(&self, config: &ServeConfig) -> SeatDoor {
        let watches = self.watches.clone();
        SeatDoor {
            deadline: config.deadline,
            store: self.ports.store.clone(),
            seats: self.ports.seats.clone(),
            memory: self.ports.memory.clone(),
            tools: Some(self.tools.clone()),
            waker: self.waker.clone(),
            claimed: Arc::new(move |seat, claim| watches.watch(&seat.uid, &claim.instance)),
            may_claim: true,
            passes: None,
            artifacts: None,
            lease: None,
            checks: self.checks.clone(),
            secrets: None,
        }
    }

    /// Calls for what is kept long enough, until the node stops.
    fn sweep(
        &self,
        config: &ServeConfig,
        mut stopped: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<()>> + use<> {
        let store = self.ports.store.clone();
        let run = sweep::run(store, config.ttl, self.waker.clone());
        async move {
            tokio::select! {
                () = run => {}
                // An error means that the node is gone, which is a reason to stop as well.
                _ = stopped.wait_for(|is| *is) => {}
            }
            Ok(())
        }
    }

    /// What the container back end needs to run besides: its two sockets, the engine's events, the
    /// search for orphans.
    fn containers(
        &self,
        config: &ServeConfig,
        parts: &mut JoinSet<Result<()>>,
        (turn, stopped): (&Turn, &watch::Receiver<bool>),
    ) -> Result<()> {
        let Some(containers) = &self.containers else {
            return Ok(());
        };
        let sockets = &containers.sockets;
        let seats = turn.listen(containers::listen, sockets.join("node.sock"))?;
        let door = SeatDoor {
            may_claim: false,
            ..self.door(config)
        };
        parts.spawn(serve_seats(seats, door, stopped.clone()));
        let proxy = turn.listen(containers::listen, sockets.join("proxy.sock"))?;
        let (hosts, backend) = (containers.hosts.clone(), containers.backend.clone());
        let (store, mut stopped) = (self.ports.store.clone(), stopped.clone());
        parts.spawn(async move {
            let proxied = async {
                let served = proxy::serve(proxy.await?, hosts).await;
                served.context("served the containers' proxy")
            };
            tokio::select! {
                served = proxied => served,
                () = backend.clone().follow() => Ok(()),
                () = backend.keep_tidy(store) => Ok(()),
                _ = stopped.wait_for(|is| *is) => Ok(()),
            }
        });
        Ok(())
    }

    /// What the back end of Fargate needs to run besides: its door, and what ECS tells.
    fn tasks(
        &mut self,
        config: &ServeConfig,
        parts: &mut JoinSet<Result<()>>,
        stopped: &watch::Receiver<bool>,
    ) {
        let door = self.door(config);
        if let Some(fargate) = self.fargate.take() {
            parts.spawn(fargate.run(door, stopped.clone()));
        }
    }

    /// Hears of the others on the same store, where there may be some, until the node stops.
    fn hear_others(&mut self, parts: &mut JoinSet<Result<()>>, mut stopped: watch::Receiver<bool>) {
        let Some(others) = self.others.take() else {
            return;
        };
        parts.spawn(async move {
            tokio::select! {
                heard = others.hear() => heard,
                // An error means that the node is gone, which is a reason to stop as well.
                _ = stopped.wait_for(|is| *is) => Ok(()),
            }
        });
    }

    fn control(
        self,
        config: &ServeConfig,
        mut stopped: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<()>> + use<> {
        let control = Control {
            ports: self.ports.clone(),
            limits: limits(config),
            sites: self.sites.clone(),
            hosts: watch::channel(Hosts::default()).1,
            clock: Timestamp::now,
            concurrency: RECONCILES,
            at_rest: at_rest(self.watches.clone(), self.ports.clone()),
            counts: self.reconciles.clone(),
        };
        async move {
            let Some(calls) = self.calls else {
                return Ok(());
            };
            let stop = async move {
                // An error means that the node is gone, which is a reason to stop as well.
                let _ = stopped.wait_for(|is| *is).await;
            };
            control::run(control, calls, stop)
                .await
                .context("took up the jobs that are not over")
        }
    }
}

fn limits(config: &ServeConfig) -> Limits {
    Limits {
        backend: config.backend(),
        slots: config.slots,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: Duration::from_mins(1),
        vanish_grace: Duration::from_secs(10),
        lease: None,
        deadline: config.deadline,
        record_within: Duration::from_mins(10),
        ttl: config.ttl,
        remove_within: REMOVE_WITHIN,
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}

/// A runner that was at work before this process came is watched from its first look on.
fn at_rest(watches: Watches, ports: Ports) -> control::AtRest {
    Arc::new(move |uid, rest: &Rest| {
        let runs = matches!(rest.reason, Some(Reason::Working | Reason::Leaving));
        if !runs || watches.has(uid) {
            return;
        }
        let (watches, ports, uid) = (watches.clone(), ports.clone(), uid.clone());
        tokio::spawn(async move {
            if let Ok(Some(job)) = ports.store.load(&uid).await
                && let Ok(seat) = job.seat()
            {
                watches.watch_claimant(ports.seats.as_ref(), &seat).await;
            }
        });
    })
}

async fn serve_seats(
    listening: Listening,
    door: SeatDoor,
    mut stopped: watch::Receiver<bool>,
) -> Result<()> {
    let listener = tokio::select! {
        listener = listening => listener?,
        _ = stopped.wait_for(|is| *is) => return Ok(()),
    };
    let until = async move {
        let _ = stopped.wait_for(|is| *is).await;
    };
    axum::serve(listener, router(door))
        .with_graceful_shutdown(until)
        .await
        .context("served the seat protocol")
}
