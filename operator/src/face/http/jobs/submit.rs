//! `POST /jobs`: the old body with a job type and a payload, or a whole `AgentJob`.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sandbox_core::{
    AgentJob, Tenant,
    validate::{self, Invalid},
};
use serde_json::{Map, Value, json};

use super::{
    new::{self, Named},
    places,
};
use crate::face::http::{
    app::{App, Caller},
    dialect::{self, PAYLOAD, Roots, Translated, WARNINGS, old_names},
    problem::{Problem, Told},
    read::Body,
};

const API_VERSION: &str = "multiagent.dev/v1alpha1";
const KIND: &str = "AgentJob";
/// Largest payload that is kept beside its spec, so that the object stays small; a larger one is
/// built again from the spec when somebody asks.
const PAYLOAD_KEPT: usize = 4096;
/// Most bytes of labels and annotations together.
const NOTES: usize = 4096;

pub(in crate::face::http) async fn submit(
    State(app): State<App>,
    Caller(tenant): Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Told<Response> {
    let Value::Object(body) = body else {
        return Err(Problem::invalid("body must be a JSON object"));
    };
    let job = if body.contains_key("spec") || body.contains_key("apiVersion") {
        whole(&tenant, body)?
    } else {
        old(&app, &tenant, body)?
    };
    places::offered(&app, &job)?;
    places::known_retry(&app, &tenant, &job).await?;
    new::write(&app, job, &headers).await
}

/// A submission in the old dialect.
fn old(app: &App, tenant: &Tenant, body: Map<String, Value>) -> Told<AgentJob> {
    let workspace = &app.services.workspace_root;
    let mut translated = dialect::translate(body, Roots { workspace, tenant })?;
    let asked = agent_job(json!({}), translated.spec.take());
    let job = parse(asked).map_err(|found| Problem::fields(old_names(found)))?;
    let named = Named {
        annotations: annotations(translated),
        ..Named::default()
    };
    Ok(new::job(tenant, named, job.spec))
}

pub(super) fn annotations(from: Translated) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    if from.payload.len() <= PAYLOAD_KEPT {
        kept.insert(PAYLOAD.to_owned(), from.payload);
    }
    if !from.warnings.is_empty() {
        let text = json!(from.warnings).to_string();
        kept.insert(WARNINGS.to_owned(), text);
    }
    kept
}

pub(super) fn parse(asked: Value) -> Result<AgentJob, Vec<Invalid>> {
    validate::parse(asked).map_err(|found| found.0)
}

pub(super) fn agent_job(metadata: Value, spec: Value) -> Value {
    let fixed = [("apiVersion", API_VERSION), ("kind", KIND)];
    let fixed = fixed.map(|(key, value)| (key.to_owned(), value.into()));
    let mut job: Map<String, Value> = fixed.into_iter().collect();
    job.insert("metadata".to_owned(), metadata);
    job.insert("spec".to_owned(), spec);
    Value::Object(job)
}

/// A whole `AgentJob`. Only what people write is read of it: a status and ids are ours to give.
fn whole(tenant: &Tenant, mut body: Map<String, Value>) -> Told<AgentJob> {
    body.shift_remove("status");
    body.entry("metadata").or_insert_with(|| json!({}));
    let job = parse(Value::Object(body)).map_err(Problem::fields)?;
    let named = named(tenant, job.metadata)?;
    Ok(new::job(tenant, named, job.spec))
}

fn named(tenant: &Tenant, metadata: ObjectMeta) -> Told<Named> {
    let theirs = metadata.namespace.as_deref();
    if theirs.is_some_and(|n| n != tenant.as_str()) {
        let text = format!("metadata.namespace must be {tenant}, or be left out");
        return Err(Problem::forbidden("other_tenant", text));
    }
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.retain(|key, _| key != PAYLOAD && key != WARNINGS);
    if metadata.labels.as_ref().map_or(0, size) + size(&annotations) > NOTES {
        let rule = format!("labels and annotations together have at most {NOTES} bytes");
        return Err(wrong("metadata", rule));
    }
    Ok(Named {
        name: metadata.name,
        labels: metadata.labels,
        annotations,
    })
}

fn size(notes: &BTreeMap<String, String>) -> usize {
    notes.iter().map(|(k, v)| k.len() + v.len()).sum()
}

fn wrong(field: &str, rule: impl Into<String>) -> Problem {
    Problem::fields(vec![Invalid::new(field, rule)])
}
