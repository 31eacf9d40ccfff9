//! The job record of the old API, with what is new added to it. It is written straight to text:
//! the payload is kept as it was sent and copied, not built again.

use std::{borrow::Cow, sync::LazyLock};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use sandbox_core::{
    AgentJob, AgentJobStatus, Failure, FailureClass, JobType, Outcome, Usage, query::Phase,
    seat::AgentCounts, status::BackendRef,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{PAYLOAD, WARNINGS, naive::Naive, payload};

/// What the record has before the payload.
#[derive(Serialize)]
struct Head<'a> {
    job_id: &'a str,
    client_id: &'a str,
    job_type: JobType,
    status: Phase,
}

/// What the record has after the payload.
#[derive(Serialize)]
struct Tail<'a> {
    created_at: Naive,
    updated_at: Naive,
    result: Option<Cow<'a, Value>>,
    name: &'a str,
    attempt: u32,
    outcome: Option<Outcome>,
    failure: Option<Told<'a>>,
    queued_reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_ref: Option<String>,
    started_at: Option<Naive>,
    finished_at: Option<Naive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_ref: Option<&'a BackendRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<AgentCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<&'a str>,
}

/// A failure with what a person can do about it.
#[derive(Serialize, JsonSchema)]
struct Told<'a> {
    class: FailureClass,
    message: &'a str,
    remedy: &'a str,
}

/// What a record says that the job alone does not.
#[derive(Default)]
pub struct Besides {
    /// Why nothing happens yet, where the status does not say.
    pub queued_reason: Option<String>,
    /// The result, where it stands elsewhere.
    pub result: Option<Value>,
}

/// One record as an answer.
pub fn answer(job: &AgentJob, besides: Besides) -> Response {
    let mut text = String::with_capacity(1024);
    write(&mut text, job, besides);
    json(text)
}

/// Text that is JSON, as an answer.
pub fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Writes one record.
pub fn write(to: &mut String, job: &AgentJob, besides: Besides) {
    let head = Head {
        job_id: job.metadata.uid.as_deref().unwrap_or_default(),
        client_id: job.metadata.namespace.as_deref().unwrap_or_default(),
        job_type: job.spec.job_type,
        status: Phase::of(job),
    };
    open(to, &head);
    to.push_str(",\"payload\":");
    match annotation(job, PAYLOAD) {
        Some(text) => to.push_str(text),
        None => to.push_str(&payload::of_spec(&job.spec).to_string()),
    }
    if let Some(text) = annotation(job, WARNINGS) {
        to.push_str(",\"warnings\":");
        to.push_str(text);
    }
    to.push(',');
    close(to, &tail(job, besides));
}

/// An annotation of ours, if it is JSON: on a cluster others may write annotations too.
fn annotation<'a>(job: &'a AgentJob, key: &str) -> Option<&'a str> {
    let text = job.metadata.annotations.as_ref()?.get(key)?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(text)
}

/// Writes an object without its last brace.
fn open(to: &mut String, head: &impl Serialize) {
    to.push_str(&serde_json::to_string(head).unwrap_or_default());
    to.pop();
}

/// Writes an object without its first brace.
fn close(to: &mut String, tail: &impl Serialize) {
    let text = serde_json::to_string(tail).unwrap_or_default();
    to.push_str(text.get(1..).unwrap_or("}"));
}

fn tail(job: &AgentJob, besides: Besides) -> Tail<'_> {
    static NOTHING: LazyLock<AgentJobStatus> = LazyLock::new(AgentJobStatus::default);
    let status = job.status.as_ref().unwrap_or(&NOTHING);
    let submitted = job.submitted_at();
    let result = status.result.as_ref();
    let elsewhere = result.and_then(|r| r.reference.as_ref()).is_some();
    let id = job.metadata.uid.as_deref().unwrap_or_default();
    let written = status.queued_reason.as_deref().map(Cow::Borrowed);
    Tail {
        created_at: Naive(submitted),
        updated_at: Naive(status.updated_at.unwrap_or(submitted)),
        result: result_of(status, besides.result),
        name: job.name(),
        attempt: status.attempt,
        outcome: status.outcome,
        failure: status.failure.as_ref().map(told),
        queued_reason: written.or(besides.queued_reason.map(Cow::Owned)),
        result_ref: elsewhere.then(|| format!("/jobs/{id}/result")),
        started_at: status.started_at.map(Naive),
        finished_at: status.finished_at.map(Naive),
        backend_ref: status.backend_ref.as_ref(),
        usage: status.usage,
        agents: status.agents,
        retry_of: job.spec.retry_of.as_ref().map(|r| r.uid.as_str()),
    }
}

const fn told(failure: &Failure) -> Told<'_> {
    Told {
        class: failure.class,
        message: failure.message.as_str(),
        remedy: failure.class.remedy(),
    }
}

/// The work's result; of a job that failed without one, what the old API said of failures.
fn result_of(status: &AgentJobStatus, elsewhere: Option<Value>) -> Option<Cow<'_, Value>> {
    if let Some(found) = elsewhere {
        return Some(Cow::Owned(found));
    }
    if let Some(small) = status.result.as_ref().filter(|r| !r.inline.is_null()) {
        return Some(Cow::Borrowed(&small.inline));
    }
    let ended = status.outcome.filter(|o| *o != Outcome::Succeeded)?;
    let failure = status.failure.as_ref();
    Some(Cow::Owned(json!({
        "error": failure.map_or(ended.word(), |f| f.message.as_str()),
        "error_type": failure.map_or(ended.word(), |f| f.class.word()),
        "failed_at": status.finished_at.map(Naive),
    })))
}

/// The record, for the OpenAPI document only.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobRecord")]
struct Documented {
    /// The unique id.
    job_id: String,
    /// The tenant.
    client_id: String,
    job_type: JobType,
    /// QUEUED, RUNNING, SUCCEEDED or FAILED; cancelled and timed out jobs read FAILED.
    status: String,
    /// What was asked, with the keys it was asked with.
    payload: serde_json::Map<String, Value>,
    /// What was accepted and has no meaning.
    warnings: Option<Vec<String>>,
    created_at: Naive,
    updated_at: Naive,
    /// What the work made; `error`, `error_type`, `failed_at` of a failure without a result.
    result: Option<Value>,
    name: String,
    /// The number of the last attempt; 0 before the first.
    attempt: u32,
    /// How it ended; null while it is not over.
    outcome: Option<Outcome>,
    failure: Option<Told<'static>>,
    /// Why nothing happens yet.
    queued_reason: Option<String>,
    /// Where a large result stands.
    result_ref: Option<String>,
    started_at: Option<Naive>,
    finished_at: Option<Naive>,
    backend_ref: Option<BackendRef>,
    usage: Option<Usage>,
    agents: Option<AgentCounts>,
    /// The job that this one tries again.
    retry_of: Option<String>,
}

pub fn one(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Documented>()
}

pub fn many(g: &mut SchemaGenerator) -> Schema {
    let row = g.subschema_for::<Documented>();
    json_schema!({
        "type": "object",
        "required": ["jobs", "count", "client_id", "next_cursor"],
        "properties": {
            "jobs": {"type": "array", "items": row},
            "count": {"type": "integer"},
            "client_id": {"type": "string"},
            "next_cursor": {"type": ["string", "null"]}
        }
    })
}

pub fn submission(g: &mut SchemaGenerator) -> Schema {
    let job = g.subschema_for::<AgentJob>();
    json_schema!({"oneOf": [{
        "type": "object",
        "required": ["job_type", "payload"],
        "properties": {
            "job_type": {"enum": JobType::ALL.map(JobType::word)},
            "payload": {"type": "object"}
        }
    }, job]})
}

pub fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}
