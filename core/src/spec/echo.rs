//! `type: echo`.

use kube::{KubeSchema, core::Duration};
use serde::{Deserialize, Serialize};

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
    #[x_kube(validation = Rule::new("duration(self) >= duration('0s') && duration(self) <= duration('24h')").message("delay must be at most 24h"))]
    pub delay: Option<Duration>,
}
