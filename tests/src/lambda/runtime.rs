//! Lambda's runtime API for one program, as it is documented: the program asks for the next event, and posts an answer or
//! an error. One event at a time, as an instance of a function has it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
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
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{node::built, process::Process};

/// The longest a test waits for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a function has for an answer.
const TIMEOUT: Duration = Duration::from_mins(1);

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

/// A function with one instance. It ends with this value.
pub struct Function {
    process: Process,
    events: mpsc::UnboundedSender<Invocation>,
    serving: JoinHandle<()>,
    folder: TempDir,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Function {
    /// The program with these variables, just started: the built one, or the one that `BOOTSTRAP` among them names.
    pub async fn start(name: &str, env: &BTreeMap<String, String>) -> Self {
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
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = Process::start((command(name, address, env), log)).unwrap();
        Self {
            process,
            events,
            serving,
            folder,
        }
    }

    /// Gives it an event and waits for what comes of it.
    pub async fn invoke(&self, event: &Value) -> Came {
        let (answer, answered) = oneshot::channel();
        let event = event.to_string();
        let invocation = Invocation { event, answer };
        self.events.send(invocation).unwrap();
        let came = tokio::time::timeout(PATIENCE, answered).await;
        let Ok(Ok(came)) = came else {
            panic!("no answer to an event; the function said:\n{}", self.log());
        };
        came
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
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
        let status = PathBuf::from(format!("/proc/{}/status", self.process.pid()));
        let text = fs::read_to_string(status).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let words = line.unwrap().split_whitespace().next();
        words.unwrap().parse().unwrap()
    }
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
