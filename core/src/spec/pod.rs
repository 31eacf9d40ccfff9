//! `backend: {name: pod}`: what a job may say about its pod. What is not here is the operator's: the
//! security of the pod, its service account's token, its name and its end.
// For the whole file: the derive makes a second struct, which an attribute of the first does not reach.
#![allow(
    clippy::struct_field_names,
    reason = "those of PodProxy are called as the variables are that they become"
)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// How a job runs in a pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSpec {
    /// The image; the operator's own when absent. It must be one that the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')").message("image must be a name such as registry/name:tag or name@sha256:digest"))]
    pub image: Option<String>,
    /// What it asks of a node, and the most that it may use there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<PodResources>,
    /// Labels that its node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), transform = rules::labels)]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it bears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// The runtime that it runs in, such as gVisor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::object("runtimeClassName"))]
    pub runtime_class_name: Option<String>,
    /// Secrets of the job's namespace with which its image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<NamedSecret>,
    /// The service account of the job's namespace that it runs as; its token is not mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::object("serviceAccountName"))]
    pub service_account_name: Option<String>,
    /// How important it is to the scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::object("priorityClassName"))]
    pub priority_class_name: Option<String>,
    /// Where the tenant's files stand; an empty folder that goes with the pod when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PodWorkspace>,
    /// More variables of its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("each name may stand once"))]
    pub env: Vec<PodVariable>,
    /// Authorities that it trusts: a bundle in PEM. Git trusts no others, so a company's own stand there with the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<ConfigMapKey>,
    /// The way out of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<PodProxy>,
}

/// What a pod asks for and what it gets at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodResources {
    /// What its node must have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Quantities>,
    /// The most that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Quantities>,
}

/// Amounts of what a node has.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quantities {
    /// Processors: `2`, `0.5` or `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::processors)]
    pub cpu: Option<String>,
    /// Memory: `512Mi` or `2Gi`; at least `16Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::memory)]
    pub memory: Option<String>,
    /// Room on the node's own disk: `500Mi` or `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::size("ephemeralStorage"))]
    pub ephemeral_storage: Option<String>,
}

/// A taint that a pod bears.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.key) || (has(self.operator) && self.operator == 'Exists')").message("operator must be Exists where there is no key"))]
#[x_kube(validation = Rule::new("!has(self.value) || !has(self.operator) || self.operator == 'Equal'").message("value must be left out with operator: Exists"))]
pub struct Toleration {
    /// The taint's key; every key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
    /// How the taint's value is compared; `Equal` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// The taint's effect; every effect when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long a taint that evicts is borne, in seconds; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The values are the same.
    Equal,
    /// The key is there.
    Exists,
}

/// What a taint does to pods that do not bear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not placed there.
    NoSchedule,
    /// They are placed elsewhere where that can be.
    PreferNoSchedule,
    /// They are ended.
    NoExecute,
}

impl TolerationOperator {
    /// The word as Kubernetes writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Exists => "Exists",
        }
    }
}

impl TaintEffect {
    /// The word as Kubernetes writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A secret of the job's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedSecret {
    /// The secret's name.
    #[schemars(transform = rules::object("name"))]
    pub name: String,
}

/// Exactly one place for the tenant's files.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.size) != has(self.claimName)").message("exactly one of size and claimName must be set"))]
pub struct PodWorkspace {
    /// Room of an empty folder that goes with the pod: `500Mi` or `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::size("size"))]
    pub size: Option<String>,
    /// A persistent volume claim of the job's namespace, which stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::object("claimName"))]
    pub claim_name: Option<String>,
}

/// A variable of a pod's environment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("exactly one of value and valueFrom must be set"))]
pub struct PodVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("name must be of letters, digits and _, and must not begin with a digit"))]
    #[x_kube(validation = Rule::new("!self.startsWith('SANDBOX_')").message("names that begin with SANDBOX_ are the operator's own"))]
    pub name: String,
    /// Its value. Everybody who can read the job can read it: a secret goes into `valueFrom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Where its value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<VariableSource>,
}

/// Where a variable's value stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VariableSource {
    /// In a secret of the job's namespace.
    pub secret_key_ref: SecretKeyRef,
}

/// A value in a secret of the job's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The secret's name.
    #[schemars(transform = rules::object("name"))]
    pub name: String,
    /// The key in it.
    #[schemars(transform = rules::key)]
    pub key: String,
}

/// A text in a config map of the job's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKey {
    /// The config map's name.
    #[schemars(transform = rules::object("configMapName"))]
    pub config_map_name: String,
    /// The key in it.
    #[serde(default = "authorities")]
    #[schemars(transform = rules::key)]
    pub key: String,
}

fn authorities() -> String {
    "ca.crt".to_owned()
}

/// The proxies by which a pod reaches what is outside of the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodProxy {
    /// For `http://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::proxy("httpProxy"))]
    pub http_proxy: Option<String>,
    /// For `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::proxy("httpsProxy"))]
    pub https_proxy: Option<String>,
    /// Names and addresses that are reached without, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub no_proxy: Option<String>,
}
