//! `backend: {name: fargate}`: what a job may say about its task. What is not here is the operator's: the task
//! definition with its image and secrets, the network, the roles, the name and the end of the task.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// How a job runs in a task.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FargateSpec {
    /// What the task has: the smallest size of Fargate's that holds it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<FargateResources>,
    /// Which capacity it runs on; the operator's own choice when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<FargateCapacity>,
    /// Room on the task's own disk, which goes with it: from `21Gi` to `200Gi`. Fargate gives 20 GiB when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::task_disk)]
    pub ephemeral_storage: Option<String>,
}

/// What a task has.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FargateResources {
    /// Processors: `2`, `0.5` or `500m`; at most 16. The operator's own amount when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::task_processors)]
    pub cpu: Option<String>,
    /// Memory: `512Mi` or `8Gi`; at most `120Gi`. The operator's own amount when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::task_memory)]
    pub memory: Option<String>,
}

/// Which capacity a task runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FargateCapacity {
    /// Capacity that stays.
    OnDemand,
    /// Cheaper capacity that AWS may take back with two minutes' notice.
    Spot,
    /// Spot, or else on demand where there is no Spot.
    SpotWithFallback,
}
