//! A namespace for each test, on the control plane that all share.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Output, Stdio},
    sync::Arc,
};

use kube::{Client, Config};
use sandbox_tests::cluster::{
    Cluster,
    shared::{lease, run, shared, told},
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

    /// Makes a Lease that nobody has.
    pub fn lease(&self, name: &str) {
        lease(&self.cluster, &self.namespace, name);
    }

    pub async fn client(&self) -> Client {
        self.cluster.client().await.unwrap()
    }

    /// The way to it, for clients of a test's own.
    pub async fn config(&self) -> Config {
        self.cluster.config().await.unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.cluster.address()
    }

    /// The file by which clients find it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.cluster.kubeconfig()
    }

    /// kubectl in this namespace, which goes on until it is dropped.
    pub fn begin(&self, words: &[&str]) -> Watching {
        let mut command = self.cluster.kubectl().unwrap();
        command.args(words).args(["-n", &self.namespace]);
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        Watching(child)
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

/// A kubectl that watches.
pub struct Watching(Child);

impl Watching {
    /// What it says up to the line with this word.
    pub fn until(mut self, word: &str) -> String {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut seen = String::new();
        for line in lines.map_while(Result::ok) {
            seen += &line;
            seen.push('\n');
            if line.contains(word) {
                break;
            }
        }
        seen
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The words of a table, a row each.
pub fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines();
    lines.map(|l| l.split_whitespace().collect()).collect()
}
