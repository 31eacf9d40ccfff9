//! What the back end is told, and where things stand inside of a pod. Starts nothing.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::EnvVar;
use object_store::ObjectStore;

/// The label that names a pod's job.
pub const JOB_LABEL: &str = "multiagent.dev/job-uid";
/// The label that says which attempt a pod is.
pub const ATTEMPT_LABEL: &str = "multiagent.dev/attempt";
/// For whom the tokens of pods are made.
pub const AUDIENCE: &str = "sandbox-seat";
/// The one container of a pod.
pub const CONTAINER: &str = "runner";

/// Where things stand inside. The runner is told by its arguments and its environment.
pub mod inside {
    /// The folder of the seat and of what goes with the pod.
    pub const DATA: &str = "/sandbox";
    /// Tenants' files, of which only its tenant's are there.
    pub const WORKSPACE: &str = "/workspace";
    /// A home that goes with the pod.
    pub const HOME: &str = "/home/sandbox";
    /// Where the token for the seat door is mounted.
    pub const TOKENS: &str = "/var/run/sandbox";
    /// The token's file in there.
    pub const TOKEN: &str = "token";
    /// Memory for the files that secrets become.
    pub const SECRETS: &str = "/secrets";
    /// Where a company's own authorities are mounted.
    pub const AUTHORITIES: &str = "/etc/sandbox/authorities";
}

/// What the back end needs to know.
#[derive(Clone)]
pub struct PodConfig {
    /// The namespaces whose pods are watched; all of them where there is none.
    pub namespaces: Vec<String>,
    /// The image of a job that names none.
    pub image: String,
    /// Further images that jobs may name; one that ends in `*` stands for all that begin so.
    pub images: Vec<String>,
    /// When images are pulled: `IfNotPresent`, `Always` or `Never`; the cluster's own rule when absent.
    pub pull_policy: Option<String>,
    /// Secrets of the jobs' namespaces with which images are pulled, besides those that a job names.
    pub pull_secrets: Vec<String>,
    /// Where runners find the seat door: `https://host:port`.
    pub door: String,
    /// The authority of the door's certificate, in PEM.
    pub authority: String,
    /// More variables for every runner: where models are, and the secrets with the keys for them.
    pub env: Vec<EnvVar>,
    /// How long a pod may be without what it needs, such as its image or a secret, until it is given up.
    pub prepare_within: Duration,
    /// How long a runner may take to end after it was asked to.
    pub grace: Duration,
    /// Where the logs of pods that are removed are kept: the store of reports.
    pub logs: Arc<dyn ObjectStore>,
    /// Most bytes that are kept of one log.
    pub log_limit: u64,
}

impl PodConfig {
    /// Whether a job may name this image.
    pub(super) fn allows(&self, image: &str) -> bool {
        let fits = |allowed: &str| match allowed.strip_suffix('*') {
            Some(start) => image.starts_with(start),
            None => image == allowed,
        };
        fits(&self.image) || self.images.iter().any(|i| fits(i))
    }
}
