//! The hands of a cluster that has no node: every pod of a namespace is placed, and its container's words are done by
//! the real runner, as a process beside the test. The pods, their tokens and all that is said of them to the API
//! server are real; there is no container around the work.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{process::Command, task::JoinHandle};

use crate::node::{built, send};

/// The node that pods are said to be on.
const NODE: &str = "hands";
/// For whom a pod's token is.
const AUDIENCE: &str = "sandbox-seat";

/// Works until it is dropped; what it has begun ends then.
pub struct Hands {
    work: JoinHandle<()>,
    begun: Arc<Mutex<Vec<String>>>,
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Hands {
    /// Does the pods of this namespace, in which the account `default` is made.
    pub async fn of(client: Client, namespace: &str) -> Self {
        let begun: Arc<Mutex<Vec<String>>> = Arc::default();
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        post(&client, &accounts, &account).await;
        let mut all = All {
            pods: Api::namespaced(client.clone(), namespace),
            client,
            namespace: namespace.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            at_work: HashMap::new(),
            asked: HashSet::new(),
            begun: begun.clone(),
        };
        let work = tokio::spawn(async move {
            loop {
                all.look().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { work, begun }
    }

    /// The pods whose work was begun, in order, by name.
    pub fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }
}

struct All {
    client: Client,
    pods: Api<Pod>,
    namespace: String,
    folder: TempDir,
    at_work: HashMap<String, tokio::process::Child>,
    asked: HashSet<String>,
    begun: Arc<Mutex<Vec<String>>>,
}

impl All {
    async fn look(&mut self) {
        // The API server may be away in a test.
        let Ok(found) = self.pods.list(&ListParams::default()).await else {
            return;
        };
        for pod in found {
            let name = pod.name_any();
            let phase = pod.status.as_ref().and_then(|s| s.phase.clone());
            let new = phase.as_deref() == Some("Pending") && !self.at_work.contains_key(&name);
            let spec = pod.spec.as_ref();
            if pod.metadata.deletion_timestamp.is_some() {
                self.end(&name).await;
            } else if spec.is_some_and(|s| s.active_deadline_seconds.is_some()) {
                // Its time is over: it is ended and stays to be read.
                self.ask(&name);
            } else if new {
                self.begin(&pod).await;
            }
            self.watch(&name).await;
        }
    }

    async fn begin(&mut self, pod: &Pod) {
        let name = pod.name_any();
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        });
        post(&self.client, &self.path(&name, "binding"), &binding).await;
        let token = self.token(pod).await;
        let home = self.folder.path().join(&name);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("token"), token).unwrap();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let child = command(container, &home, &pod.uid().unwrap()).spawn();
        self.begun.lock().unwrap().push(name.clone());
        self.say(
            &name,
            "Running",
            &json!({"running": {"startedAt": jiff::Timestamp::now().to_string()}}),
        )
        .await;
        self.at_work.insert(name, child.unwrap());
    }

    /// Says how it ended, where it did.
    async fn watch(&mut self, name: &str) {
        let Some(child) = self.at_work.get_mut(name) else {
            return;
        };
        let Ok(Some(ended)) = child.try_wait() else {
            return;
        };
        self.at_work.remove(name);
        let code = ended.code().unwrap_or(137);
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        self.say(name, phase, &json!({"terminated": {"exitCode": code}}))
            .await;
    }

    fn ask(&mut self, name: &str) {
        let child = self.at_work.get(name);
        if let Some(pid) = child.and_then(tokio::process::Child::id)
            && self.asked.insert(name.to_owned())
        {
            send(pid, Signal::TERM);
        }
    }

    /// As a kubelet ends a pod: asks it to, says that it is over, and lets it go.
    async fn end(&mut self, name: &str) {
        self.ask(name);
        if let Some(child) = self.at_work.get_mut(name) {
            let _ = child.wait().await;
            self.watch(name).await;
        }
        let now = DeleteParams::default().grace_period(0);
        let _ = self.pods.delete(name, &now).await;
    }

    async fn say(&self, name: &str, phase: &str, state: &Value) {
        let container = json!({
            "name": "runner", "image": "runner", "imageID": "runner@sha256:0", "ready": false, "restartCount": 0,
            "state": state,
        });
        let status = json!({"status": {"phase": phase, "containerStatuses": [container]}});
        let patch = Patch::Merge(&status);
        let _ = self
            .pods
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
    }

    /// A token as the kubelet would project it: of this very pod.
    async fn token(&self, pod: &Pod) -> String {
        let bound =
            json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()});
        let spec =
            json!({"audiences": [AUDIENCE], "boundObjectRef": bound, "expirationSeconds": 3600});
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let account = format!(
            "/api/v1/namespaces/{}/serviceaccounts/default/token",
            self.namespace
        );
        let answer = post(&self.client, &account, &request).await.unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    fn path(&self, pod: &str, part: &str) -> String {
        format!("/api/v1/namespaces/{}/pods/{pod}/{part}", self.namespace)
    }
}

async fn post(client: &Client, path: &str, body: &Value) -> Option<Value> {
    let request = axum::http::Request::post(path);
    let request = request.body(body.to_string().into_bytes()).unwrap();
    client.request(request).await.ok()
}

/// The container's words and environment, with folders of this machine in the place of its own.
fn command(container: &Container, home: &Path, uid: &str) -> Command {
    let mut command = Command::new(built("sandbox"));
    let mut words = container.args.clone().unwrap();
    if let Some(at) = words.iter().position(|w| w == "--data-dir") {
        home.join("data")
            .to_str()
            .unwrap()
            .clone_into(&mut words[at + 1]);
    }
    command.args(words).env_clear().kill_on_drop(true);
    for variable in container.env.iter().flatten() {
        let value = variable.value.clone();
        command.env(&variable.name, value.unwrap_or_else(|| uid.to_owned()));
    }
    let log = std::fs::File::create(home.join("log")).unwrap();
    command
        .env("HOME", home)
        .env("SANDBOX_SEAT_TOKEN_FILE", home.join("token"))
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
}
