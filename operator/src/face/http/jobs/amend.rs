//! `PATCH /jobs/{id}`: the few fields of a spec that people may change, as a merge patch (RFC 7396).
//! The rules of the change are the CRD's own.

use axum::{extract::State, response::Response};
use sandbox_core::{
    AgentJob,
    spec::span,
    validate::{self, Invalid},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::change::{Asked, change};
use crate::face::http::{
    app::{App, Caller, Id},
    dialect::record::{self, Besides},
    problem::{Problem, Told},
    read::Body,
};

/// What may change.
const FIELDS: [&str; 5] = [
    "deadline",
    "priority",
    "ttlAfterFinished",
    "suspend",
    "cancel",
];

/// A change of a job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::face::http) struct Patch {
    /// Any of `deadline` (only longer), `priority`, `ttlAfterFinished`, `suspend`, `cancel`.
    spec: Map<String, Value>,
}

pub(in crate::face::http) fn schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Patch>()
}

pub(in crate::face::http) async fn amend(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Body(body): Body,
) -> Told<Response> {
    let patch: Patch =
        serde_json::from_value(body).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    let asked = |job: &AgentJob| amended(&app, &patch, job);
    let job = change(&app, (&tenant, &id), asked).await?;
    Ok(record::answer(&job, Besides::default()))
}

fn amended(app: &App, patch: &Patch, old: &AgentJob) -> Told<Asked> {
    let other = patch.spec.keys().find(|k| !FIELDS.contains(&k.as_str()));
    if let Some(other) = other {
        let rule = format!("cannot be changed; only {} can", FIELDS.join(", "));
        return Err(wrong(other, &rule));
    }
    let lasts = patch.spec.keys().all(|k| k == "ttlAfterFinished");
    if old.status().is_finished() && !lasts {
        let text = "the job is over already";
        return Err(Problem::conflict("job_finished", text));
    }
    let new = merged(patch, old)?;
    validate::check_update(&new, old)?;
    let (before, after) = (old.spec.deadline, new.spec.deadline);
    // The transition rule knows nothing of the deadline that the job has without naming one.
    if before.is_none() && after.is_some_and(|d| span(d) < app.services.limits.deadline) {
        return Err(wrong("deadline", "the deadline can only be made longer"));
    }
    let told = ("Changed", "what is asked of the job was changed");
    Ok((new.spec != old.spec).then_some((new.spec, told)))
}

fn merged(patch: &Patch, old: &AgentJob) -> Told<AgentJob> {
    let mut job = serde_json::to_value(old).unwrap_or_default();
    for (key, value) in &patch.spec {
        match (value, job["spec"].as_object_mut()) {
            (Value::Null, Some(spec)) => {
                spec.shift_remove(key);
            }
            (value, _) => job["spec"][key] = value.clone(),
        }
    }
    Ok(validate::parse(job)?)
}

fn wrong(field: &str, rule: &str) -> Problem {
    Problem::fields(vec![Invalid::new(format!("spec.{field}"), rule)])
}
