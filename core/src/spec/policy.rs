//! The parts of a spec that every job type shares: place, budget, retries, memory, relations.

use std::collections::BTreeMap;

use kube::{KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ContainerSpec, FargateSpec, PodSpec, rules};
use crate::{money::Usd, outcome::FailureClass};

/// The back ends a job may ask for.
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
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// A tmux session on a machine.
    #[default]
    Vps,
    /// A container on a machine.
    Container,
    /// A Kubernetes pod.
    Pod,
    /// An ECS task on Fargate.
    Fargate,
}

impl BackendName {
    /// The word as it stands in `spec.backend.name`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Vps => "vps",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Fargate => "fargate",
        }
    }
}

/// Where a job runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.container) || self.name == 'container'").message("container may be set only with name: container"))]
#[x_kube(validation = Rule::new("!has(self.pod) || self.name == 'pod'").message("pod may be set only with name: pod"))]
#[x_kube(validation = Rule::new("!has(self.fargate) || self.name == 'fargate'").message("fargate may be set only with name: fargate"))]
#[x_kube(validation = Rule::new("!has(self.hostSelector) || self.name == 'vps' || self.name == 'container'").message("hostSelector may be set only with name: vps or container"))]
pub struct BackendSpec {
    /// The back end.
    pub name: BackendName,
    /// The settings of `name: container`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerSpec>,
    /// The settings of `name: pod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodSpec>,
    /// The settings of `name: fargate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fargate: Option<FargateSpec>,
    /// In a cluster: which `RunnerHost` of the job's namespace `name: vps` and `name: container` may go to; any of
    /// them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_selector: Option<HostSelector>,
}

/// Which machines outside of the cluster will do.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSelector {
    /// The labels that a host has to have, all of them.
    #[schemars(extend("maxProperties" = 16), transform = rules::labels)]
    pub match_labels: BTreeMap<String, String>,
}

/// What all attempts of a job together may use.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetSpec {
    /// Money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Tokens, in and out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub tokens: Option<u64>,
}

/// Which failures are tried again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrySpec {
    /// Most further attempts after the first.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 0, max = 10))]
    pub limit: u32,
    /// The classes that are tried again. `Infrastructure`, `Preempted` and `RateLimited` when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8), transform = rules::by_class)]
    pub on: BTreeMap<FailureClass, Backoff>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            limit: default_limit(),
            on: BTreeMap::new(),
        }
    }
}

const fn default_limit() -> u32 {
    2
}

/// The pause before another attempt: it doubles each time, from `base` to `max`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backoff {
    /// The first pause; 5 seconds when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("base", Some("0s"), "24h"))]
    pub base: Option<Duration>,
    /// The longest pause; 5 minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("max", Some("0s"), "24h"))]
    pub max: Option<Duration>,
}

/// A job that must have succeeded first.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// Its name within the tenant.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What a job takes from and gives to the shared memory.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElfSpec {
    /// Whether lessons are put into the prompt.
    #[serde(default = "yes")]
    pub inject: bool,
    /// The domain whose lessons are wanted most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub domain: Option<String>,
}

impl Default for ElfSpec {
    fn default() -> Self {
        Self {
            inject: yes(),
            domain: None,
        }
    }
}

const fn yes() -> bool {
    true
}

/// The finished job that is tried again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryOf {
    /// Its unique id.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
}
