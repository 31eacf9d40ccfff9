//! `type: analytics`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{claude_chat::default_model, rules};

/// Reads files of a repository beneath the tenant's root, asks a model once, writes its file blocks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalyticsSpec {
    /// What is to be done.
    #[schemars(length(min = 1, max = 65536))]
    pub task: String,
    /// The repository's folder beneath the tenant's root.
    #[schemars(length(min = 1, max = 512), transform = rules::beneath_root)]
    pub repo: String,
    /// Files to show the model, relative to the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 512)), transform = rules::each_beneath_root)]
    pub files_to_read: Vec<String>,
    /// Most tokens of the answer.
    #[serde(default = "default_max_tokens")]
    #[schemars(range(min = 1, max = 64000))]
    pub max_tokens: u32,
    /// The model.
    #[serde(default = "default_model")]
    #[schemars(length(min = 1, max = 128))]
    pub model: String,
}

const fn default_max_tokens() -> u32 {
    4096
}
