//! A real kubelet with a shell script in the runner's place: what the back end does with pods, whatever a runner does
//! in them.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use object_store::memory::InMemory;
use sandbox_core::{
    Brief, Seat, Uid,
    brief::VERSION,
    port::{Backend, Look},
    spec::BackendName,
};
use sandbox_operator::{
    backend::pod::{PodBackend, PodConfig},
    control::Waker,
};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use super::backend::Place;
use crate::{
    cluster::whole::{Whole, shared},
    images::SCRIPTED,
};

/// A script that works until it is asked to end.
pub const WORK: &str = "say up; exec sleep 600";
/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// What every script begins with: it counts its start and has a way to speak to the test.
const PRELUDE: &str = "#!/bin/sh
folder=$(echo /workspace/*)
seat=$(echo \"$3\" | tr / -)
echo \"$seat\" >> \"$folder/starts\"
say() { echo \"$*\"; echo \"$*\" >> \"$folder/said-$seat\"; }
";

/// A back end in a namespace of its own, in the cluster that all tests share.
pub struct Pods {
    /// The cluster.
    pub whole: Arc<Whole>,
    /// The back end.
    pub backend: Arc<PodBackend>,
    /// What it was made of.
    pub config: PodConfig,
    /// A client with all rights.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// Whom it has looked at.
    pub calls: Mutex<mpsc::UnboundedReceiver<Uid>>,
    folder: tempfile::TempDir,
    following: JoinHandle<()>,
}

impl Pods {
    /// A back end whose runner is this script.
    pub async fn new(script: &str) -> Self {
        Self::with(script, |_| {}).await
    }

    /// As [`Pods::new`], the configuration changed first.
    pub async fn with(script: &str, change: impl FnOnce(&mut PodConfig)) -> Self {
        Self::on(shared().await.unwrap(), script, change).await
    }

    /// The same on this cluster.
    pub async fn on(whole: Arc<Whole>, script: &str, change: impl FnOnce(&mut PodConfig)) -> Self {
        let client = whole.client().await.unwrap();
        let namespace = format!("t-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let folder = shared_folder(script);
        let mut config = config();
        change(&mut config);
        let (waker, calls) = Waker::new();
        let backend = Arc::new(PodBackend::new(client.clone(), config.clone(), waker));
        let following = tokio::spawn(backend.clone().follow());
        let pods = Self {
            whole,
            backend,
            config,
            client,
            namespace,
            calls: Mutex::new(calls),
            folder,
            following,
        };
        pods.prepare();
        pods
    }

    /// A namespace with its service account, and a volume that the test can read.
    fn prepare(&self) {
        let (whole, name) = (&self.whole, self.namespace.as_str());
        whole.kubectl(&["create", "namespace", name]).unwrap();
        let size = json!({"storage": "1Gi"});
        whole.apply(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "claimRef": {"namespace": name, "name": "kept"}, "hostPath": {"path": self.folder.path()},
            },
        })).unwrap();
        whole
            .apply(&json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "kept", "namespace": name},
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": name,
                    "resources": {"requests": size},
                },
            }))
            .unwrap();
        let account = [
            "wait",
            "--for=create",
            "serviceaccount/default",
            "--timeout=60s",
            "-n",
            name,
        ];
        whole.kubectl(&account).unwrap();
        let bound = [
            "wait",
            "--for=jsonpath={.status.phase}=Bound",
            "pvc/kept",
            "--timeout=60s",
            "-n",
            name,
        ];
        whole.kubectl(&bound).unwrap();
    }

    /// A brief of a new job that stands in the cluster and asks for this pod, on the test's volume.
    pub fn brief_of(&self, pod: &Value) -> Brief {
        let mut pod = pod.clone();
        if pod["workspace"].is_null() {
            pod["workspace"] = json!({"claimName": "kept"});
        }
        let spec = json!({
            "type": "echo", "echo": {}, "suspend": true, "backend": {"name": "pod", "pod": pod},
        });
        let job = self.job(&spec);
        Brief {
            version: VERSION,
            seat: Seat::new(job["metadata"]["uid"].as_str().unwrap().parse().unwrap(), 1),
            tenant: self.namespace.parse().unwrap(),
            name: job["metadata"]["name"].as_str().unwrap().to_owned(),
            backend: BackendName::Pod,
            spec: serde_json::from_value(spec).unwrap(),
            deadline_at: Timestamp::MAX,
            usd_left: None,
            tokens_left: None,
        }
    }

    /// A new job of the cluster.
    pub fn job(&self, spec: &Value) -> Value {
        let name = format!("j-{}", uuid::Uuid::new_v4().simple());
        let job = json!({
            "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        });
        self.whole.apply(&job).unwrap();
        let seen = ["get", "aj", &name, "-n", &self.namespace, "-o", "json"];
        serde_json::from_str(&self.whole.kubectl(&seen).unwrap()).unwrap()
    }

    /// Launches a new seat whose pod is so.
    pub async fn launch(&self, pod: &Value) -> Brief {
        let brief = self.brief_of(pod);
        self.backend.launch(&brief).await.unwrap();
        brief
    }

    /// Where a file of the test's volume stands.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The pods of the namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Looks until what is seen of the seat is so.
    pub async fn seen(&self, seat: &Seat, what: &str, is: impl Fn(&Look) -> bool) -> Look {
        let from = Instant::now();
        loop {
            let look = self.backend.look(seat, None).await.unwrap();
            if is(&look) {
                return look;
            }
            assert!(from.elapsed() < PATIENCE, "never {what}: {look:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Another back end for the same cluster, as after a restart of ours.
    pub fn restarted(&self) -> (Arc<PodBackend>, JoinHandle<()>) {
        let backend = PodBackend::new(self.client.clone(), self.config.clone(), Waker::new().0);
        let backend = Arc::new(backend);
        let following = tokio::spawn(backend.clone().follow());
        (backend, following)
    }
}

/// A folder that a pod's user can write, with the script in it.
fn shared_folder(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(folder.path(), open(0o777)).unwrap();
    let runner = folder.path().join("runner");
    fs::write(&runner, format!("{PRELUDE}{script}\n")).unwrap();
    fs::set_permissions(&runner, open(0o755)).unwrap();
    folder
}

/// What the back end of the tests is told.
#[must_use]
pub fn config() -> PodConfig {
    PodConfig {
        namespaces: Vec::new(),
        image: SCRIPTED.to_owned(),
        images: vec!["*".to_owned()],
        pull_policy: Some("IfNotPresent".to_owned()),
        pull_secrets: Vec::new(),
        door: "https://10.0.0.1:1".to_owned(),
        authority: "none".to_owned(),
        env: Vec::new(),
        prepare_within: Duration::from_mins(10),
        grace: Duration::from_secs(5),
        logs: Arc::new(InMemory::new()),
        log_limit: 1 << 20,
    }
}

#[async_trait]
impl Place for Pods {
    fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    async fn brief(&self) -> Brief {
        self.brief_of(&json!({}))
    }

    async fn up(&self, seat: &Seat) {
        let said = self.file(&format!("said-{}-{}", seat.uid, seat.attempt));
        let from = Instant::now();
        while !fs::read_to_string(&said).is_ok_and(|text| text.contains("up\n")) {
            assert!(
                from.elapsed() < PATIENCE,
                "never up: {:?}",
                self.backend.look(seat, None).await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let runs = |look: &Look| look.preparing.is_none() && look.sightings.len() == 1;
        self.seen(seat, "running", runs).await;
    }

    async fn over(&self, instance: &str) {
        let uid = instance.strip_prefix("pod:").unwrap();
        let from = Instant::now();
        loop {
            let all = self
                .pods()
                .list(&kube::api::ListParams::default())
                .await
                .unwrap();
            let mine = all.iter().find(|p| p.metadata.uid.as_deref() == Some(uid));
            if mine.is_none_or(is_over) {
                return;
            }
            assert!(from.elapsed() < PATIENCE, "never over: {mine:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn starts(&self) -> usize {
        let text = fs::read_to_string(self.file("starts")).unwrap_or_default();
        text.lines().count()
    }
}

/// Whether the kubelet says so.
fn is_over(pod: &Pod) -> bool {
    let all = pod
        .status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten());
    let over = |c: &k8s_openapi::api::core::v1::ContainerStatus| {
        c.state.as_ref().is_some_and(|s| s.terminated.is_some())
    };
    let mut all = all.peekable();
    all.peek().is_some() && all.all(over)
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.following.abort();
        let pods = [
            "delete",
            "pods",
            "--all",
            "--force",
            "--wait=false",
            "-n",
            &self.namespace,
        ];
        let _ = self.whole.kubectl(&pods);
        let namespace = ["delete", "namespace", "--wait=false", &self.namespace];
        let _ = self.whole.kubectl(&namespace);
    }
}
