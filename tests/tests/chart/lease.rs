//! The Lease of the chart: there with nobody in it, and never the chart's to change.

use std::sync::Arc;

use sandbox_tests::{
    cluster::Cluster,
    helm::{chart, helm_at, rendered},
};
use serde_json::{Value, json};

use super::plane::{namespace, run, shared, told};

/// A namespace of the shared cluster.
struct Place(Arc<Cluster>, &'static str);

impl Place {
    async fn new(name: &'static str) -> Self {
        let cluster = shared().await;
        namespace(&cluster, name);
        Self(cluster, name)
    }

    fn helm(&self, verb: &str, values: &[&str]) {
        let chart = chart("sandbox");
        let chart = match verb {
            "uninstall" => vec![],
            _ => vec![chart.to_str().unwrap(), "--set", "elf.url=memory"],
        };
        let words = [&[verb, "agents", "-n", self.1], &chart[..], values].concat();
        let seen = helm_at(&self.0.kubeconfig(), &words);
        assert!(seen.status.success(), "{seen:?}");
    }

    fn kubectl(&self, words: &[&str], input: &Value) -> String {
        told(run(&self.0, &[words, &["-n", self.1]].concat(), input))
    }

    fn lease(&self) -> Value {
        let words = ["get", "lease", "agents-sandbox", "-o", "json"];
        serde_json::from_str(&self.kubectl(&words, &Value::Null)).unwrap()
    }

    /// What an operator writes.
    fn led(&self) -> Value {
        let spec =
            json!({"holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 3});
        let patch = json!({"spec": spec}).to_string();
        let words = [
            "patch",
            "lease",
            "agents-sandbox",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kubectl(&words, &Value::Null);
        spec
    }
}

#[tokio::test]
async fn an_install_makes_an_empty_lease_and_an_upgrade_leaves_who_leads_alone() {
    let place = Place::new("leased").await;
    place.helm("install", &[]);
    let spec = place.lease()["spec"].take();
    assert!(spec.is_null() || spec == json!({}), "{spec}");
    let spec = place.led();
    place.helm("upgrade", &["--set", "commonLabels.team=a"]);
    let mut after = place.lease();
    assert_eq!(after["metadata"]["labels"]["team"], "a");
    assert_eq!(after["spec"].take(), spec);
}

#[tokio::test]
async fn what_applies_the_chart_anew_leaves_who_leads_alone() {
    let place = Place::new("leased-applied").await;
    let lease = rendered("sandbox", &[]);
    let mut lease = lease.into_iter().find(|o| o["kind"] == "Lease").unwrap();
    lease["metadata"]["namespace"] = json!(place.1);
    for how in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
    ] {
        place.kubectl(how, &lease);
        let spec = place.led();
        place.kubectl(how, &lease);
        assert_eq!(place.lease()["spec"].take(), spec);
    }
}

#[tokio::test]
async fn one_that_an_operator_made_is_no_hindrance_to_an_install_an_upgrade_or_another_install() {
    let place = Place::new("leased-before").await;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "agents-sandbox"},
    });
    place.kubectl(&["create", "-f", "-"], &lease);
    let spec = place.led();
    let uid = place.lease()["metadata"]["uid"].take();
    for verb in ["install", "upgrade", "uninstall", "install"] {
        place.helm(verb, &[]);
        let mut stands = place.lease();
        assert_eq!(stands["spec"].take(), spec, "{verb}");
        assert_eq!(stands["metadata"]["uid"], uid, "{verb}");
    }
}

#[tokio::test]
async fn one_that_was_removed_and_made_anew_with_its_marks_stays_the_charts() {
    let place = Place::new("leased-anew").await;
    place.helm("install", &[]);
    let marks = place.lease()["metadata"].take();
    place.kubectl(&["delete", "lease", "agents-sandbox"], &Value::Null);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "agents-sandbox", "labels": marks["labels"], "annotations": marks["annotations"]},
    });
    place.kubectl(&["create", "-f", "-"], &lease);
    let spec = place.led();
    place.helm("upgrade", &[]);
    assert_eq!(place.lease()["spec"].take(), spec);
}
