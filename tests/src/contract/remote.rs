//! A machine elsewhere, on loopback: the seat API over TLS with a certificate of its own, and before it the back end of a
//! control plane that knows the certificate by its pin.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use object_store::memory::InMemory;
use sandbox_core::{
    Brief, Seat,
    host::PinnedCertificate,
    port::{Backend, Store},
    spec::BackendName,
    status::{BackendRef, HostRef},
};
use sandbox_operator::{
    backend::{
        remote::{
            Client, ClientSettings, Described, Machines, RemoteBackend, RemoteConfig,
            spki_sha256_of_pem,
        },
        vps::VpsBackend,
    },
    control::Waker,
    host::{Machine, MachineConfig, digest, papers::Papers, router},
    listen,
    store::memory::MemoryStore,
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    backend::{Place, new_brief},
    vps::Vps,
};

/// The token of these machines.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A machine elsewhere, and the way to it.
pub struct Remote {
    /// What runs there.
    pub vps: Vps,
    backend: RemoteBackend,
    store: Arc<dyn Store>,
    is: HostRef,
    serving: JoinHandle<()>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Remote {
    /// One whose runner is this script.
    pub async fn new(script: &str) -> Self {
        let vps = Vps::new(script);
        let papers = Papers::of(&vps.config.data_dir);
        papers.make_certificate().unwrap();
        let (address, serving) = serve(&vps, &papers).await;
        let is = HostRef {
            name: "vps-1".to_owned(),
            uid: uuid::Uuid::new_v4().to_string(),
        };
        let machines = Arc::<Machines>::default();
        machines.describe(described(&is), Ok(client(address, &papers, &is)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let backend = RemoteBackend::new(
            BackendName::Vps,
            RemoteConfig {
                store: store.clone(),
                machines,
                logs: Arc::new(InMemory::new()),
                lease: Duration::from_mins(10),
            },
        );
        Self {
            vps,
            backend,
            store,
            is,
            serving,
        }
    }
}

async fn serve(vps: &Vps, papers: &Papers) -> (SocketAddr, JoinHandle<()>) {
    let place: Arc<dyn Backend> = Arc::new(VpsBackend::new(vps.config.clone()).unwrap());
    let conf = MachineConfig {
        places: BTreeMap::from([(BackendName::Vps, place)]),
        seats: vps.config.seats.clone(),
        slots: 100,
        release: "test".to_owned(),
    };
    let machine = Machine::open(conf, Waker::new().0).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = listen::tls((&papers.certificate, &papers.key))
        .await
        .unwrap();
    let routes = router(machine, digest(TOKEN));
    let serving = listen::serve(listener, routes, Some(tls), std::future::pending());
    let serving = tokio::spawn(async move { serving.await.unwrap() });
    (address, serving)
}

fn client(address: SocketAddr, papers: &Papers, is: &HostRef) -> Arc<Client> {
    let pem = std::fs::read(&papers.certificate).unwrap();
    let settings = ClientSettings {
        address: address.to_string(),
        certificate: PinnedCertificate {
            spki_sha256: vec![spki_sha256_of_pem(&pem).unwrap()],
            ..PinnedCertificate::default()
        },
        token: TOKEN.to_owned().into(),
        owner: is.uid.clone(),
    };
    Arc::new(Client::new(settings).unwrap())
}

fn described(is: &HostRef) -> Described {
    Described {
        is: is.clone(),
        namespace: "default".to_owned(),
        ..Described::default()
    }
}

#[async_trait]
impl Place for Remote {
    fn backend(&self) -> &dyn Backend {
        &self.backend
    }

    /// Of a job whose attempt was given to this machine.
    async fn brief(&self) -> Brief {
        let brief = new_brief(BackendName::Vps);
        let job = json!({
            "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
            "metadata": {"name": brief.seat.uid, "namespace": "default", "uid": brief.seat.uid},
            "spec": {"type": "echo", "echo": {}},
        });
        let mut job: sandbox_core::AgentJob = serde_json::from_value(job).unwrap();
        let mut status = job.status().into_owned();
        status.attempt = 1;
        status.backend_ref = Some(BackendRef {
            host: Some(self.is.clone()),
            ..BackendRef::default()
        });
        job.status = Some(status);
        self.store.create(job, None).await.unwrap();
        brief
    }

    async fn up(&self, seat: &Seat) {
        self.vps.up(seat).await;
    }

    async fn over(&self, instance: &str) {
        self.vps.over(instance).await;
    }

    fn starts(&self) -> usize {
        self.vps.starts()
    }
}
