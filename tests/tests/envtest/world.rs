//! One control plane that the tests share while any of them runs, with the definitions of `crds/` applied, and a
//! namespace for each test.

use std::{
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
    sync::{Arc, Weak},
};

use kube::Client;
use sandbox_tests::cluster::Cluster;
use serde_json::Value;
use tokio::sync::Mutex;

static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// A namespace of the shared control plane.
pub struct World {
    cluster: Arc<Cluster>,
    pub namespace: String,
}

impl World {
    pub async fn named(namespace: &str) -> Self {
        let cluster = shared().await;
        let world = Self {
            cluster,
            namespace: namespace.to_owned(),
        };
        world.said(&["create", "namespace", namespace]);
        world
    }

    pub async fn client(&self) -> Client {
        self.cluster.client().await.unwrap()
    }

    /// kubectl in this namespace, with this on its standard input.
    pub fn kubectl(&self, words: &[&str], input: &Value) -> Output {
        run(
            &self.cluster,
            &[words, &["-n", &self.namespace]].concat(),
            input,
        )
    }

    /// What kubectl says where it succeeds.
    pub fn said(&self, words: &[&str]) -> String {
        told(self.kubectl(words, &Value::Null))
    }

    /// Applies this manifest.
    pub fn apply(&self, manifest: &Value) -> String {
        told(self.kubectl(&["apply", "-f", "-"], manifest))
    }

    /// What kubectl says where it is refused.
    pub fn refusal(&self, words: &[&str], input: &Value) -> String {
        let seen = self.kubectl(words, input);
        assert!(!seen.status.success(), "accepted: {seen:?}");
        String::from_utf8(seen.stderr).unwrap()
    }

    /// The object as it stands.
    pub fn object(&self, words: &[&str]) -> Value {
        let text = self.said(&[&["get", "-o", "json"], words].concat());
        serde_json::from_str(&text).unwrap()
    }
}

async fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(Cluster::start().await.unwrap());
    let crds = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crds"));
    told(run(
        &cluster,
        &["apply", "-f", crds.to_str().unwrap()],
        &Value::Null,
    ));
    told(run(
        &cluster,
        &["wait", "crd", "--all", "--for=condition=Established"],
        &Value::Null,
    ));
    *shared = Arc::downgrade(&cluster);
    cluster
}

fn run(cluster: &Cluster, words: &[&str], input: &Value) -> Output {
    let mut command = cluster.kubectl().unwrap();
    command.args(words).stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(input.to_string().as_bytes()).unwrap();
    drop(to);
    child.wait_with_output().unwrap()
}

fn told(seen: Output) -> String {
    assert!(seen.status.success(), "{seen:?}");
    String::from_utf8(seen.stdout).unwrap()
}

/// The words of a table, a row each.
pub fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines();
    lines.map(|l| l.split_whitespace().collect()).collect()
}
