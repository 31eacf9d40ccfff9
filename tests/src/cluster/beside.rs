//! What runs beside a control plane that has no machine: a scheduler, the controller of batch jobs, and kwok, which says of
//! pods what a kubelet would say and runs none. `scripts/setup kwok` builds them.

use std::path::PathBuf;

use anyhow::Result;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Cluster, command};
use crate::{cache::part, process::Process};

/// What their clients may ask in a second, and at once: by default they wait for themselves.
const FREE: [&str; 2] = ["--kube-api-qps=2000", "--kube-api-burst=4000"];

/// What kwok says of nodes and pods.
const STAGES: &str = include_str!("kwok.yaml");

/// One of them. It ends with this value.
pub struct Beside(Process);

impl Beside {
    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Places pods on nodes.
    ///
    /// # Errors
    /// It is not built.
    pub fn scheduler(cluster: &Cluster) -> Result<Self> {
        Self::of(cluster, "kube-scheduler", &[])
    }

    /// Works off batch jobs, and nothing else.
    ///
    /// # Errors
    /// It is not built.
    pub fn job_controller(cluster: &Cluster) -> Result<Self> {
        let words = ["--controllers=job-controller", "--concurrent-job-syncs=50"];
        Self::of(cluster, "kube-controller-manager", &words)
    }

    fn of(cluster: &Cluster, name: &str, words: &[&str]) -> Result<Self> {
        let mut command = command(name, cluster.folder())?;
        command.args([
            "--kubeconfig=kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
        ]);
        command.args(FREE).args(words);
        let log = cluster.folder().join(format!("{name}.log"));
        Ok(Self(Process::start((command, log))?))
    }

    /// Says of pods that they run, and of those of batch jobs that they are done.
    ///
    /// # Errors
    /// It is not built.
    pub fn kwok(cluster: &Cluster) -> Result<Self> {
        std::fs::write(cluster.folder().join("kwok.yaml"), STAGES)?;
        let mut command = std::process::Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command
            .arg(kwok()?)
            .current_dir(cluster.folder())
            .args(["--kubeconfig=kubeconfig", "--config=kwok.yaml"])
            .arg("--manage-all-nodes=true");
        let log = cluster.folder().join("kwok.log");
        Ok(Self(Process::start((command, log))?))
    }
}

fn kwok() -> Result<PathBuf> {
    part("kwok", "kwok")
}

/// Makes nodes that are not there, with room for so many pods each.
///
/// # Errors
/// The API server refuses them.
pub async fn make_nodes(client: &Client, nodes: u32, pods: usize) -> Result<()> {
    let all: Api<Node> = Api::all(client.clone());
    for n in 0..nodes {
        let room = json!({"cpu": "10000", "memory": "100Ti", "pods": pods.to_string()});
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("kwok-{n}"), "labels": {"kubernetes.io/hostname": format!("kwok-{n}")}},
            "status": {"allocatable": room, "capacity": room},
        });
        let node: Node = serde_json::from_value(node)?;
        all.create(&PostParams::default(), &node).await?;
        // A new node counts as not ready until a controller, of which there is none here, says otherwise.
        let free = Patch::Merge(json!({"spec": {"taints": null}}));
        let name = node.name_any();
        all.patch(&name, &PatchParams::default(), &free).await?;
    }
    Ok(())
}
