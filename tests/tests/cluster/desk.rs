//! A control plane in this process: core's reconciler, the pods' back end, and the seat door over TLS, at the address
//! that pods reach. Jobs are objects of the real API server, which is the store.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::EnvVar;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sandbox_core::{
    AgentJob, AgentJobStatus,
    plan::{Hosts, Limits, Sites},
    port::{Backend, Seats, Store},
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_elf::{Elf, store::memory::MemoryLedger};
use sandbox_operator::{
    backend::pod::{AUDIENCE, PodBackend},
    control::{self, Control, Waker},
    face::seat::{Passes, Reviews, SeatDoor, router},
    seats::kube::KubeSeats,
    store::kube::{Scope, Told},
};
use sandbox_tests::{
    cluster::{
        bed::Process,
        whole::{Whole, shared},
    },
    contract::pod::{Pods, config},
    engine::IMAGE,
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(3);

/// The control plane of one test.
pub struct Desk {
    pub pods: Pods,
    pub store: Arc<dyn Store>,
    pub seats: Arc<dyn Seats>,
    pub backend: Arc<PodBackend>,
    tasks: Vec<JoinHandle<()>>,
    _process: Process,
}

impl Desk {
    /// A control plane whose runners have this lease.
    pub async fn new(lease: Duration) -> Self {
        Self::on(shared().await.unwrap(), lease).await
    }

    /// The same on this cluster.
    pub async fn on(whole: Arc<Whole>, lease: Duration) -> Self {
        Self::with(Pods::on(whole, "", |_| {}).await, lease, Vec::new()).await
    }

    /// The same in this namespace, with these variables for all runners.
    pub async fn with(pods: Pods, lease: Duration, env: Vec<EnvVar>) -> Self {
        let listener = TcpListener::bind((pods.whole.address(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (authority, keys) = certificate(address);
        let mut conf = config();
        IMAGE.clone_into(&mut conf.image);
        conf.door = format!("https://{address}");
        conf.authority = authority;
        conf.env = env;
        let logs = conf.logs.clone();
        let (waker, calls) = Waker::new();
        let client = pods.client.clone();
        let backend = Arc::new(PodBackend::new(client.clone(), conf, waker.clone()));
        let process = objects(&pods, &waker).await;
        let seats = KubeSeats::new(process.objects.clone(), lease, logs);
        let place: Arc<dyn Backend> = backend.clone();
        let ports = Ports {
            store: process.store(),
            seats: Arc::new(seats),
            backends: Arc::new(BTreeMap::from([(BackendName::Pod, place)])),
            memory: Arc::new(Elf::new(Arc::new(MemoryLedger::default()))),
        };
        let passes = Arc::new(Reviews::new(client, AUDIENCE));
        let door = router(door(&ports, waker, passes, lease));
        let control = control(ports.clone(), lease);
        let following = backend.clone().follow();
        let serving = axum_server::from_tcp_rustls(listener, keys).unwrap();
        let tasks = vec![
            tokio::spawn(following),
            tokio::spawn(async move {
                let _ = serving.serve(door.into_make_service()).await;
            }),
            tokio::spawn(async move {
                let _ = control::run(control, calls, std::future::pending()).await;
            }),
        ];
        Self {
            pods,
            store: ports.store,
            seats: ports.seats,
            backend,
            tasks,
            _process: process,
        }
    }

    /// Applies a job, as people do.
    pub fn submit(&self, spec: &Value) -> AgentJob {
        serde_json::from_value(self.pods.job(spec)).unwrap()
    }

    /// Changes a job's spec, as people do.
    pub fn patch(&self, job: &AgentJob, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        let namespace = &self.pods.namespace;
        let words = [
            "patch",
            "aj",
            job.name(),
            "-n",
            namespace,
            "--type=merge",
            "-p",
            &patch,
        ];
        self.pods.whole.kubectl(&words).unwrap();
    }

    /// The job's status, once it is so.
    pub async fn until(
        &self,
        job: &AgentJob,
        what: &str,
        is: impl Fn(&AgentJobStatus) -> bool,
    ) -> AgentJobStatus {
        let (from, uid) = (Instant::now(), job.uid().unwrap());
        loop {
            let record = self.store.load(&uid).await.unwrap();
            let status = record.map(|r| r.status().into_owned()).unwrap_or_default();
            if is(&status) {
                return status;
            }
            assert!(from.elapsed() < PATIENCE, "never {what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The job's status at its end.
    pub async fn finished(&self, job: &AgentJob) -> AgentJobStatus {
        self.until(job, "finished", sandbox_core::AgentJobStatus::is_over)
            .await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The jobs of the namespace, followed.
async fn objects(pods: &Pods, waker: &Waker) -> Process {
    let scope = Scope::Namespaces(vec![pods.namespace.clone()]);
    let waker = waker.clone();
    let told: Told = Arc::new(move |uid| waker.wake(uid));
    Process::start(pods.client.clone(), scope, told).await
}

fn door(ports: &Ports, waker: Waker, passes: Arc<dyn Passes>, lease: Duration) -> SeatDoor {
    SeatDoor {
        store: ports.store.clone(),
        seats: ports.seats.clone(),
        memory: ports.memory.clone(),
        tools: None,
        waker,
        deadline: Duration::from_hours(1),
        claimed: Arc::new(|_, _| {}),
        may_claim: true,
        artifacts: None,
        passes: Some(passes),
        lease: Some(lease),
        checks: Arc::default(),
        secrets: None,
    }
}

fn control(ports: Ports, lease: Duration) -> Control {
    Control {
        ports,
        limits: limits(lease),
        sites: watch::channel(Sites::default()).1,
        hosts: watch::channel(Hosts::default()).1,
        clock: Timestamp::now,
        concurrency: 8,
        at_rest: Arc::new(|_, _| {}),
        counts: Arc::default(),
    }
}

fn limits(lease: Duration) -> Limits {
    Limits {
        backend: BackendName::Pod,
        slots: 8,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: Duration::from_mins(1),
        vanish_grace: Duration::from_secs(5),
        lease: Some(lease),
        deadline: Duration::from_hours(1),
        record_within: Duration::from_mins(1),
        ttl: None,
        remove_within: Duration::from_hours(1),
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}

/// An authority, and the keys that it signed for this address.
fn certificate(address: SocketAddr) -> (String, RustlsConfig) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![address.ip().to_string()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (authority.pem(), RustlsConfig::from_config(Arc::new(config)))
}
