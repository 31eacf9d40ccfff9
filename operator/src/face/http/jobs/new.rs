//! Writes a new job down: the one way in for submissions and retries.

use std::collections::BTreeMap;

use axum::{http::HeaderMap, response::Response};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sandbox_core::{
    AgentJob, AgentJobSpec, AgentJobStatus, Tenant, port::Created, query::ListQuery,
};
use uuid::Uuid;

use super::queue;
use crate::face::http::{
    app::App,
    dialect::record::{self, Besides},
    problem::{Problem, Told},
};

/// Longest idempotency key.
const LONGEST_KEY: usize = 255;

/// What a caller may say about a job besides its spec.
#[derive(Default)]
pub(super) struct Named {
    pub name: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub annotations: BTreeMap<String, String>,
}

/// A job that was not written yet: a new id, this tenant, this moment.
pub(super) fn job(tenant: &Tenant, named: Named, spec: AgentJobSpec) -> AgentJob {
    let uid = Uuid::now_v7().to_string();
    let now = Timestamp::now();
    let metadata = ObjectMeta {
        name: named.name.or_else(|| Some(format!("job-{uid}"))),
        namespace: Some(tenant.to_string()),
        uid: Some(uid),
        labels: named.labels,
        annotations: (!named.annotations.is_empty()).then_some(named.annotations),
        creation_timestamp: Some(Time(now)),
        generation: Some(1),
        ..ObjectMeta::default()
    };
    let status = AgentJobStatus {
        submitted_at: Some(now),
        updated_at: Some(now),
        ..AgentJobStatus::default()
    };
    AgentJob {
        metadata,
        spec,
        status: Some(status),
    }
}

/// Writes the job, or finds the one that was written under the same idempotency key.
///
/// # Errors
/// 422 for a key that is none or was used for something else, 503 while no jobs are taken, 429 when the queue is full
/// (unless the key was used before: that job is in it), 409 when the name is taken.
pub(super) async fn write(app: &App, job: AgentJob, headers: &HeaderMap) -> Told<Response> {
    let key = key(headers)?;
    let wanted = asked(&job.spec);
    let written = match queue::admit(app, &job).await {
        Ok(()) => app.services.store.create(job, key).await?,
        Err(closed) => Created::Existing(known(app, &job, key).await?.ok_or(closed)?),
    };
    let job = match written {
        Created::New(job) => job,
        Created::Existing(job) if wanted == asked(&job.spec) => job,
        Created::Existing(_) => return Err(reused()),
    };
    if let Ok(uid) = job.uid() {
        app.services.waker.wake(&uid);
    }
    Ok(record::answer(&job, Besides::default()))
}

/// The job that was submitted with this key before.
async fn known(app: &App, job: &AgentJob, key: Option<&str>) -> Told<Option<AgentJob>> {
    let Some(key) = key else { return Ok(None) };
    let query = ListQuery {
        tenant: job.tenant().ok(),
        key: Some(key.to_owned()),
        limit: 1,
        ..ListQuery::default()
    };
    let found = app.services.store.list(&query).await?;
    Ok(found.jobs.into_iter().next())
}

fn key(headers: &HeaderMap) -> Told<Option<&str>> {
    let Some(sent) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = sent.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > LONGEST_KEY {
        let text = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        return Err(Problem::invalid(text));
    }
    Ok(Some(text))
}

fn reused() -> Problem {
    Problem::invalid("this Idempotency-Key was used for another job")
        .coded("idempotency_key_reused")
}

/// What was asked for, without what may have been changed since.
fn asked(spec: &AgentJobSpec) -> AgentJobSpec {
    AgentJobSpec {
        cancel: false,
        suspend: false,
        priority: 0,
        deadline: None,
        ttl_after_finished: None,
        managed_by: None,
        ..spec.clone()
    }
}
