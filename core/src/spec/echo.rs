//! `type: echo`.

use kube::{KubeSchema, core::Duration};
use serde::{Deserialize, Serialize};

use super::rules;

/// Answers with what it was given: shows that jobs run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EchoSpec {
    /// The text to answer with.
    #[serde(default)]
    #[schemars(length(max = 65536))]
    pub message: String,
    /// How long to wait before answering. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("delay", Some("0s"), "24h"))]
    pub delay: Option<Duration>,
}
