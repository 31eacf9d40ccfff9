//! What the faces are given: the doors they reach and the bounds they keep. Knows no store and no
//! back end by name.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use sandbox_core::{
    Seat, Tenant,
    port::{Answer, Backend, Seats, Store},
    spec::BackendName,
};
use sandbox_elf::RuleKind;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    artifacts::Artifacts,
    control::Waker,
    counts::Counted,
    face::{
        http::auth::Keys,
        mcp::{Door, Tools},
        rate::Bounds,
    },
};

/// Everything a face reaches.
#[derive(Clone)]
pub struct Services {
    /// Where jobs are written down.
    pub store: Arc<dyn Store>,
    /// Heartbeats and reports.
    pub seats: Arc<dyn Seats>,
    /// The places, by their names.
    pub backends: Arc<BTreeMap<BackendName, Arc<dyn Backend>>>,
    /// Our site, where several share one store: the files of others are not here.
    pub site: Option<String>,
    /// Where a job goes that names no back end.
    pub backend: BackendName,
    /// Has a job looked at after its spec was written.
    pub waker: Waker,
    /// Rises after every write that was acknowledged; event streams wait for it.
    pub events: watch::Receiver<u64>,
    /// Who may come in, and as whom.
    pub keys: Keys,
    /// Tenants' files stand beneath it: `<workspace_root>/<tenant>`.
    pub workspace_root: PathBuf,
    /// Artifacts stand beneath it: `<artifacts_root>/<tenant>/<job uid>`.
    pub artifacts_root: PathBuf,
    /// Where they are instead, where runners share no folder with us.
    pub artifacts: Option<Artifacts>,
    /// The bounds.
    pub limits: HttpLimits,
    /// Whether jobs are taken now; always without.
    pub intake: Option<Arc<dyn Intake>>,
    /// The shared memory as people read it; the routes of it answer 503 without.
    pub elf: Option<Arc<dyn ElfFace>>,
    /// The same as people look into it; the routes of it answer 503 without.
    pub book: Option<Arc<sandbox_elf::Elf>>,
    /// How often it may be asked and written to, through all faces.
    pub bounds: Arc<Bounds>,
    /// What the rest of the program counts; `/metrics` gives it besides.
    pub counted: Vec<Counted>,
    /// Its tools; `/elf/ask` answers 503 without.
    pub tools: Option<Arc<dyn Tools>>,
    /// The same by the Model Context Protocol; `/mcp` answers 503 without.
    pub mcp: Option<Door>,
}

/// The bounds of the HTTP face.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Largest request body in bytes; more is answered 413.
    pub body: usize,
    /// Most requests at work at a time; more are answered 503.
    pub concurrency: usize,
    /// Most streams (events, followed logs) at a time, counted apart; more are answered 503.
    pub streams: usize,
    /// The deadline of a job that names none.
    pub deadline: Duration,
    /// Most events of the log that `/events` gives again to a client that comes back.
    pub replay: u64,
    /// Most jobs that wait; more are answered 429.
    pub queue: u32,
    /// Longest a request may take until its answer begins.
    pub request_time: Duration,
    /// Further names this server is called by, without port; for the check of `Host`.
    pub hosts: Vec<String>,
    /// How soon the client of a stream comes again, where a stream ends when all is told that there is; without, it goes
    /// on until somebody ends it.
    pub again: Option<Duration>,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            concurrency: 512,
            streams: 256,
            deadline: Duration::from_hours(24),
            replay: 10_000,
            queue: 10_000,
            request_time: Duration::from_secs(30),
            hosts: Vec::new(),
            again: None,
        }
    }
}

/// Says whether jobs are taken.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Why no job is taken now, and what to do about it; nothing where jobs are taken.
    ///
    /// # Errors
    /// `Unknown` when it cannot be found out.
    async fn closed(&self) -> Answer<Option<String>>;
}

/// Which rules are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleQuery {
    /// Only this domain.
    pub domain: Option<String>,
    /// This project's rules and those of no project.
    pub project: Option<String>,
    /// Only those that are known to help.
    pub golden: bool,
    /// Most rows.
    pub limit: u32,
}

/// The shared memory as people read it. Answers are JSON, so that the face need not know its insides.
#[async_trait]
pub trait ElfFace: Send + Sync {
    /// Counters: an object with `total_heuristics`, `golden_rules`, `total_learnings`,
    /// `active_trails`, `total_outcomes`, `successful_jobs`, `failed_jobs`, and what else there is.
    ///
    /// # Errors
    /// `Unknown` when memory cannot be asked.
    async fn stats(&self, tenant: &Tenant) -> Answer<Value>;

    /// Rules, most trusted first, or only the golden ones: an array of objects with at least `id`, `domain`, `rule`,
    /// `confidence` (0 to 1), `times_validated`, `times_violated`, `is_golden`.
    ///
    /// # Errors
    /// `Unknown` when memory cannot be asked.
    async fn heuristics(&self, tenant: &Tenant, query: &RuleQuery) -> Answer<Value>;

    /// The rule with this id or number, as such an object.
    ///
    /// # Errors
    /// `NotFound`, or `Unknown` when memory cannot be asked.
    async fn rule(&self, tenant: &Tenant, id: &str) -> Answer<Value>;

    /// Takes a rule out of every prompt, for this reason; gives it as it stands then.
    ///
    /// # Errors
    /// As [`ElfFace::rule`]; `Refused` with `InvalidSpec` when the reason cannot be kept.
    async fn retire(&self, tenant: &Tenant, id: &str, reason: &str) -> Answer<Value>;

    /// What an attempt was given and what was kept back: an object.
    ///
    /// # Errors
    /// `NotFound` when it has not asked, or `Unknown` when memory cannot be asked.
    async fn receipt(&self, tenant: &Tenant, seat: &Seat) -> Answer<Value>;

    /// Keeps a rule that a person teaches; gives it, as such an object, as it is kept.
    ///
    /// # Errors
    /// `Refused` with `InvalidSpec` when the rule cannot be kept as it is; `Unknown` when it may
    /// not have been kept.
    async fn learn(&self, tenant: &Tenant, lesson: &NewRule) -> Answer<Value>;
}

/// A rule that a person teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// What it is about, such as `rust` or `auth`.
    #[schemars(length(min = 1, max = 100))]
    pub domain: String,
    /// The rule, one line.
    #[schemars(length(min = 5, max = 500))]
    pub rule: String,
    /// Why.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub explanation: String,
    /// Only for this project.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub project_path: Option<String>,
    /// What sort of rule it is: a `heuristic` has to show that it helps; a `decision` holds until another takes its
    /// place; an `invariant` must always hold.
    #[serde(default)]
    pub kind: RuleKind,
    /// The number or id of the rule whose place it takes; that one is given no more.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub supersedes: Option<String>,
}

impl From<&NewRule> for sandbox_elf::NewRule {
    fn from(rule: &NewRule) -> Self {
        Self {
            domain: rule.domain.clone(),
            text: rule.rule.clone(),
            explanation: rule.explanation.clone(),
            project: rule.project_path.clone(),
            kind: rule.kind,
            supersedes: rule.supersedes.clone(),
        }
    }
}
