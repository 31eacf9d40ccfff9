//! A real API server with everything that the charts build on, shared by the tests while any of them runs.

use std::{
    process::Output,
    sync::{Arc, Weak},
};

use sandbox_tests::{
    cluster::Cluster,
    helm::{folder, rendered},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use sandbox_tests::cluster::shared::run;

static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// The one that the tests share, with the definitions of the chart and those of Prometheus.
pub async fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(Cluster::start().await.unwrap());
    let crds = list(&rendered("sandbox-crds", &[]));
    told(run(&cluster, &["apply", "--server-side", "-f", "-"], &crds));
    let monitoring = folder();
    for name in ["servicemonitors", "prometheusrules"] {
        let file = monitoring.join(format!("monitoring.coreos.com_{name}.yaml"));
        let words = ["apply", "--server-side", "-f", file.to_str().unwrap()];
        told(run(&cluster, &words, &Value::Null));
    }
    let words = ["wait", "crd", "--all", "--for=condition=Established"];
    told(run(&cluster, &words, &Value::Null));
    *shared = Arc::downgrade(&cluster);
    cluster
}

/// Many objects as one.
pub fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// What kubectl says where it succeeds.
pub fn told(seen: Output) -> String {
    sandbox_tests::cluster::shared::told(seen)
}

/// A namespace of a test's own.
pub fn namespace(cluster: &Cluster, name: &str) {
    told(run(cluster, &["create", "namespace", name], &Value::Null));
}
