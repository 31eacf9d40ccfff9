//! The chart's own ledger: what it is told, its keys, and an operator that begins before it is there.

use std::{process::Command, sync::Arc};

use sandbox_tests::{
    cluster::Cluster,
    helm::{chart, helm_at, rendered},
    ledger::program::{Served, folder},
    node::built,
};
use serde_json::{Value, json};

use super::{
    plane::{namespace, run, shared, told},
    rights::{Installed, key},
};

fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

const OWN_SECRETS: [&str; 3] = [
    "elf.ledger.tokenSecret.name=token",
    "elf.ledger.caSecret.name=pair",
    "elf.ledger.tlsSecret.name=pair",
];

#[test]
fn it_runs_where_no_other_memory_is_named_and_the_operator_is_sent_there() {
    let objects = rendered("sandbox", &[]);
    let sets = of(&objects, "StatefulSet");
    assert_eq!(sets[0]["spec"]["replicas"], 1);
    let deployment = of(&objects, "Deployment")[0].to_string();
    assert!(
        deployment.contains("--elf=https://agents-sandbox-ledger.sandbox.svc:8300"),
        "{deployment}"
    );
    for url in ["memory", "rediss://redis:6379", "https://elsewhere:8300"] {
        let objects = rendered("sandbox", &[&format!("elf.url={url}")]);
        assert!(of(&objects, "StatefulSet").is_empty());
        let names = objects.iter().map(|o| o["metadata"]["name"].to_string());
        assert!(!names.into_iter().any(|n| n.contains("ledger")), "{url}");
    }
}

#[test]
fn what_it_is_told_are_flags_of_the_program() {
    let objects = rendered("sandbox", &[]);
    let container = &of(&objects, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0];
    let seen = Command::new(built("sandbox"))
        .args(["ledger", "--help"])
        .output();
    let help = String::from_utf8(seen.unwrap().stdout).unwrap();
    for arg in container["args"].as_array().unwrap() {
        let flag = arg.as_str().unwrap().split('=').next().unwrap();
        assert!(help.contains(flag), "{flag} is no flag:\n{help}");
    }
    assert_eq!(
        container["command"],
        json!(["tini", "--", "sandbox", "ledger"])
    );
}

#[test]
fn the_operator_alone_may_reach_it_and_sees_no_key_of_its_certificate() {
    let objects = rendered("sandbox", &["networkPolicy.egress.enabled=true"]);
    let part = |o: &Value| o["metadata"]["labels"]["app.kubernetes.io/component"].clone();
    let policy = of(&objects, "NetworkPolicy")
        .into_iter()
        .find(|p| part(p) == "ledger");
    let spec = &policy.unwrap()["spec"];
    assert_eq!(
        (&spec["egress"], spec["ingress"].as_array().unwrap().len()),
        (&json!([]), 1)
    );
    let from = &spec["ingress"][0]["from"];
    let operator = of(&objects, "Deployment")[0]["spec"]["selector"]["matchLabels"].clone();
    assert_eq!(*from, json!([{"podSelector": {"matchLabels": operator}}]));
    let pod = &of(&objects, "Deployment")[0]["spec"]["template"]["spec"];
    let mounted = pod["volumes"].as_array().unwrap().iter();
    let keys = mounted.filter(|v| v["secret"]["secretName"] == "agents-sandbox-ledger");
    let keys: Vec<&Value> = keys.map(|v| &v["secret"]["items"][0]["key"]).collect();
    assert_eq!(keys, ["token", "ca.crt"]);
}

#[test]
fn secrets_of_ones_own_are_used_and_none_is_made() {
    let objects = rendered("sandbox", &OWN_SECRETS);
    let made = of(&objects, "Secret").into_iter();
    let made: Vec<&Value> = made.map(|s| &s["metadata"]["name"]).collect();
    assert_eq!(made, ["agents-sandbox-seat-tls", "agents-sandbox-api-keys"]);
    let text =
        of(&objects, "StatefulSet")[0].to_string() + &of(&objects, "Deployment")[0].to_string();
    for name in ["token", "pair"] {
        assert!(
            text.contains(&format!(r#""secretName":"{name}""#)),
            "{text}"
        );
    }
}

/// A release of the chart in a namespace of its own.
struct Release(Arc<Cluster>, &'static str);

impl Release {
    async fn new(namespace_of_it: &'static str) -> Self {
        let cluster = shared().await;
        namespace(&cluster, namespace_of_it);
        Self(cluster, namespace_of_it)
    }

    fn helm(&self, words: &[&str]) {
        let words = [words, &["-n", self.1]].concat();
        let seen = helm_at(&self.0.kubeconfig(), &words);
        assert!(seen.status.success(), "{seen:?}");
    }

    /// Installs or upgrades; gives what the ledger's Secret holds then.
    fn is(&self, verb: &str) -> Value {
        self.helm(&[verb, "agents", chart("sandbox").to_str().unwrap()]);
        self.get("secret")["data"].clone()
    }

    /// What stands of the ledger, of this kind.
    fn get(&self, kind: &str) -> Value {
        let name = "agents-sandbox-ledger";
        let words = ["get", kind, name, "-n", self.1, "-o", "json"];
        serde_json::from_str(&told(run(&self.0, &words, &Value::Null))).unwrap()
    }
}

#[tokio::test]
async fn what_helm_made_once_stays_at_an_upgrade_and_is_made_anew_where_it_is_gone() {
    let release = Release::new("kept").await;
    let first = release.is("install");
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key", "token"]);
    assert_eq!(release.is("upgrade"), first);
    let gone = ["delete", "secret", "agents-sandbox-ledger", "-n", "kept"];
    told(run(&release.0, &gone, &Value::Null));
    let second = release.is("upgrade");
    for key in keys {
        assert!(
            second[key].is_string() && second[key] != first[key],
            "{key}"
        );
    }
}

#[tokio::test]
async fn its_volume_stays_when_the_chart_is_uninstalled_and_is_taken_again() {
    let release = Release::new("left").await;
    release.is("install");
    let uid = |release: &Release| release.get("pvc")["metadata"]["uid"].clone();
    let first = uid(&release);
    release.helm(&["uninstall", "agents"]);
    assert_eq!(uid(&release), first);
    release.is("install");
    assert_eq!(uid(&release), first);
}

#[tokio::test]
async fn an_operator_begins_without_its_memory_and_finds_it_when_it_is_there() {
    let installed = Installed::with(&[], &[]).await;
    let folder = folder();
    // A port that was free a moment ago.
    let address = Served::at(folder.path(), "127.0.0.1:0")
        .address()
        .to_owned();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let operator = installed.operator_with(&[
        format!("--elf=https://{address}"),
        format!("--ledger-token-file={}", file("token")),
        format!("--ledger-ca-file={}", file("cert.pem")),
    ]);
    operator.ready().await;
    let http = reqwest::Client::new();
    let asked = http.get(format!("{}/elf/heuristics", operator.api));
    let asked = asked.header("x-api-key", key(&installed));
    let status = asked.try_clone().unwrap().send().await.unwrap().status();
    assert_eq!(status, 503, "{}", operator.log());
    let _served = Served::at(folder.path(), &address);
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", operator.log());
}
