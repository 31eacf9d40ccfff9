//! A machine elsewhere as people have it, `sandbox serve --host-listen …` in a process of its own, and a control plane in
//! this process that reaches it by its seat API alone: core's reconciler, the back end of remote machines, the seat service,
//! the relay. All of it goes with the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::match_wild_err_arm,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use jiff::Timestamp;
use object_store::memory::InMemory;
use rustix::process::Signal;
use sandbox_core::{
    AgentJob, Brief, Claim, Seat, Uid,
    host::PinnedCertificate,
    plan::{Limits, REMOVE_WITHIN, Sites},
    port::{Answer, Backend, Change, LogChunk, Look, Memory, PortError, Seats, Store, Write},
    reconcile::Ports,
    spec::BackendName,
    status::HostRef,
};
use sandbox_elf::{Elf, store::memory::MemoryLedger};
use sandbox_operator::{
    announce::Announcing,
    backend::remote::{
        Client, ClientSettings, Described, Health, Machines, Relay, RemoteBackend, RemoteConfig,
        spki_sha256_of_pem,
    },
    control::{self, Control, Waker},
    face::seat::{SeatDoor, router},
    host::papers::Papers,
    seats::memory::MemorySeats,
    store::memory::MemoryStore,
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::node::{PATIENCE, built, send};

/// How long nothing is seen before an attempt counts as lost, once its lease is over.
pub const GRACE: Duration = Duration::from_secs(5);

/// A machine that serves control planes elsewhere.
pub struct Machine {
    folder: tempfile::TempDir,
    /// Where it serves them.
    pub address: String,
    /// What stands before the program's words: another network, perhaps.
    prefix: Vec<String>,
    /// What its program finds in its environment besides.
    env: Vec<(String, String)>,
    process: Option<Child>,
}

impl Machine {
    /// One on loopback, started.
    pub fn start() -> Self {
        Self::begun(&free_address(), &[], &[("SANDBOX_BACKENDS", "vps")])
    }

    /// One on loopback that also runs containers, in the engine at this address.
    pub fn with_engine(engine: &str) -> Self {
        let env = [
            ("SANDBOX_BACKENDS", "vps,container"),
            ("DOCKER_HOST", engine),
        ];
        Self::begun(&free_address(), &[], &env)
    }

    /// One that serves at this address, its program begun by these words.
    pub fn at(address: &str, prefix: &[&str]) -> Self {
        Self::begun(address, prefix, &[("SANDBOX_BACKENDS", "vps")])
    }

    fn begun(address: &str, prefix: &[&str], env: &[(&str, &str)]) -> Self {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let mut machine = Self {
            folder: tempfile::tempdir().unwrap(),
            address: address.to_owned(),
            prefix: prefix.iter().map(|w| (*w).to_owned()).collect(),
            env: env.iter().map(owned).collect(),
            process: None,
        };
        machine.restart();
        machine
    }

    /// Starts the program, and waits until it serves.
    pub fn restart(&mut self) {
        let mut words: Vec<String> = self.prefix.clone();
        words.push(built("sandbox").to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["serve", "--listen", "127.0.0.1:0", "--host-listen"])
            .arg(&self.address)
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .env_clear()
            .envs(["PATH", "HOME"].map(|k| (k, std::env::var(k).unwrap_or_default())))
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .env("SANDBOX_HOST_SLOTS", "2")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = lines.next();
            let line = line
                .unwrap_or_else(|| panic!("serve ended: {said}"))
                .unwrap();
            said.push_str(&line);
            if said.contains("serving clusters on") && said.contains("serving on ") {
                break;
            }
        }
        // Read on, or the pipe fills and the server waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(child);
    }

    /// What the program says to these words, of this data.
    pub fn command(&self, words: &[&str]) -> String {
        let mut command = Command::new(built("sandbox"));
        let said = command
            .args(words)
            .arg("--data-dir")
            .arg(self.data())
            .output()
            .unwrap();
        assert!(said.status.success(), "sandbox {words:?}: {said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    /// Ends the program by this signal; what it has begun goes on.
    pub fn kill(&mut self, signal: Signal) {
        if let Some(mut child) = self.process.take() {
            send(child.id(), signal);
            child.wait().unwrap();
        }
    }

    fn host(&self) -> PathBuf {
        self.folder.path().join("data/host")
    }

    /// Its token.
    pub fn token(&self) -> String {
        Papers::of(&self.host()).read_token().unwrap()
    }

    /// The pin of its certificate.
    pub fn pin(&self) -> String {
        spki_sha256_of_pem(&fs::read(self.host().join("cert.pem")).unwrap()).unwrap()
    }

    /// The data folder of `serve`.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What an echo job wrote at each of its starts.
    pub fn starts(&self, job: &AgentJob) -> Vec<String> {
        let (tenant, uid) = (job.tenant().unwrap(), job.uid().unwrap());
        let path = self
            .host()
            .join(format!("artifacts/{tenant}/{uid}/echo.log"));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Live processes that carry this seat.
    pub fn processes(&self, seat: &Seat) -> Vec<u32> {
        let mark = format!("SANDBOX_SEAT={seat}");
        let all = fs::read_dir("/proc").unwrap();
        let all = all.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let runs = !state.is_empty() && !state.contains(") Z ");
            runs && environ.split(|b| *b == 0).any(|w| w == mark.as_bytes())
        })
        .collect()
    }

    /// Whether anything is kept of this job.
    pub fn keeps(&self, uid: &Uid) -> bool {
        self.host().join("seats").join(uid.as_str()).exists()
    }

    fn seats(&self) -> Vec<Seat> {
        let kept = fs::read_dir(self.host().join("seats"));
        let uids = kept
            .into_iter()
            .flatten()
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        let attempts = uids.flat_map(|uid: Uid| (1..5).map(move |n| Seat::new(uid.clone(), n)));
        attempts.collect()
    }
}

fn free_address() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    port.local_addr().unwrap().to_string()
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill(Signal::KILL);
        for pid in self.seats().iter().flat_map(|seat| self.processes(seat)) {
            send(pid, Signal::KILL);
        }
        for socket in ["run/tmux.sock", "run/h/tmux.sock"] {
            let mut tmux = Command::new("tmux");
            tmux.arg("-S")
                .arg(self.data().join(socket))
                .arg("kill-server");
            let _ = tmux.stderr(Stdio::null()).status();
        }
    }
}

/// What a control plane keeps while its process is gone.
#[derive(Clone)]
pub struct Kept {
    store: Arc<dyn Store>,
    bell: Arc<watch::Receiver<u64>>,
    seats: Arc<dyn Seats>,
    memory: Arc<Elf>,
    logs: Arc<InMemory>,
    is: HostRef,
    lease: Duration,
}

/// Told what was just done: `ticket`, `start`, or a verb that a runner said and that was answered here.
pub type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// The back end of the machine, which tells the steps of a launch.
struct Told {
    inner: Arc<RemoteBackend>,
    client: Arc<Client>,
    lease: Duration,
    hook: Hook,
}

#[async_trait]
impl Backend for Told {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        self.inner.name_of(seat)
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let ticket = self.client.ticket(&brief.seat).await?;
        (self.hook)("ticket");
        self.client.start(brief, ticket.ticket, self.lease).await?;
        (self.hook)("start");
        Ok(())
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.inner.look(seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.inner.stop(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.inner.reap(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.inner.logs(seat, from, limit).await
    }
}

async fn tell(State(hook): State<Hook>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let answer = next.run(request).await;
    hook(path.rsplit('/').next().unwrap_or_default());
    answer
}

/// A control plane that reaches one machine.
pub struct Tower {
    /// What stays when this value goes.
    pub kept: Kept,
    /// What it knows of machines.
    pub machines: Arc<Machines>,
    /// Where its jobs run.
    pub backend: Arc<RemoteBackend>,
    waker: Waker,
    _tasks: JoinSet<()>,
}

impl Kept {
    /// Nothing yet; seats have this lease.
    pub fn new(lease: Duration) -> Self {
        let (store, bell) = Announcing::new(Arc::new(MemoryStore::default()));
        Self {
            store: Arc::new(store),
            bell: Arc::new(bell),
            seats: Arc::new(MemorySeats::default()),
            memory: Arc::new(Elf::new(Arc::new(MemoryLedger::default()))),
            logs: Arc::new(InMemory::new()),
            is: HostRef {
                name: "vps-1".to_owned(),
                uid: uuid::Uuid::new_v4().to_string(),
            },
            lease,
        }
    }
}

impl Tower {
    /// One that knows this machine by its papers.
    pub fn of(machine: &Machine, lease: Duration) -> Self {
        Self::with(
            Kept::new(lease),
            &machine.address,
            (&machine.pin(), &machine.token()),
        )
    }

    /// One with what an earlier one kept.
    pub fn again(kept: Kept, machine: &Machine) -> Self {
        Self::with(kept, &machine.address, (&machine.pin(), &machine.token()))
    }

    /// One that knows the machine at this address by this pin, and shows this token.
    pub fn with(kept: Kept, address: &str, papers: (&str, &str)) -> Self {
        Self::telling(kept, address, papers, Arc::new(|_| {}))
    }

    /// The same that tells what it has done.
    pub fn telling(kept: Kept, address: &str, (pin, token): (&str, &str), hook: Hook) -> Self {
        let machines = Arc::<Machines>::default();
        let host = Described {
            is: kept.is.clone(),
            namespace: "default".to_owned(),
            labels: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
            ..Described::default()
        };
        let client = client(address, (pin, token), &kept.is);
        machines.describe(host.clone(), Ok(client.clone()));
        let (backend, backends) = places(&kept, &machines, (&client, &hook));
        let memory: Arc<dyn Memory> = kept.memory.clone();
        let ports = Ports {
            store: kept.store.clone(),
            seats: kept.seats.clone(),
            backends: Arc::new(backends),
            memory,
        };
        let (waker, calls) = Waker::new();
        let relay = Relay {
            host,
            client,
            machines: machines.clone(),
            door: router(door(&ports, &waker, kept.lease)).layer(from_fn_with_state(hook, tell)),
            store: kept.store.clone(),
            logs: kept.logs.clone(),
            waker: waker.clone(),
            lease: kept.lease,
        };
        let control = control(ports, kept.lease, &machines);
        let mut tasks = JoinSet::new();
        tasks.spawn(relay.run());
        tasks.spawn(async move {
            let _ = control::run(control, calls, std::future::pending()).await;
        });
        tasks.spawn(call_all(
            kept.store.clone(),
            machines.watch(),
            waker.clone(),
        ));
        Self {
            kept,
            machines,
            backend,
            waker,
            _tasks: tasks,
        }
    }

    /// Submits a job with this spec.
    pub async fn submit(&self, spec: &Value) -> AgentJob {
        let uid = uuid::Uuid::new_v4().to_string();
        let job = json!({
            "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
            "metadata": {"name": format!("job-{uid}"), "namespace": "default", "uid": uid,
                "creationTimestamp": Timestamp::now()},
            "spec": spec,
        });
        let job: AgentJob = serde_json::from_value(job).unwrap();
        self.kept.store.create(job.clone(), None).await.unwrap();
        self.waker.wake(&job.uid().unwrap());
        job
    }

    /// Submits a job that answers after so many seconds.
    pub async fn echo(&self, seconds: u32) -> AgentJob {
        let delay = format!("{seconds}s");
        self.submit(&json!({
            "type": "echo", "echo": {"message": "hello", "delay": delay},
            "backend": {"name": "vps", "hostSelector": {"matchLabels": {"region": "eu"}}},
        }))
        .await
    }

    /// Writes a job as people have changed it.
    pub async fn put(&self, job: AgentJob) {
        let mut job = job;
        loop {
            let change = Change {
                write: Write::Put(Box::new(job.clone())),
                holds: None,
                events: Vec::new(),
            };
            match self.kept.store.commit(change).await {
                Err(PortError::Conflict(_)) => {
                    let spec = job.spec.clone();
                    job = self.job(&job).await;
                    job.spec = spec;
                }
                put => {
                    put.unwrap();
                    break;
                }
            }
        }
        self.waker.wake(&job.uid().unwrap());
    }

    /// The job as it stands.
    pub async fn job(&self, job: &AgentJob) -> AgentJob {
        let found = self.kept.store.load(&job.uid().unwrap()).await;
        found.unwrap().unwrap()
    }

    /// Waits until the job is as wanted.
    pub async fn until(&self, job: &AgentJob, wanted: impl Fn(&AgentJob) -> bool) -> AgentJob {
        let mut bell = watch::Receiver::clone(&self.kept.bell);
        let waiting = async {
            loop {
                bell.borrow_and_update();
                let now = self.job(job).await;
                if wanted(&now) {
                    return now;
                }
                bell.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE * 2, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("never as wanted: {:#?}", self.job(job).await.status()),
        }
    }

    /// Waits until this attempt of the job was claimed.
    pub async fn claimed(&self, job: &AgentJob, attempt: u32) -> AgentJob {
        self.until(job, |job| {
            let status = job.status();
            let claimed = status.intent.as_ref().is_some_and(|i| i.claim.is_some());
            status.attempt == attempt && claimed
        })
        .await
    }

    /// Waits for the end of the job.
    pub async fn ended(&self, job: &AgentJob) -> AgentJob {
        self.until(job, |job| job.status().is_finished()).await
    }

    /// Waits until the machine is as wanted.
    pub async fn health(&self, wanted: impl Fn(&Health) -> bool) -> Health {
        let begun = Instant::now();
        loop {
            let health = self.machines.health(&self.kept.is.uid).unwrap();
            if wanted(&health) {
                return health;
            }
            assert!(begun.elapsed() < PATIENCE, "never as wanted: {health:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What people call us there.
    pub fn owner(&self) -> &str {
        &self.kept.is.uid
    }
}

fn client(address: &str, (pin, token): (&str, &str), is: &HostRef) -> Arc<Client> {
    let settings = ClientSettings {
        address: address.to_owned(),
        certificate: PinnedCertificate {
            spki_sha256: vec![pin.to_owned()],
            ..PinnedCertificate::default()
        },
        token: token.to_owned().into(),
        owner: is.uid.clone(),
    };
    Arc::new(Client::new(settings).unwrap())
}

/// The back ends of a machine: of that in its tmux the steps of a launch are told.
fn places(
    kept: &Kept,
    machines: &Arc<Machines>,
    (client, hook): (&Arc<Client>, &Hook),
) -> (Arc<RemoteBackend>, BTreeMap<BackendName, Arc<dyn Backend>>) {
    let conf = RemoteConfig {
        store: kept.store.clone(),
        machines: machines.clone(),
        logs: kept.logs.clone(),
        lease: kept.lease,
    };
    let vps = Arc::new(RemoteBackend::new(BackendName::Vps, conf.clone()));
    let container = RemoteBackend::new(BackendName::Container, conf);
    let told = Told {
        inner: vps.clone(),
        client: client.clone(),
        lease: kept.lease,
        hook: hook.clone(),
    };
    let mut places: BTreeMap<BackendName, Arc<dyn Backend>> = BTreeMap::new();
    places.insert(BackendName::Vps, Arc::new(told));
    places.insert(BackendName::Container, Arc::new(container));
    (vps, places)
}

fn door(ports: &Ports, waker: &Waker, lease: Duration) -> SeatDoor {
    SeatDoor {
        store: ports.store.clone(),
        seats: ports.seats.clone(),
        memory: ports.memory.clone(),
        tools: None,
        waker: waker.clone(),
        deadline: Duration::from_hours(1),
        claimed: Arc::new(|_, _| {}),
        may_claim: true,
        artifacts: None,
        passes: None,
        lease: Some(lease),
        checks: Arc::default(),
        secrets: None,
    }
}

fn control(ports: Ports, lease: Duration, machines: &Machines) -> Control {
    Control {
        ports,
        limits: Limits {
            backend: BackendName::Vps,
            slots: 0,
            slots_held: 0,
            ahead: 0,
            wanted_ahead: 0,
            claim_within: Duration::from_secs(20),
            vanish_grace: GRACE,
            lease: Some(lease),
            deadline: Duration::from_hours(1),
            record_within: Duration::from_mins(1),
            ttl: None,
            remove_within: REMOVE_WITHIN,
            sites: Sites::default(),
            hosts: machines.watch().borrow().clone(),
            pause: None,
        },
        sites: watch::channel(Sites::default()).1,
        hosts: machines.watch(),
        clock: Timestamp::now,
        concurrency: 8,
        at_rest: Arc::new(|_, _| {}),
        counts: Arc::default(),
    }
}

/// Has every job looked at when machines have changed.
async fn call_all(
    store: Arc<dyn Store>,
    mut hosts: watch::Receiver<sandbox_core::plan::Hosts>,
    waker: Waker,
) {
    while hosts.changed().await.is_ok() {
        for uid in control::open_jobs(store.as_ref()).await.unwrap_or_default() {
            waker.wake(&uid);
        }
    }
}
