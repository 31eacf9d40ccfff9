//! `type: dbt_run`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// The dbt commands that may be asked for; none of them opens a shell or a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DbtCommand {
    /// `dbt run`
    #[default]
    Run,
    /// `dbt test`
    Test,
    /// `dbt build`
    Build,
    /// `dbt compile`
    Compile,
    /// `dbt seed`
    Seed,
    /// `dbt snapshot`
    Snapshot,
    /// `dbt parse`
    Parse,
}

/// One run of dbt beneath the tenant's root.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DbtRunSpec {
    /// The project's folder beneath the tenant's root.
    #[schemars(length(min = 1, max = 512), transform = rules::beneath_root)]
    pub project_path: String,
    /// The dbt command.
    #[serde(default)]
    pub command: DbtCommand,
    /// The target of the profile.
    #[serde(default = "default_target")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("!self.startsWith('-')").message("target must not begin with -"))]
    pub target: String,
    /// Models to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub select: Option<String>,
    /// Models to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub exclude: Option<String>,
    /// Whether incremental models are built anew.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub full_refresh: bool,
    /// Variables for the project.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub vars: BTreeMap<String, VarText>,
    /// The folder of `profiles.yml`, beneath the tenant's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), transform = rules::beneath_root)]
    pub profiles_dir: Option<String>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: Option<u32>,
    /// Whether the first failure ends the run.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub fail_fast: bool,
}

/// The value of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct VarText(#[schemars(length(max = 1024))] pub String);

fn default_target() -> String {
    "dev".to_owned()
}
