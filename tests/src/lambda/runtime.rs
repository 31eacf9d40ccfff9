//! Lambda's runtime API for one program, as it is documented: the program asks for the next event, and posts an answer or
//! an error. One event at a time, as an instance of a function has it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

use super::trouble::Trouble;
use crate::{node::built, process::Process};

/// The longest a test waits for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a function has for an answer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Within how many milliseconds an event is cut that is, so that it is in its middle.
const CUT_WITHIN: usize = 40;

/// What came of an event: an answer, or an error with its type and message.
pub type Came = Result<Value, Value>;

struct Invocation {
    event: String,
    answer: oneshot::Sender<Came>,
}

struct Shared {
    events: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Came>>>,
}

/// A function. Its instances end with this value.
pub struct Function {
    name: String,
    env: BTreeMap<String, String>,
    free: Mutex<Vec<Instance>>,
    turns: Semaphore,
    cut: Option<Arc<Trouble>>,
    counts: Mutex<Counts>,
    folder: TempDir,
}

/// What a function has done.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Events that it was given.
    pub events: usize,
    /// Of which it was ended in the middle.
    pub cut: usize,
    /// Of which its time was over by itself.
    pub late: usize,
    /// What they took, in milliseconds, one after the other.
    pub millis: f64,
}

/// One process, which does one event at a time.
struct Instance {
    process: Process,
    events: mpsc::UnboundedSender<Invocation>,
    serving: JoinHandle<()>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An instance that has an event; it goes back, also where nobody waits for what comes of that.
struct Taken<'a>(&'a Function, Option<Instance>);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.lock().extend(self.1.take());
    }
}

impl Instance {
    async fn start(name: &str, env: &BTreeMap<String, String>, log: PathBuf) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: AsyncMutex::new(queue),
            waiting: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = routes(shared);
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        let process = Process::start((command(name, address, env), log)).unwrap();
        Self {
            process,
            events,
            serving,
        }
    }
}

impl Function {
    /// The program with these variables, just started: the built one, or the one that `BOOTSTRAP` among them names.
    pub async fn start(name: &str, env: &BTreeMap<String, String>) -> Self {
        Self::several(name, env, (1, None)).await
    }

    /// So many instances of it, of which the time may be over in the middle of an event.
    pub async fn several(
        name: &str,
        env: &BTreeMap<String, String>,
        (instances, cut): (usize, Option<Arc<Trouble>>),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut free = Vec::new();
        for _ in 0..instances {
            free.push(Instance::start(name, env, log_in(&folder)).await);
        }
        Self {
            name: name.to_owned(),
            env: env.clone(),
            free: Mutex::new(free),
            turns: Semaphore::new(instances),
            cut,
            counts: Mutex::default(),
            folder,
        }
    }

    /// Gives it an event and waits for what comes of it.
    pub async fn invoke(&self, event: &Value) -> Came {
        let _turn = self.turns.acquire().await.unwrap();
        let mut taken = Taken(self, self.lock().pop());
        let instance = taken.1.as_ref().unwrap();
        let begun = Instant::now();
        let (answer, answered) = oneshot::channel();
        let event = event.to_string();
        let invocation = Invocation { event, answer };
        instance.events.send(invocation).unwrap();
        let cut = self.cut.as_ref().filter(|cut| cut.happens());
        let within = cut.map_or(PATIENCE, |cut| {
            Duration::from_millis(cut.below(CUT_WITHIN).try_into().unwrap_or_default())
        });
        let came = tokio::time::timeout(within, answered).await;
        self.count(
            begun,
            (
                came.is_err() && cut.is_some(),
                came.is_err() && cut.is_none(),
            ),
        );
        if let Ok(Ok(came)) = came {
            return came;
        }
        assert!(
            self.cut.is_some(),
            "no answer to an event; the function said:\n{}",
            self.log()
        );
        // Its end comes first.
        drop(taken.1.take());
        taken.1 = Some(Instance::start(&self.name, &self.env, log_in(&self.folder)).await);
        Err(json!({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, begun: Instant, (cut, late): (bool, bool)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.events += 1;
        counts.cut += usize::from(cut);
        counts.late += usize::from(late);
        counts.millis += begun.elapsed().as_secs_f64() * 1e3;
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The processes of its instances that are at rest.
    pub fn pids(&self) -> Vec<u32> {
        self.lock().iter().map(|i| i.process.pid()).collect()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<_> = files.flatten().map(|f| f.path()).collect();
        files.sort();
        let texts = files.iter().filter_map(|f| fs::read_to_string(f).ok());
        texts.collect()
    }

    /// The line of its log that has this text, as soon as there is one.
    pub async fn said(&self, text: &str) -> String {
        let from = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(from.elapsed() < PATIENCE, "it never said {text}:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The most memory that it had at a time, in KiB.
    pub fn most_memory(&self) -> u64 {
        let pid = self.pids()[0];
        let status = PathBuf::from(format!("/proc/{pid}/status"));
        let text = fs::read_to_string(status).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let words = line.unwrap().split_whitespace().next();
        words.unwrap().parse().unwrap()
    }
}

/// A file for the log of another instance; their order is that of their names.
fn log_in(folder: &TempDir) -> PathBuf {
    let number = fs::read_dir(folder.path()).unwrap().count();
    let name = format!("{number:06}-{}", Uuid::new_v4().simple());
    let path = folder.path().join(name);
    fs::write(&path, "").unwrap();
    path
}

/// Killed when whoever began it is gone.
fn command(name: &str, api: SocketAddr, env: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new("setpriv");
    let named = env.get("BOOTSTRAP").map(PathBuf::from);
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(named.unwrap_or_else(|| built("bootstrap")))
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .envs(env);
    command
}

fn routes(shared: Arc<Shared>) -> Router {
    let base = "/2018-06-01/runtime";
    Router::new()
        .route(&format!("{base}/invocation/next"), get(next))
        .route(
            &format!("{base}/invocation/{{id}}/response"),
            post(response),
        )
        .route(&format!("{base}/invocation/{{id}}/error"), post(error))
        .layer(DefaultBodyLimit::max(8 << 20))
        .with_state(shared)
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let Some(invocation) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let id = Uuid::new_v4().to_string();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + TIMEOUT;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id.as_str()),
        (
            "lambda-runtime-deadline-ms",
            &deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:sandbox",
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        ),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let mut waiting = shared
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    waiting.insert(id, invocation.answer);
    (headers, invocation.event).into_response()
}

fn answered(shared: &Shared, id: &str, came: Came) -> StatusCode {
    let mut waiting = shared
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match waiting.remove(id) {
        Some(answer) => {
            // A test that waits no more has ended.
            let _ = answer.send(came);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    answered(
        &shared,
        &id,
        Ok(serde_json::from_slice(&body).unwrap_or_default()),
    )
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    answered(
        &shared,
        &id,
        Err(serde_json::from_slice(&body).unwrap_or_default()),
    )
}
