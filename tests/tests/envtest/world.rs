//! A namespace for each test, on the control plane that all share.

use std::{net::SocketAddr, process::Output, sync::Arc};

use kube::{Client, Config};
use sandbox_tests::cluster::{
    Cluster,
    shared::{run, shared, told},
};
use serde_json::Value;

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

    pub async fn config(&self) -> Config {
        self.cluster.config().await.unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.cluster.address()
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

/// The words of a table, a row each.
pub fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines();
    lines.map(|l| l.split_whitespace().collect()).collect()
}
