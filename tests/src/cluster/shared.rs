//! One control plane that the tests of a binary share while any of them runs, with the definitions of `crds/` applied.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
    sync::{Arc, Weak},
};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Cluster;

static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// The one that runs, or a new one.
pub async fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(defined().await);
    *shared = Arc::downgrade(&cluster);
    cluster
}

/// A new one that nobody else uses.
pub async fn defined() -> Cluster {
    let cluster = Cluster::with_accounts().await.unwrap();
    define(&cluster);
    cluster
}

/// Applies the definitions of `crds/` and waits until they serve.
pub fn define(cluster: &Cluster) {
    let crds = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crds"));
    let apply = ["apply", "-f", crds.to_str().unwrap()];
    assert_ne!(told(run(cluster, &apply, &Value::Null)), "");
    let wait = ["wait", "crd", "--all", "--for=condition=Established"];
    assert_ne!(told(run(cluster, &wait, &Value::Null)), "");
}

/// Makes the Lease for which operators stand, with nobody in it, as the chart does; one that is there stays as it is.
pub fn lease(cluster: &Cluster, namespace: &str, name: &str) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": namespace},
    });
    assert_ne!(told(run(cluster, &["apply", "-f", "-"], &lease)), "");
}

/// What kubectl does with this on its standard input.
#[must_use]
pub fn run(cluster: &Cluster, words: &[&str], input: &Value) -> Output {
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

/// What it says where it succeeds.
#[must_use]
pub fn told(seen: Output) -> String {
    assert!(seen.status.success(), "{seen:?}");
    String::from_utf8(seen.stdout).unwrap()
}
