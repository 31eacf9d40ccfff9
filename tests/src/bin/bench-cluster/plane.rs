//! The API server of a run, with the definitions of `crds/`, the ledger that a cluster's memory stands on, and the operators.

use std::path::{Path, PathBuf};

use anyhow::Result;
use axum::http::{HeaderValue, header::USER_AGENT};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, Client, api::PostParams};
use sandbox_core::AgentJob;
use sandbox_tests::{
    cluster::{
        Cluster,
        shared::{define, lease},
    },
    ledger::program::{self, Served},
    operator::{LEASE, Operator},
};
use serde_json::json;
use tempfile::TempDir;

use super::audit::Audit;

/// Where the jobs are.
pub const NAMESPACE: &str = "bench";
/// By what the audit log knows who drives.
const AGENT: &str = "bench-driver";

/// One API server. It ends with this value.
pub struct Plane {
    pub cluster: Cluster,
    pub client: Client,
    pub audit: Audit,
    memory: Served,
    papers: TempDir,
}

impl Plane {
    /// Starts one that writes down who asks what.
    pub async fn start() -> Result<Self> {
        let cluster = Cluster::audited().await?;
        define(&cluster);
        let mut config = cluster.config().await?;
        let agent = (USER_AGENT, HeaderValue::from_static(AGENT));
        config.headers.push(agent);
        let papers = program::folder();
        let plane = Self {
            memory: Served::at(papers.path(), "127.0.0.1:0"),
            papers,
            client: Client::try_from(config)?,
            audit: Audit::new(cluster.audit()),
            cluster,
        };
        plane.make_namespace(NAMESPACE).await?;
        lease(&plane.cluster, NAMESPACE, LEASE);
        Ok(plane)
    }

    /// Makes a namespace, with the account that its pods have.
    pub async fn make_namespace(&self, name: &str) -> Result<()> {
        let all: Api<Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        all.create(&PostParams::default(), &namespace).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
        accounts.create(&PostParams::default(), &account).await?;
        Ok(())
    }

    /// The jobs of a namespace.
    pub fn jobs(&self, namespace: &str) -> Api<AgentJob> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The real operator.
    pub fn operator(&self, name: &str, slots: usize) -> Operator {
        let words = self.words(name, slots);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Operator::start(&self.cluster.kubeconfig(), &words)
    }

    /// The one whose back end does nothing, and the file in which it notes what it launched.
    pub fn nowhere(&self, slots: usize) -> Result<(Operator, PathBuf)> {
        let launches = self.cluster.folder().join("launches");
        let words = self.words("nowhere", slots);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let me = std::env::current_exe()?;
        let first = ["operator", path(&launches)];
        let operator = Operator::of((&me, &first), &self.cluster.kubeconfig(), &words);
        Ok((operator, launches))
    }
}

impl Plane {
    /// What an operator is told: among others where memory is, as the chart has it.
    fn words(&self, name: &str, slots: usize) -> Vec<String> {
        let file = |name: &str| self.papers.path().join(name).display().to_string();
        vec![
            format!("--namespace={NAMESPACE}"),
            format!("--watch-namespaces={NAMESPACE}"),
            format!("--identity={name}"),
            format!("--slots={slots}"),
            format!("--elf=https://{}", self.memory.address()),
            format!("--ledger-token-file={}", file("token")),
            format!("--ledger-ca-file={}", file("cert.pem")),
            "--auth=false".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
