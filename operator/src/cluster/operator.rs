//! Opens the parts of one replica in order: where it listens, the way to the API server, what is made once for all
//! replicas, the jobs.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Error, Result};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Config};
use object_store::ObjectStore;
use prometheus_client::metrics::gauge::Gauge;
use sandbox_core::{
    Uid,
    port::{Backend, Seats, Store},
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_elf::Elf;
use tokio::sync::{mpsc, watch};

use super::{
    client::{self, Requests},
    door::Tls,
    elf,
    events::Events,
    files, keys,
    replica::Replica,
    settings::{DoorSettings, Settings},
};
use crate::{
    announce::Announcing,
    backend::remote::{Machines, RemoteBackend, RemoteConfig},
    control::Waker,
    face::http::check_bind,
    seats::kube::KubeSeats,
    store::kube::{KubeStore, Objects, Scope},
    tokens::Tokens,
};

/// How long a claimant is believed to be at work that says nothing.
pub(super) const LEASE: Duration = Duration::from_mins(10);

/// The places of a cluster, by their names.
pub type Places = BTreeMap<BackendName, Arc<dyn Backend>>;

/// What a place may be made of.
pub struct Site<'a> {
    /// What the operator was told.
    pub settings: &'a Settings,
    /// The API server.
    pub client: Client,
    /// Who has which seat.
    pub seats: Arc<dyn Seats>,
    /// Has a job looked at.
    pub waker: Waker,
    /// The certificates by which runners know the seat service.
    pub authorities: String,
    /// Where what is too large for an object is kept.
    pub files: Arc<dyn ObjectStore>,
    /// The jobs.
    pub store: Arc<dyn Store>,
    /// Makes tokens by which runners pass the seat service that no API server knows.
    pub tokens: Tokens,
}

/// Opens the places of a cluster.
pub type Opened<'a> = BoxFuture<'a, Result<Places>>;

/// Runs a replica until `stop` resolves.
///
/// # Errors
/// A part could not be opened; the text says which and what to do.
pub async fn run(
    settings: Settings,
    places: impl for<'a> FnOnce(&'a Site<'a>) -> Opened<'a>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    // Somebody may have chosen a provider already; theirs is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let checks = Arc::new(settings.jobs.checks()?);
    let secrets = settings.fargate.secrets().await.map_err(Error::msg)?;
    let listeners = Listeners::open(&settings.doors)?;
    let way = Way::open(&settings).await?;
    let tls = way.tls(&settings.doors).await?;
    let keys = keys::open(&settings.doors, &way.secrets()).await?;
    let elf = elf::open(&settings.elf).await?;
    let jobs = Jobs::open(&settings, &way, (&tls, places, &elf)).await?;
    let replica = Replica {
        settings,
        way,
        tls,
        keys,
        elf,
        jobs,
        bounds: Arc::default(),
        checks,
        secrets,
        leads: Gauge::default(),
        reconciles: Arc::default(),
    };
    replica.run(listeners, stop).await
}

/// Where it listens. Opened first: what is taken is said at once.
pub(super) struct Listeners {
    pub(super) api: TcpListener,
    pub(super) seat: TcpListener,
    pub(super) probes: TcpListener,
}

impl Listeners {
    fn open(doors: &DoorSettings) -> Result<Self> {
        check_bind(doors.listen, doors.auth, doors.insecure)?;
        Ok(Self {
            api: listen(doors.listen, "the API: http")?,
            seat: listen(doors.seat_listen, "runners: https")?,
            probes: listen(doors.probe_listen, "probes: http")?,
        })
    }
}

fn listen(address: SocketAddr, what: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address);
    let listener = listener.with_context(|| format!("listened on {address}"))?;
    listener.set_nonblocking(true)?;
    tracing::info!("serving {what}://{}", listener.local_addr()?);
    Ok(listener)
}

/// The way to the API server, and who we are there.
pub(super) struct Way {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) requests: Requests,
    pub(super) namespace: String,
    pub(super) identity: String,
}

impl Way {
    async fn open(settings: &Settings) -> Result<Self> {
        let config = client::config(settings.kubeconfig.as_deref()).await?;
        let requests = Requests::default();
        let namespace = settings.namespace.clone();
        Ok(Self {
            client: client::client(config.clone(), &requests)?,
            namespace: namespace.unwrap_or_else(|| config.default_namespace.clone()),
            identity: settings.identity.clone().unwrap_or_else(host),
            requests,
            config,
        })
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn tls(&self, doors: &DoorSettings) -> Result<Tls> {
        let (secret, names) = (doors.seat_secret.clone(), doors.seat_names.clone());
        Tls::open(self.secrets(), secret, names).await
    }
}

fn host() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

/// The jobs of the cluster, and the doors to them.
pub(super) struct Jobs {
    pub(super) objects: Arc<Objects>,
    pub(super) ports: Ports,
    /// The seats as the reconciler reads them, whose every decision is a conditional write.
    pub(super) leaders_seats: Arc<dyn Seats>,
    pub(super) machines: Arc<Machines>,
    pub(super) files: Arc<dyn ObjectStore>,
    pub(super) events: Events,
    pub(super) waker: Waker,
    pub(super) calls: mpsc::UnboundedReceiver<Uid>,
    pub(super) writes: watch::Receiver<u64>,
    pub(super) bell: watch::Sender<u64>,
}

impl Jobs {
    async fn open(
        settings: &Settings,
        way: &Way,
        (tls, places, elf): (
            &Tls,
            impl for<'a> FnOnce(&'a Site<'a>) -> Opened<'a>,
            &Arc<Elf>,
        ),
    ) -> Result<Self> {
        let scope = match &settings.watch_namespaces[..] {
            [] => Scope::All,
            some => Scope::Namespaces(some.to_vec()),
        };
        let objects = Objects::new(way.client.clone(), scope);
        let events = Events::told_by(way.client.clone(), way.identity.clone());
        let told = events.clone();
        objects.record_to(Arc::new(move |job, event| told.tell(job, event)));
        let (store, writes) = Announcing::new(Arc::new(KubeStore::new(objects.clone())));
        let bell = store.bell();
        let store: Arc<dyn Store> = Arc::new(store);
        let (waker, calls) = Waker::new();
        let files = files::open(settings).await?;
        let seats = || KubeSeats::new(objects.clone(), LEASE, files.clone());
        let leaders_seats: Arc<dyn Seats> = Arc::new(seats().trusting_memory());
        let seats: Arc<dyn Seats> = Arc::new(seats());
        let site = Site {
            settings,
            client: way.client.clone(),
            seats: seats.clone(),
            waker: waker.clone(),
            authorities: tls.authorities().to_owned(),
            files: files.clone(),
            store: store.clone(),
            tokens: tls.tokens().clone(),
        };
        let mut backends = places(&site).await?;
        let machines = Arc::<Machines>::default();
        add_hosts(&mut backends, &store, (&machines, &files));
        let ports = Ports {
            store,
            seats,
            backends: Arc::new(backends),
            memory: elf.clone(),
        };
        Ok(Self {
            objects,
            ports,
            leaders_seats,
            machines,
            files,
            events,
            waker,
            calls,
            writes,
            bell,
        })
    }
}

/// The places of machines outside of the cluster.
fn add_hosts(
    backends: &mut Places,
    store: &Arc<dyn Store>,
    (machines, files): (&Arc<Machines>, &Arc<dyn ObjectStore>),
) {
    let conf = RemoteConfig {
        store: store.clone(),
        machines: machines.clone(),
        logs: files.clone(),
        lease: LEASE,
    };
    for name in [BackendName::Vps, BackendName::Container] {
        let remote: Arc<dyn Backend> = Arc::new(RemoteBackend::new(name, conf.clone()));
        backends.entry(name).or_insert(remote);
    }
}
