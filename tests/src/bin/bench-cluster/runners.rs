//! Plays the runners of pods that never run, over the real way in: each pod's own token, TLS, claim, heartbeat, report,
//! record. Then says of the pod what its kubelet would say: that it is over.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use sandbox_core::Seat;
use sandbox_operator::backend::pod::{AUDIENCE, JOB_LABEL};
use sandbox_tests::visit::{Visit, door};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};

use super::{
    jobs::{AT_ONCE, MESSAGE},
    plane::NAMESPACE,
};

/// Who plays them. Cheap to clone.
#[derive(Clone)]
pub struct Runners {
    client: Client,
    pods: Api<Pod>,
    door: Arc<OnceCell<reqwest::Client>>,
    turns: Arc<Semaphore>,
}

impl Runners {
    pub fn new(client: Client) -> Self {
        Self {
            pods: Api::namespaced(client.clone(), NAMESPACE),
            client,
            door: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Plays the runner of each pod that is said to run, until it is dropped.
    pub async fn play(self) -> Result<()> {
        let ours = WatchParams::default().labels(JOB_LABEL);
        let mut begun = HashSet::new();
        // The API server ends the watch of one that is slow to listen.
        loop {
            let mut told = Box::pin(self.pods.watch(&ours, "0").await?);
            while let Some(Ok(event)) = told.next().await {
                if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event {
                    self.meet(pod, &mut begun);
                }
            }
        }
    }

    /// Begins with a pod that runs and was not met before.
    fn meet(&self, pod: Pod, begun: &mut HashSet<String>) {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if phase != Some("Running") || !begun.insert(pod.name_any()) {
            return;
        }
        let me = self.clone();
        tokio::spawn(async move {
            let _turn = me.turns.acquire().await;
            if let Err(e) = me.run(&pod).await {
                eprintln!("pod {}: {e:#}", pod.name_any());
            }
        });
    }

    async fn run(&self, pod: &Pod) -> Result<()> {
        let name = pod.name_any();
        let seat = Seat::of_object_name(&name).context("a pod of no seat")?;
        let container = pod.spec.as_ref().and_then(|s| s.containers.first());
        let container = container.context("a pod without a container")?;
        let client = self.door.get_or_try_init(async || client(container));
        let visit = Visit {
            client: client.await?,
            door: door(container.args.iter().flatten())?,
            seat: &seat,
            token: self.token(pod).await?,
            patience: Duration::ZERO,
        };
        let me = format!("pod:{}", pod.uid().unwrap_or_default());
        let claim = visit
            .claim(me)
            .await?
            .context("claimed its seat: another has it")?;
        let said = json!({"echoed_message": MESSAGE.repeat(4)});
        visit.work(&claim, said).await?;
        self.over(&name, &container.name).await
    }

    /// A token as the kubelet would project it: of this very pod.
    async fn token(&self, pod: &Pod) -> Result<String> {
        let bound =
            json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()});
        let spec =
            json!({"audiences": [AUDIENCE], "boundObjectRef": bound, "expirationSeconds": 3600});
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token");
        let request = axum::http::Request::post(path).body(request.to_string().into_bytes())?;
        let answer: Value = self.client.request(request).await?;
        let token = answer["status"]["token"].as_str();
        Ok(token.context("asked for a token")?.to_owned())
    }

    async fn over(&self, pod: &str, container: &str) -> Result<()> {
        let state = json!({"terminated": {"exitCode": 0}});
        let told = json!({
            "name": container, "image": "runner", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        });
        let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [told]}});
        let patch = Patch::Merge(&status);
        self.pods
            .patch_status(pod, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }
}

fn client(container: &Container) -> Result<reqwest::Client> {
    let mut env = container.env.iter().flatten();
    let authority = env.find(|v| v.name == "SANDBOX_SEAT_CA");
    let authority = authority.and_then(|v| v.value.as_deref());
    let authority = authority.context("a pod that knows no authority")?;
    let authority = reqwest::Certificate::from_pem_bundle(authority.as_bytes())?;
    Ok(reqwest::Client::builder()
        .tls_certs_only(authority)
        .build()?)
}
