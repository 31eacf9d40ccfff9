//! The real helm, and what the charts of this repository make with it. `scripts/setup helm` builds it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::cache::part;

/// Where helm stands, and what belongs to it.
pub fn folder() -> PathBuf {
    let helm = part("helm", "helm").unwrap();
    helm.parent().unwrap().to_owned()
}

/// A chart of this repository.
pub fn chart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../charts")
        .join(name)
}

/// Runs helm with nothing of the user's own.
pub fn helm(words: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut helm = Command::new(folder().join("helm"));
    helm.args(words).env_clear().env("HOME", home.path());
    helm.output().unwrap()
}

/// Runs helm against the cluster of this file.
pub fn helm_at(kubeconfig: &Path, words: &[&str]) -> Output {
    let file = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    helm(&[words, &file].concat())
}

/// One release of a chart, rendered: every object, those of hooks too.
pub fn rendered(name: &str, values: &[&str]) -> Vec<Value> {
    let seen = template(name, values);
    assert!(seen.status.success(), "{seen:?}");
    let text = String::from_utf8(seen.stdout).unwrap();
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    all.into_iter().filter(|o| !o.is_null()).collect()
}

/// What helm says where the values are refused.
pub fn refusal(name: &str, values: &[&str]) -> String {
    let seen = template(name, values);
    assert!(!seen.status.success(), "accepted: {values:?}");
    String::from_utf8(seen.stderr).unwrap()
}

fn template(name: &str, values: &[&str]) -> Output {
    let chart = chart(name);
    let mut words = vec!["template", "agents", chart.to_str().unwrap()];
    words.extend(["--namespace", "sandbox"]);
    words.extend(values.iter().flat_map(|v| ["--set", *v]));
    helm(&words)
}
