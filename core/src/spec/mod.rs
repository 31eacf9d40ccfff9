//! `AgentJob`: what is asked for.
//!
//! The spec is immutable but for `suspend`, `cancel`, `deadline` (longer), `priority`,
//! `ttlAfterFinished` and `managedBy`. The CEL rules below stand in the CRD and run here too
//! ([`crate::validate`]); a job type keeps its own fields in one file of this folder.

mod agent_farm;
mod analytics;
mod claude_chat;
mod container;
mod dbt_run;
mod echo;
mod fargate;
mod pod;
mod policy;
mod rules;

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use agent_farm::{AgentFarmSpec, GitSource, LandSpec, WorkspaceSpec};
pub use analytics::AnalyticsSpec;
pub use claude_chat::ClaudeChatSpec;
pub use container::{ContainerResources, ContainerSpec, Network, bytes, millicores};
pub use dbt_run::DbtRunSpec;
pub use echo::EchoSpec;
pub use fargate::{FargateCapacity, FargateResources, FargateSpec};
pub use pod::{
    ConfigMapKey, NamedSecret, PodProxy, PodResources, PodSpec, PodVariable, PodWorkspace,
    Quantities, SecretKeyRef, TaintEffect, Toleration, TolerationOperator, VariableSource,
};
pub use policy::{
    BackendName, BackendSpec, Backoff, BudgetSpec, Dependency, ElfSpec, HostSelector, RetryOf,
    RetrySpec,
};

use crate::status::AgentJobStatus;

/// The kind of work: it names the member of the spec that holds the work's own fields.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// Answers with what it was given.
    #[default]
    Echo,
    /// One prompt, one answer of a model.
    ClaudeChat,
    /// Reads files of a repository, asks a model once, writes what it answers.
    Analytics,
    /// Several terminal agents on one repository.
    AgentFarm,
    /// One run of dbt.
    DbtRun,
}

impl JobType {
    /// Every job type, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Echo,
        Self::ClaudeChat,
        Self::Analytics,
        Self::AgentFarm,
        Self::DbtRun,
    ];

    /// The word as it stands in `spec.type`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::ClaudeChat => "claude_chat",
            Self::Analytics => "analytics",
            Self::AgentFarm => "agent_farm",
            Self::DbtRun => "dbt_run",
        }
    }

    /// The member of the spec that holds this type's fields.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::ClaudeChat => "claudeChat",
            Self::Analytics => "analytics",
            Self::AgentFarm => "agentFarm",
            Self::DbtRun => "dbtRun",
        }
    }

    /// The type of this word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.word() == word)
    }
}

/// One job for AI agents: what is asked for, and where it may run.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "multiagent.dev",
    version = "v1alpha1",
    kind = "AgentJob",
    namespaced,
    status = "AgentJobStatus",
    shortname = "aj",
    category = "agents",
    derive = "PartialEq",
    derive = "Default",
    doc = "A job for AI agents: one piece of work, run at most once at a time, with a budget, a deadline and a memory.",
    selectable = ".spec.type",
    selectable = ".spec.queue",
    selectable = ".status.intent.backend",
    printcolumn = r#"{"name":"Succeeded","type":"string","jsonPath":".status.conditions[?(@.type==\"Succeeded\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Succeeded\")].reason"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Backend","type":"string","jsonPath":".status.backendRef.kind"}"#,
    printcolumn = r#"{"name":"Attempt","type":"integer","jsonPath":".status.attempt"}"#,
    printcolumn = r#"{"name":"Cost","type":"string","jsonPath":".status.usage.usd"}"#,
    printcolumn = r#"{"name":"Duration","type":"integer","description":"Seconds of work","jsonPath":".status.usage.seconds"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rules::of_a_spec)]
pub struct AgentJobSpec {
    /// The kind of work.
    #[serde(rename = "type")]
    pub job_type: JobType,

    /// The fields of `type: echo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<EchoSpec>,
    /// The fields of `type: claude_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude_chat: Option<ClaudeChatSpec>,
    /// The fields of `type: analytics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analytics: Option<AnalyticsSpec>,
    /// The fields of `type: agent_farm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_farm: Option<AgentFarmSpec>,
    /// The fields of `type: dbt_run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbt_run: Option<DbtRunSpec>,

    /// Where it runs. Chosen by the operator when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendSpec>,
    /// How long all attempts together may take, counted from the first start. Written like `2h` or `90s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("deadline", None, "720h"))]
    pub deadline: Option<Duration>,
    /// What all attempts together may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// Which failures are tried again, and how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// The queue it waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), transform = rules::only("self == 'default'"))]
    pub queue: Option<String>,
    /// Higher goes first among waiting jobs.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Jobs that must have succeeded before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = rules::only("self.size() == 0"))]
    pub depends_on: Vec<Dependency>,
    /// What the job takes from and gives to the shared memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elf: Option<ElfSpec>,
    /// Holds the job: nothing starts, and what runs is stopped without an outcome.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Ends the job.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel: bool,
    /// The finished job that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RetryOf>,
    /// How long the record stays after the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("ttlAfterFinished", Some("0s"), "8760h"))]
    pub ttl_after_finished: Option<Duration>,
    /// Another controller that runs this job; ours leaves it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::only("false"))]
    pub managed_by: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(n: &i32) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
pub(crate) const fn is_false(b: &bool) -> bool {
    !*b
}

/// A Go-style duration as a non-negative standard one; a negative one counts as nothing.
#[must_use]
pub fn span(duration: Duration) -> std::time::Duration {
    if duration.is_negative() {
        std::time::Duration::ZERO
    } else {
        duration.into()
    }
}

/// The names of the tenant's secrets that a job asks for.
#[must_use]
pub fn secrets(spec: &AgentJobSpec) -> Vec<&str> {
    let farm = spec.agent_farm.as_ref().map(|f| &f.workspace);
    let git = farm.and_then(|w| w.git.as_ref());
    git.and_then(|g| g.token_secret.as_deref())
        .into_iter()
        .collect()
}

/// The domain a job works in, as memory knows it: the one it names, or else its stack.
#[must_use]
pub fn domain(spec: &AgentJobSpec) -> Option<String> {
    let named = spec.elf.as_ref().and_then(|e| e.domain.clone());
    named.or_else(|| spec.agent_farm.as_ref()?.stack.clone())
}

/// The project a job works on, as memory knows it; none for types without one.
#[must_use]
pub fn project(spec: &AgentJobSpec) -> Option<String> {
    let farm = spec.agent_farm.as_ref().map(|f| &f.workspace);
    let git = farm.and_then(|w| w.git.as_ref()).map(|g| g.url.clone());
    git.or_else(|| farm.and_then(|w| w.path.clone()))
        .or_else(|| spec.analytics.as_ref().map(|a| a.repo.clone()))
        .or_else(|| spec.dbt_run.as_ref().map(|d| d.project_path.clone()))
        .or_else(|| spec.claude_chat.as_ref().and_then(|c| c.project.clone()))
}
