//! `type: agent_farm`.

use kube::{KubeSchema, core::Duration};
use serde::{Deserialize, Serialize};

use super::rules;

/// Several terminal agents on one repository, each in its own worktree and tmux window.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentFarmSpec {
    /// What the agents are to do. It reaches every agent.
    #[schemars(length(min = 1, max = 65536))]
    pub task: String,
    /// How many agents.
    #[serde(default = "default_agents")]
    #[schemars(range(min = 1, max = 50))]
    pub agents: u32,
    /// The technology, which chooses checks and guides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub stack: Option<String>,
    /// The repository.
    pub workspace: WorkspaceSpec,
    /// Where the agents' commits go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub land: Option<LandSpec>,
    /// A file of the repository whose text is put before the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), transform = rules::beneath_root)]
    pub prompt_file: Option<String>,
    /// The model the agents ask; the agents' own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub model: Option<String>,
    /// The pause between two starts of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::time("stagger", Some("0s"), "5m"))]
    pub stagger: Option<Duration>,
}

const fn default_agents() -> u32 {
    3
}

/// Exactly one place to take the repository from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.git) != has(self.path)").message("exactly one of git and path must be set"))]
pub struct WorkspaceSpec {
    /// A repository to clone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// A repository that is there already, beneath the tenant's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), transform = rules::beneath_root)]
    pub path: Option<String>,
}

/// A repository to clone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// `https://…`, `ssh://…` or `user@host:path`, with no password in it.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^(https://|ssh://|[A-Za-z0-9_.]+@[A-Za-z0-9_.-]+:)') || self.startsWith('file:///') || self.startsWith('http://')").message("url must begin with https://, ssh:// or user@host:"))]
    #[x_kube(validation = Rule::new("!self.matches('^[a-z]+://[^/@]*:[^/@]*@')").message("url must not hold a password; name a secret instead"))]
    pub url: String,
    /// The branch, tag or commit.
    #[serde(rename = "ref", default = "default_ref")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_./-]*$')").message("ref must be a branch, tag or commit and must not begin with -"))]
    pub git_ref: String,
    /// The name of the secret that holds the access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub token_secret: Option<String>,
}

fn default_ref() -> String {
    "main".to_owned()
}

/// Where the agents' commits go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LandSpec {
    /// The branch that gets the commits; `farm/<job name>` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_./-]*$')").message("branch must not begin with -"))]
    pub branch: Option<String>,
    /// Whether the branch is pushed to where the repository came from.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub push: bool,
}
