//! `type: claude_chat`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The model the Python ancestor asked; kept so that its clients see no change.
pub(super) const DEFAULT_MODEL: &str = "claude-sonnet-4-20250514";

/// One prompt, one answer of a model.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaudeChatSpec {
    /// What is asked.
    #[schemars(length(min = 1, max = 65536))]
    pub prompt: String,
    /// The system prompt; a short general one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub system: Option<String>,
    /// Most tokens of the answer.
    #[serde(default = "default_max_tokens")]
    #[schemars(range(min = 1, max = 64000))]
    pub max_tokens: u32,
    /// The model.
    #[serde(default = "default_model")]
    #[schemars(length(min = 1, max = 128))]
    pub model: String,
    /// The project the question is about, for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub project: Option<String>,
    /// Files the question is about, for memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 512)))]
    pub files_to_read: Vec<String>,
}

const fn default_max_tokens() -> u32 {
    1024
}

pub(super) fn default_model() -> String {
    DEFAULT_MODEL.to_owned()
}
