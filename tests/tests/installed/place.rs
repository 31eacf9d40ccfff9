//! The cluster with the installation `agents` that the tests of this class share while any of them runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sandbox_tests::{
    cluster::whole::Whole,
    helm::{chart, helm_at},
    images::{AGENTS, installation},
    model_server::{ModelServer, Script},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, RwLock};

/// The namespaces of the jobs that the installation looks after; the key of each is `key-of-NAME`.
const TENANTS: [&str; 4] = ["team-echo", "team-farm", "team-memory", "team-lost"];

pub struct Place {
    pub whole: Whole,
    /// Whoever takes something away from the others has it alone.
    pub turn: RwLock<()>,
}

static SHARED: Mutex<Weak<Place>> = Mutex::const_new(Weak::new());

/// The one that runs, or a new one.
pub async fn shared() -> Arc<Place> {
    let mut shared = SHARED.lock().await;
    if let Some(place) = shared.upgrade() {
        return place;
    }
    let place = Arc::new(Place::start().await);
    *shared = Arc::downgrade(&place);
    place
}

impl Place {
    async fn start() -> Self {
        let images = tokio::task::spawn_blocking(installation);
        let whole = Whole::start().await.unwrap();
        whole.load(&images.await.unwrap()).unwrap();
        let place = Self {
            whole,
            turn: RwLock::default(),
        };
        let crds = chart("sandbox-crds");
        place.helm(&["install", "crds", crds.to_str().unwrap()]);
        place.room("sandbox", &TENANTS);
        let sandbox = chart("sandbox");
        let values = place.values(&json!({"watch": {"namespaces": TENANTS}}));
        let release = ["agents", sandbox.to_str().unwrap(), "-n", "sandbox"];
        place.helm(&[&["install"], &release[..], &WAIT, &["-f", &values]].concat());
        place
    }

    /// The namespaces of an installation and of its jobs, all of them restricted, with a key for each of these, and with
    /// the volumes that a cluster would provide.
    pub fn room(&self, own: &str, tenants: &[&str]) {
        for name in [&[own], tenants].concat() {
            let label = json!({"pod-security.kubernetes.io/enforce": "restricted"});
            let metadata = json!({"name": name, "labels": label});
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
            self.whole.apply(&namespace).unwrap();
        }
        let keys = tenants.iter().map(|t| (format!("key-of-{t}"), json!(t)));
        let keys = Value::Object(keys.collect()).to_string();
        self.secret(own, "clients", &json!({"clients.json": keys}));
        for tenant in tenants {
            self.secret(
                tenant,
                "model",
                &json!({"key": "sk-of-the-secret-0123456789"}),
            );
        }
        self.volume(own, "agents-sandbox", "ReadWriteMany");
        self.volume(own, "agents-sandbox-ledger", "ReadWriteOnce");
    }

    fn secret(&self, namespace: &str, name: &str, data: &Value) {
        let metadata = json!({"name": name, "namespace": namespace});
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
        self.whole.apply(&secret).unwrap();
    }

    /// A folder of this machine that is the volume of this claim, whoever makes that.
    pub fn volume(&self, namespace: &str, claim: &str, mode: &str) -> PathBuf {
        let name = format!("{namespace}-{claim}");
        let folder = self.whole.folder().join("volumes").join(&name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let spec = json!({
            "capacity": {"storage": "10Gi"}, "accessModes": [mode],
            "claimRef": {"namespace": namespace, "name": claim}, "hostPath": {"path": folder},
        });
        let metadata = json!({"name": name});
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec});
        self.whole.apply(&volume).unwrap();
        folder
    }

    /// A file of values: the images of this node, a port for the API, keys for tenants, and these.
    pub fn values(&self, more: &Value) -> String {
        let (repository, tag) = AGENTS.split_once(':').unwrap();
        let mut values = json!({
            "image": {"pullPolicy": "Never"},
            "pods": {"image": {"repository": repository, "tag": tag, "pullPolicy": "Never"}},
            "api": {"service": {"type": "NodePort"}, "auth": {"existingSecret": "clients"}},
            "networkPolicy": {"jobs": {"enabled": true}},
        });
        for (name, value) in more.as_object().unwrap() {
            values[name] = value.clone();
        }
        let text = values.to_string();
        let name = format!("values-{}.json", uuid::Uuid::new_v4().simple());
        let file = self.whole.folder().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// What helm says where it succeeds.
    pub fn helm(&self, words: &[&str]) -> String {
        let seen = helm_at(&self.whole.plane().kubeconfig(), words);
        assert!(
            seen.status.success(),
            "{words:?}: {seen:?}\n{}",
            self.said()
        );
        String::from_utf8(seen.stdout).unwrap()
    }

    /// What kubectl says where it succeeds.
    pub fn kubectl(&self, words: &[&str]) -> String {
        let said = self.whole.kubectl(words);
        said.unwrap_or_else(|e| panic!("{e:#}\n{}", self.said()))
    }

    /// One field of an object, by its path.
    pub fn field(&self, namespace: &str, object: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(&["get", object, "-n", namespace, "-o", &path])
    }

    /// Applies a job in a pod, as people do.
    pub fn submit(&self, namespace: &str, name: &str, spec: &Value) {
        let metadata = json!({"name": name, "namespace": namespace});
        let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata, "spec": spec});
        self.whole.apply(&job).unwrap();
    }

    /// The status of the job once this condition is true.
    pub fn once(&self, (namespace, name): (&str, &str), condition: &str) -> Value {
        let (object, wanted) = (format!("aj/{name}"), format!("--for=condition={condition}"));
        self.kubectl(&["wait", &object, "-n", namespace, &wanted, "--timeout=240s"]);
        let job = self.kubectl(&["get", "aj", name, "-n", namespace, "-o", "json"]);
        serde_json::from_str::<Value>(&job).unwrap()["status"].clone()
    }

    /// The status of the job once memory has its outcome: the condition comes with the report, and is true when the
    /// finalizer is gone.
    pub async fn recorded(&self, (namespace, name): (&str, &str)) -> Value {
        let status = self.once((namespace, name), "Recorded");
        let (object, from) = (format!("aj/{name}"), Instant::now());
        while !self
            .field(namespace, &object, ".metadata.finalizers")
            .is_empty()
        {
            assert!(from.elapsed() < PATIENCE, "{status:#}\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        status
    }

    /// Waits until all replicas in this namespace are new ones, and none of the others is left.
    pub async fn rolled_out(&self, own: &str) {
        let deployment = "deploy/agents-sandbox";
        self.kubectl(&["rollout", "status", deployment, "-n", own, "--timeout=180s"]);
        let label = "app.kubernetes.io/component=operator";
        let from = Instant::now();
        while self
            .kubectl(&["get", "pods", "-n", own, "-l", label, "-o", "name"])
            .lines()
            .count()
            != 2
        {
            assert!(from.elapsed() < PATIENCE, "{}", self.said());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Where the API of the installation in this namespace is reached from outside, through its service.
    pub fn api(&self, own: &str) -> String {
        let port = self.field(own, "svc/agents-sandbox", ".spec.ports[0].nodePort");
        format!("http://{}:{port}", self.whole.node().unwrap())
    }

    /// What it answers to this tenant, once it does so well.
    pub async fn ask(&self, own: &str, tenant: &str, path: &str) -> Value {
        let url = self.api(own) + path;
        let from = Instant::now();
        loop {
            let asked = reqwest::Client::new().get(&url);
            let asked = asked.header("x-api-key", format!("key-of-{tenant}"));
            let answer = asked
                .send()
                .await
                .and_then(reqwest::Response::error_for_status);
            match answer {
                Ok(answer) => return answer.json().await.unwrap(),
                Err(e) => assert!(from.elapsed() < PATIENCE, "{e}\n{}", self.said()),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The pods of jobs that the kubelet has started in this namespace, one a start.
    pub fn starts(&self, namespace: &str) -> Vec<String> {
        let each = "jsonpath={range .items[*]}{.involvedObject.name} {.count}{\"\\n\"}{end}";
        let words = [
            "get",
            "events",
            "-n",
            namespace,
            "--field-selector=reason=Started",
            "-o",
            each,
        ];
        self.kubectl(&words).lines().map(str::to_owned).collect()
    }

    /// A model that pods reach, with this script.
    pub async fn model(&self, script: &str) -> ModelServer {
        let script = Script::parse(script).unwrap();
        let address = (self.whole.address(), 0).into();
        ModelServer::start_at(address, script).await.unwrap()
    }

    /// What there is and what was logged, for a test that failed.
    pub fn said(&self) -> String {
        let all: [&[&str]; 4] = [
            &["get", "pods,pvc,aj,endpointslices", "-A", "-o", "wide"],
            &["get", "events", "-A", "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "-n",
                "sandbox",
                "-l",
                "app.kubernetes.io/component=operator",
                "--prefix",
                "--tail=40",
            ],
            &[
                "logs",
                "-n",
                "sandbox",
                "-l",
                "app.kubernetes.io/component=ledger",
                "--prefix",
                "--tail=20",
            ],
        ];
        let said = all.map(|words| self.whole.kubectl(words).unwrap_or_else(|e| e.to_string()));
        said.join("\n")
    }
}

/// Until all of it is ready.
pub const WAIT: [&str; 3] = ["--wait", "--timeout", "4m"];

/// A job that asks this model, in a pod, with the key of a Secret; its retries wait a second.
pub fn chat(model: &ModelServer, prompt: &str) -> Value {
    json!({
        "type": "claude_chat", "claudeChat": {"prompt": prompt}, "elf": {"domain": "sql"},
        "backend": {"name": "pod", "pod": {"env": environment(model)}},
        "retry": {"limit": 1, "on": {"Preempted": {"base": "1s"}}},
    })
}

/// Where the model is and what it is asked with.
pub fn environment(model: &ModelServer) -> Value {
    let key = json!({"secretKeyRef": {"name": "model", "key": "key"}});
    json!([
        {"name": "ANTHROPIC_BASE_URL", "value": model.base_url()}, {"name": "ANTHROPIC_API_KEY", "valueFrom": key},
    ])
}

/// Waits until the model was asked this often.
pub async fn asked(model: &ModelServer, times: usize, place: &Place) {
    let from = Instant::now();
    while model.requests().len() < times {
        assert!(from.elapsed() < PATIENCE, "nobody asked: {}", place.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The longest a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// A chart that was packaged at an earlier commit.
pub fn earlier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sandbox-98d08aa.tgz")
}
