//! An ECS of a test's own, on loopback: it keeps what the API promises of `RunTask`, `ListTasks`, `DescribeTasks` and `StopTask`,
//! breaks what it is told to, and runs each task as a process of this machine, or in a container of a real engine. The
//! signature of requests is not looked at.
//!
//! | promise | where the API says so |
//! |---|---|
//! | the same `clientToken` with the same parameters gives the same tasks | "Ensuring idempotency" |
//! | with other parameters: `ConflictException`, with the tasks in `resourceIds` | `ConflictException` |
//! | a task of which was just told may be missing from lists and descriptions | `RunTask`, eventual consistency |
//! | no capacity is HTTP 200 with `failures[]` | `RunTask` |
//! | `startedBy` filters, and alone | `ListTasks` |
//! | SIGTERM, and after `stopTimeout` SIGKILL | `StopTask` |
//! | a change of state is an event, whose `version` says which is newer | `EventBridge`, task state changes |
//!
//! Where the API leaves it open whether a token may be used again after `failures[]`, it is not: the answer is the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

mod check;
mod image;
mod protocol;
mod run;
mod state;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

pub use image::Image;
pub use run::Launched;
pub use state::{Fault, Roll, Stop};
use state::{Hold, State, id_of};

/// The region and the account of everything here.
pub const REGION: &str = "eu-west-1";
/// The cluster.
pub const CLUSTER: &str = "agents";
/// The task definition that there is.
pub const DEFINITION: &str = "runner:3";
/// Its log group.
pub const LOG_GROUP: &str = "/sandbox/runners";
/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a task's container is.
#[derive(Clone)]
pub enum Runs {
    /// This program, as a process of this machine.
    Process(PathBuf),
    /// A container of a real engine.
    Container(Image),
    /// A runner that is played in this very process; a signal ends it in the middle.
    Played(Player),
}

/// Plays the runner of a task and gives its exit code.
pub type Player = Arc<dyn Fn(Launched) -> BoxFuture<'static, i32> + Send + Sync>;

/// What tasks are made of.
#[derive(Clone)]
pub struct Options {
    /// What a task's container is.
    pub runs: Runs,
    /// How long a task has from SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// How long a stopped task is told of.
    pub keep_stopped: Duration,
    /// More of each task's environment.
    pub env: BTreeMap<String, String>,
}

impl Options {
    /// Tasks that run this program.
    pub fn of(program: PathBuf) -> Self {
        Self {
            runs: Runs::Process(program),
            stop_timeout: Duration::from_secs(30),
            keep_stopped: Duration::from_hours(1),
            env: BTreeMap::new(),
        }
    }
}

/// A server. It ends with this value, and every task with it.
pub struct Ecs {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What the server and the watchers of tasks share.
struct Shared {
    state: Mutex<State>,
    options: Options,
    folder: TempDir,
    changed: watch::Sender<u64>,
    /// One launch at a time: of two with one token, the second finds the first.
    launching: Mutex<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to everything of a task; one that cannot be caught goes to its container, where it has one.
    fn signal(&self, id: &str, signal: Signal) {
        let hold = self.lock().of(id).and_then(|t| t.hold.clone());
        match (&self.options.runs, hold) {
            (Runs::Container(image), Some(_)) if signal == Signal::KILL => image.kill(id),
            (_, Some(Hold::Group(pid))) => signal_group(pid, signal),
            (_, Some(Hold::Played(work))) => work.abort(),
            (_, None) => {}
        }
    }

    fn bump(&self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

impl Drop for Ecs {
    fn drop(&mut self) {
        self.serving.abort();
        let running = self.shared.lock().running();
        for id in running {
            self.shared.signal(&id, Signal::KILL);
        }
    }
}

/// Sends a signal to a group of processes.
fn signal_group(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, signal);
    }
}

impl Ecs {
    /// A server with a cluster that has all of Fargate's capacity.
    pub async fn start(options: Options) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            options,
            folder: tempfile::tempdir().unwrap(),
            changed: watch::Sender::new(0),
            launching: Mutex::default(),
        });
        let routes = protocol::routes(shared.clone(), address);
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            address,
            shared,
            serving,
        }
    }

    /// Where clients find it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request of this action goes wrong in this way; of several, one after the other.
    pub fn next(&self, action: &str, fault: Fault) {
        let mut state = self.shared.lock();
        state
            .faults
            .entry(action.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// From now on each request goes wrong as this says of its action.
    pub fn roll(&self, roll: Roll) {
        self.shared.lock().roll = Some(roll);
    }

    /// Whether this capacity provider has any capacity.
    pub fn has_capacity(&self, provider: &str, has: bool) {
        let mut state = self.shared.lock();
        if has {
            state.without_capacity.remove(provider);
        } else {
            state.without_capacity.insert(provider.to_owned());
        }
    }

    /// How long a new task, and a change of one, is not told of.
    pub fn tells_after(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// The tokens that were used are used no more, as after a day.
    pub fn forgets_tokens(&self) {
        self.shared.lock().tokens.clear();
    }

    /// The next task is never begun, for this reason.
    pub fn cannot_start(&self, reason: &str) {
        self.shared.lock().unstartable = Some(reason.to_owned());
    }

    /// The task is not told of any more, though it runs.
    pub fn loses(&self, arn: &str) {
        self.shared.lock().of(arn).unwrap().lost = true;
    }

    /// The task is ended in this way by somebody else than its owner.
    pub fn stops(&self, arn: &str, stop: Stop) {
        run::stop(&self.shared, arn, stop);
    }

    /// What kills a task without a word: its processes are gone, and nobody was asked.
    pub fn kills(&self, arn: &str) {
        self.shared.signal(id_of(arn), Signal::KILL);
    }

    /// The tasks whose program was begun, in order.
    pub fn begun(&self) -> Vec<String> {
        self.shared.lock().begun.clone()
    }

    /// How often each action was asked for.
    pub fn asked(&self, action: &str) -> usize {
        let state = self.shared.lock();
        state.asked.iter().filter(|a| *a == action).count()
    }

    /// The parameters of every `RunTask`, in order.
    pub fn launches(&self) -> Vec<Value> {
        self.shared.lock().launches.clone()
    }

    /// Every event so far in the worst order: the last first, and each twice.
    pub fn events(&self) -> Vec<Value> {
        let state = self.shared.lock();
        let backwards = state.events.iter().rev();
        backwards.flat_map(|e| [e.clone(), e.clone()]).collect()
    }

    /// The event of this number, from 0, as soon as there is one.
    pub async fn event(&self, number: usize) -> Value {
        let mut changed = self.shared.changed.subscribe();
        loop {
            if let Some(event) = self.shared.lock().events.get(number) {
                return event.clone();
            }
            changed.changed().await.unwrap();
        }
    }

    /// What a task printed.
    pub fn printed(&self, arn: &str) -> String {
        let log = self.shared.lock().of(arn).map(|t| t.log.clone());
        std::fs::read_to_string(log.unwrap()).unwrap_or_default()
    }

    /// Waits until this task has this status.
    pub async fn until(&self, arn: &str, status: &str) {
        let is = |state: &State| state.of_ref(arn).is_some_and(|t| t.status == status);
        self.until_so(&format!("{arn} is {status}"), is).await;
    }

    /// Waits until so many tasks were begun.
    pub async fn until_begun(&self, times: usize) {
        self.until_so(&format!("{times} were begun"), |s| s.begun.len() >= times)
            .await;
    }

    async fn until_so(&self, what: &str, is: impl Fn(&State) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let waits = async {
            while !is(&self.shared.lock()) {
                changed.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waits).await;
        assert!(waited.is_ok(), "waited in vain until {what}");
    }
}
