//! One table of manifests that are wrong, and one of manifests that are right, at every door: the API server, `POST
//! /jobs` of a real node, and `sandbox validate`. A broken rule has the same words everywhere; a wrong shape has the
//! same field and the same class.

use std::{collections::BTreeSet, process::Command};

use kube::client::Body;
use sandbox_core::crd;
use sandbox_tests::node::{Node, built};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    /// What is wrong, in words.
    name: String,
    /// What it is, where it is no `AgentJob`: then HTTP, which knows jobs, is not asked.
    #[serde(default)]
    kind: Option<String>,
    /// Its name, where that is wrong.
    #[serde(default)]
    job: Option<String>,
    spec: Value,
    field: String,
    class: String,
    /// The whole message of a rule; a part of ours where the shape is wrong.
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Right {
    name: String,
    #[serde(default)]
    kind: Option<String>,
    spec: Value,
    /// What a node would need besides, and has not in this test.
    #[serde(default)]
    needs: Option<String>,
}

impl Wrong {
    /// Whether this, and nothing else, is what the API server says.
    fn is_told_there(&self, said: &Said) -> bool {
        let rule = format!(": {}", self.says);
        let as_wanted = |(field, class, message): &(String, String, String)| {
            *field == self.field
                && fits(&self.class, class)
                && (self.class != "rule" || message.ends_with(&rule))
        };
        said.len() == 1 && said.iter().all(as_wanted)
    }

    /// Whether this, and nothing else, is what we say.
    fn is_told_here(&self, said: &Said) -> bool {
        let words = |message: &str| match self.class.as_str() {
            "rule" => message == self.says,
            _ => message.contains(&self.says),
        };
        let as_wanted = |(field, class, message): &(String, String, String)| {
            *field == self.field && *class == self.class && words(message)
        };
        said.len() == 1 && said.iter().all(as_wanted)
    }

    /// What the command line says, which names no classes, in the form of the others.
    fn as_ours(&self, lines: &BTreeSet<String>) -> Said {
        let parts = lines.iter().filter_map(|line| line.split_once(": "));
        let parts = parts.map(|(f, m)| (f.to_owned(), self.class.clone(), m.to_owned()));
        parts.collect()
    }
}

fn wrong() -> Vec<Wrong> {
    let mut rows: Vec<Wrong> = serde_saphyr::from_str(include_str!("refused.yaml")).unwrap();
    for row in &mut rows {
        lengthen(&mut row.spec);
    }
    rows
}

/// Puts a text of n characters for each `LONGn`.
fn lengthen(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(n) = text.strip_prefix("LONG").and_then(|n| n.parse().ok()) {
                *text = "x".repeat(n);
            }
        }
        Value::Object(members) => members.values_mut().for_each(lengthen),
        _ => {}
    }
}

fn right() -> Vec<Right> {
    serde_saphyr::from_str(include_str!("accepted.yaml")).unwrap()
}

const JOB: &str = "AgentJob";

fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A field, the class of what is wrong with it, and the words.
type Said = BTreeSet<(String, String, String)>;

/// What the API server says of a manifest; nothing where it accepts it.
async fn api_server(world: &World, client: &kube::Client, manifest: &Value) -> Said {
    let plural = manifest["kind"].as_str().unwrap().to_lowercase() + "s";
    let path = format!(
        "/apis/multiagent.dev/v1alpha1/namespaces/{}/{plural}?fieldValidation=Strict",
        world.namespace
    );
    let request = axum::http::Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(manifest.to_string().into_bytes()))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    let body = answer.into_body().collect_bytes().await.unwrap();
    causes(&serde_json::from_slice(&body).unwrap())
}

fn causes(status: &Value) -> Said {
    if status["kind"] != "Status" {
        return Said::new();
    }
    let message = status["message"].as_str().unwrap();
    let unknown = message.split("unknown field \"").skip(1);
    let unknown = unknown.map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut said: Said = unknown
        .map(|f| (f, "unknown".to_owned(), String::new()))
        .collect();
    for cause in status["details"]["causes"].as_array().into_iter().flatten() {
        let text = |key: &str| cause[key].as_str().unwrap_or_default().to_owned();
        // Rules are not run where the shape is wrong, and the server says so in a cause without a field.
        if text("field") != "<nil>" {
            said.insert((dotted(&text("field")), text("reason"), text("message")));
        }
    }
    assert!(!said.is_empty(), "{status}");
    said
}

/// The server writes the key of a map as `.key` where the shape is wrong and as `[key]` where a rule is broken.
fn dotted(field: &str) -> String {
    let mut parts = field.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| {
        let (key, rest) = part.split_once(']').unwrap();
        let index = key.bytes().all(|b| b.is_ascii_digit());
        let (open, close) = if index { ("[", "]") } else { (".", "") };
        [&path, open, key, close, rest].concat()
    })
}

/// Whether the API server's reason is of this class.
fn fits(class: &str, reason: &str) -> bool {
    match class {
        "required" => reason == "FieldValueRequired",
        "type" => reason == "FieldValueTypeInvalid",
        "choice" => reason == "FieldValueNotSupported",
        "bound" => [
            "FieldValueInvalid",
            "FieldValueTooLong",
            "FieldValueTooMany",
        ]
        .contains(&reason),
        "rule" => reason == "FieldValueInvalid",
        class => reason == class,
    }
}

/// What a node says of a manifest.
async fn node(node: &Node, manifest: &Value) -> Said {
    let (status, said) = node.post("/jobs", manifest).await;
    if status == 200 {
        return Said::new();
    }
    assert_eq!(status, 422, "{said}");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let errors = said["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{said}"));
    let errors = errors.iter();
    errors
        .map(|e| (text(e, "field"), text(e, "class"), text(e, "message")))
        .collect()
}

/// The lines of `sandbox validate` about a manifest.
fn command_line(manifest: &Value) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let mut command = Command::new(built("sandbox"));
    let seen = command
        .args(["validate", "-f"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(seen.stderr).unwrap();
    assert_eq!(seen.status.success(), said.is_empty(), "{said}");
    let said = said.replacen(&format!("{}: ", file.display()), "", 1);
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_wrong_manifest_is_refused_at_every_door_for_the_same_reason() {
    let world = World::named("refused").await;
    let client = world.client().await;
    let server = Node::start(&[]);
    let rows = wrong();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut differ = Vec::new();
    for row in &rows {
        let kind = row.kind.as_deref().unwrap_or(JOB);
        let manifest = manifest(kind, row.job.as_deref().unwrap_or("wrong"), &row.spec);
        let there = api_server(&world, &client, &manifest).await;
        let typed = command_line(&manifest);
        let here = match kind {
            JOB => node(&server, &manifest).await,
            _ => row.as_ours(&typed),
        };
        let lines: BTreeSet<String> = here.iter().map(|(f, _, m)| format!("{f}: {m}")).collect();
        let same = row.is_told_there(&there) && row.is_told_here(&here) && typed == lines;
        if !same {
            differ.push(format!(
                "{}\n   api server {there:?}\n   http {here:?}\n   validate {typed:?}",
                row.name
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "{} of {}:\n{}",
        differ.len(),
        rows.len(),
        differ.join("\n")
    );
}

#[tokio::test]
async fn a_right_manifest_is_accepted_at_every_door() {
    let world = World::named("accepted").await;
    let client = world.client().await;
    let server = Node::start(&[]);
    for (n, row) in right().iter().enumerate() {
        let mut spec = row.spec.clone();
        let kind = row.kind.as_deref().unwrap_or(JOB);
        if kind == JOB {
            // Held, so that the node does not begin it.
            spec["suspend"] = json!(true);
        }
        let manifest = manifest(kind, &format!("right-{n}"), &spec);
        let there = api_server(&world, &client, &manifest).await;
        assert!(there.is_empty(), "{}: {there:?}", row.name);
        if kind == JOB && row.needs.is_none() {
            let here = node(&server, &manifest).await;
            assert!(here.is_empty(), "{}: {here:?}", row.name);
        }
        let typed = command_line(&manifest);
        assert!(typed.is_empty(), "{}: {typed:?}", row.name);
    }
}

/// The messages of all rules beneath a schema that hold for a new object.
fn messages(schema: &Value, to: &mut BTreeSet<String>) {
    let rules = schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        if !rule["rule"].as_str().unwrap().contains("oldSelf") {
            to.insert(rule["message"].as_str().unwrap().to_owned());
        }
    }
    let fields = schema["properties"].as_object();
    let fields = fields.into_iter().flat_map(|f| f.values());
    let inner = ["items", "additionalProperties"].map(|key| &schema[key]);
    for part in fields.chain(inner.into_iter().filter(|s| s.is_object())) {
        messages(part, to);
    }
}

#[test]
fn every_rule_of_the_definitions_is_broken_by_some_manifest_of_the_table() {
    let mut rules = BTreeSet::new();
    for crd in [crd::agent_jobs(), crd::runner_hosts()] {
        messages(&crd::schema(&crd), &mut rules);
    }
    let broken: BTreeSet<String> = wrong().into_iter().map(|row| row.says).collect();
    let never: Vec<_> = rules.difference(&broken).collect();
    assert!(never.is_empty() && rules.len() > 20, "{never:#?}");
}
