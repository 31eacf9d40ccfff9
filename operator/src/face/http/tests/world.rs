//! A whole face with nothing real behind it but files, and the means to ask it something.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, AgentJobStatus, Brief, Claim, Failure, FailureClass, Outcome, Seat, Tenant, Uid,
    port::{Answer, Backend, Change, PortError, Write},
    query::NewEvent,
    spec::BackendName,
    status::{BackendRef, Intent},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt;

use crate::{
    announce::Announcing,
    backend::memory::MemoryBackend,
    control::Waker,
    face::{
        ElfFace, HttpLimits, NewRule, RuleQuery, Services,
        http::{
            Face,
            auth::{KeySource, Keys},
        },
        mcp::{Door, Tools},
    },
    seats::memory::MemorySeats,
    store::memory::MemoryStore,
};

pub struct World {
    pub router: Router,
    pub services: Services,
    pub backend: Arc<MemoryBackend>,
    pub woken: UnboundedReceiver<Uid>,
    pub dir: TempDir,
    face: Face,
}

/// Keys of two clients, as the old README has them.
pub const CLIENTS: &str = r#"{"key-a": "client-a", "key-b": "client-b"}"#;

impl World {
    /// Nobody is asked for a key.
    pub fn open() -> Self {
        Self::with(|_| {})
    }

    /// Everybody is asked for a key.
    pub fn locked() -> Self {
        Self::with(|services| {
            services.keys = Keys::new(KeySource {
                required: true,
                text: Some(CLIENTS.to_owned()),
                file: None,
            })
            .unwrap();
        })
    }

    pub fn with(change: impl FnOnce(&mut Services)) -> Self {
        let dir = TempDir::new().unwrap();
        let backend = Arc::new(MemoryBackend::idle(BackendName::Vps));
        let (store, events) = Announcing::new(Arc::new(MemoryStore::default()));
        let (waker, woken) = Waker::new();
        let vps: Arc<dyn Backend> = backend.clone();
        let memory = Arc::new(memory());
        let tools: Arc<dyn Tools> = memory.clone();
        let mut services = Services {
            store: Arc::new(store),
            seats: Arc::new(MemorySeats::default()),
            backends: Arc::new(BTreeMap::from([(BackendName::Vps, vps)])),
            site: None,
            backend: BackendName::Vps,
            waker,
            events,
            keys: Keys::off(),
            workspace_root: dir.path().join("workspace"),
            artifacts_root: dir.path().join("artifacts"),
            artifacts: None,
            limits: HttpLimits::default(),
            elf: Some(Arc::new(Elf)),
            book: Some(memory),
            intake: None,
            bounds: Arc::default(),
            counted: Vec::new(),
            tools: Some(tools.clone()),
            mcp: Some(Door::of_memory(tools, HttpLimits::default().body)),
        };
        change(&mut services);
        fs::create_dir_all(services.workspace_root.join("default")).unwrap();
        fs::create_dir_all(&services.artifacts_root).unwrap();
        let face = Face::new(services.clone());
        Self {
            router: face.router(),
            services,
            backend,
            woken,
            dir,
            face,
        }
    }

    pub fn into_face(self) -> (Face, TempDir) {
        (self.face, self.dir)
    }

    /// A tenant's own folder.
    pub fn root(&self, tenant: &str) -> PathBuf {
        let root = self.services.workspace_root.join(tenant);
        fs::create_dir_all(&root).unwrap();
        root
    }

    /// The folder of a job's artifacts.
    pub fn artifacts(&self, tenant: &str, id: &str) -> PathBuf {
        let root = self.services.artifacts_root.join(tenant).join(id);
        fs::create_dir_all(&root).unwrap();
        root
    }

    /// Submits an echo and gives its id.
    pub async fn echo(&self, message: &str) -> String {
        let told = self.post("/jobs", &echo(message)).await;
        assert_eq!(told.status, 200, "{}", told.text);
        told.json["job_id"].as_str().unwrap().to_owned()
    }

    pub async fn get(&self, path: &str) -> Told {
        ask("GET", path).to(self).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Told {
        ask("POST", path).json(body).to(self).await
    }

    pub async fn job(&self, id: &str) -> AgentJob {
        let uid: Uid = id.parse().unwrap();
        self.services.store.load(&uid).await.unwrap().unwrap()
    }

    /// Writes a changed status, as the reconciler would.
    pub async fn status(&self, id: &str, change: impl FnOnce(&mut AgentJobStatus)) -> AgentJob {
        let mut job = self.job(id).await;
        change(job.status.get_or_insert_default());
        let event = NewEvent {
            reason: "Changed".to_owned(),
            message: "a test changed the <b>status</b>".to_owned(),
            at: Timestamp::now(),
        };
        let change = Change {
            write: Write::Put(Box::new(job)),
            holds: None,
            events: vec![event],
        };
        self.services.store.commit(change).await.unwrap()
    }

    /// A runner has the seat of the first attempt, and the back end has started it.
    pub async fn running(&self, id: &str) -> AgentJob {
        let now = Timestamp::now();
        let claim = Claim {
            nonce: "secret-nonce".to_owned(),
            instance: "memory:0".to_owned(),
            at: now,
        };
        let intent = Intent {
            backend: BackendName::Vps,
            at: now,
            deadline_at: now,
            choice: 0,
            launch: None,
            not_before: None,
            slots: 1,
            claim: Some(claim.clone()),
            prepared_at: None,
            vanished_at: None,
        };
        let begun = intent.clone();
        let job = self
            .status(id, |status| {
                status.attempt = 1;
                status.started_at = Some(now);
                status.intent = Some(begun);
                status.backend_ref = Some(BackendRef {
                    kind: "vps".to_owned(),
                    name: "memory-1".to_owned(),
                    ..BackendRef::default()
                });
            })
            .await;
        let seat = job.seat().unwrap();
        self.services.seats.claim(&seat, claim).await.unwrap();
        let brief = Brief::of(&job, &intent).unwrap();
        self.backend.launch(&brief).await.unwrap();
        job
    }

    pub async fn ended(&self, id: &str, outcome: Outcome) -> AgentJob {
        self.status(id, |status| {
            status.intent = None;
            status.outcome = Some(outcome);
            status.finished_at = Some(Timestamp::now());
            let failed = outcome == Outcome::Failed;
            let failure = Failure::new(
                FailureClass::AgentError,
                "the <script>agent</script> gave up",
            );
            status.failure = failed.then_some(failure);
        })
        .await
    }
}

pub fn echo(message: &str) -> Value {
    json!({"job_type": "echo", "payload": {"message": message}})
}

/// A request that is being made.
pub struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

pub fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Body::empty(),
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub fn request(self) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", "localhost:8000");
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(self.body).unwrap()
    }

    pub async fn to(self, world: &World) -> Told {
        let answer = world.router.clone().oneshot(self.request()).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Told {
            status: head.status.as_u16(),
            headers: head.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }
}

/// An answer that was read to its end.
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// It is a problem of this status and word, and says something to people.
    pub fn is_problem(&self, status: StatusCode, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["code"], code, "{}", self.text);
        assert_eq!(self.json["status"], status.as_u16());
        assert!(!self.json["detail"].as_str().unwrap().is_empty());
        assert!(!self.json["title"].as_str().unwrap().is_empty());
    }
}

/// A real memory that is empty.
fn memory() -> sandbox_elf::Elf {
    let ledger = sandbox_elf::store::memory::MemoryLedger::default();
    sandbox_elf::Elf::new(Arc::new(ledger))
}

/// A memory that knows one rule, which somebody has tried to make dangerous.
struct Elf;

#[async_trait]
impl ElfFace for Elf {
    async fn stats(&self, _: &Tenant) -> Answer<Value> {
        Ok(json!({"total_heuristics": 1, "golden_rules": 1, "total_outcomes": 7}))
    }

    async fn heuristics(&self, _: &Tenant, query: &RuleQuery) -> Answer<Value> {
        let domain = query.domain.clone().unwrap_or_else(|| "rust".to_owned());
        Ok(json!([{
            "id": 1, "domain": domain, "rule": "<script>alert(1)</script>",
            "confidence": 0.913, "times_validated": 4, "times_violated": 0, "is_golden": true
        }]))
    }

    async fn rule(&self, _: &Tenant, id: &str) -> Answer<Value> {
        Ok(json!({"id": id}))
    }

    async fn retire(&self, _: &Tenant, id: &str, reason: &str) -> Answer<Value> {
        Ok(json!({"id": id, "reason": reason}))
    }

    async fn receipt(&self, _: &Tenant, seat: &Seat) -> Answer<Value> {
        Ok(json!({"attempt": seat.attempt}))
    }

    async fn learn(&self, _: &Tenant, lesson: &NewRule) -> Answer<Value> {
        if lesson.rule.len() < 5 {
            let text = "the rule is too short";
            return Err(PortError::refused(FailureClass::InvalidSpec, text));
        }
        Ok(json!({"id": 2, "domain": lesson.domain}))
    }
}
