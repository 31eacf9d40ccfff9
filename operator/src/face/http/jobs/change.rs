//! Cancel, remove, retry: what is asked is written into the spec, and the reconciler sees to it.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use kube::core::Duration;
use sandbox_core::{
    AgentJob, AgentJobSpec, Tenant,
    port::{Change, PortError, Write},
    query::NewEvent,
    spec::RetryOf,
    validate,
};

use super::new::{self, Named};
use crate::face::http::{
    app::{App, Caller, Id},
    dialect::record::{self, Besides},
    problem::{Problem, Told},
};

/// How often a write is tried again that lost to a newer one.
const TRIES: u32 = 8;

pub(in crate::face::http) async fn cancel(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let asked = |job: &AgentJob| {
        if job.status().is_finished() {
            let text = "the job is over already";
            return Err(Problem::conflict("job_finished", text));
        }
        let told = ("CancelRequested", "asked to cancel the job");
        Ok((!job.spec.cancel).then(|| (cancelled(&job.spec), told)))
    };
    let job = change(&app, (&tenant, &id), asked).await?;
    Ok(record::answer(&job, Besides::default()))
}

/// Answers 202: the reconciler removes the record once the job is over and its outcome is kept.
pub(in crate::face::http) async fn remove(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let asked = |job: &AgentJob| {
        let over = job.status().is_finished();
        let mut spec = job.spec.clone();
        spec.cancel = spec.cancel || !over;
        spec.ttl_after_finished = Some(at_once());
        let told = ("RemoveRequested", "asked to remove the job");
        Ok((spec != job.spec).then_some((spec, told)))
    };
    let job = change(&app, (&tenant, &id), asked).await?;
    let answer = record::answer(&job, Besides::default());
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

fn at_once() -> Duration {
    Duration::from(std::time::Duration::ZERO)
}

fn cancelled(spec: &AgentJobSpec) -> AgentJobSpec {
    AgentJobSpec {
        cancel: true,
        ..spec.clone()
    }
}

/// A new spec with what to tell about it; nothing when there is nothing to change.
pub(super) type Asked = Option<(AgentJobSpec, (&'static str, &'static str))>;

/// Writes a changed spec; reads again when somebody else has written meanwhile.
pub(super) async fn change(
    app: &App,
    (tenant, id): (&Tenant, &str),
    asked: impl Fn(&AgentJob) -> Told<Asked>,
) -> Told<AgentJob> {
    for _ in 0..TRIES {
        let job = app.job(tenant, id).await?;
        let Some((spec, told)) = asked(&job)? else {
            return Ok(job);
        };
        match app.services.store.commit(written(job, spec, told)).await {
            Ok(job) => {
                if let Ok(uid) = job.uid() {
                    app.services.waker.wake(&uid);
                }
                return Ok(job);
            }
            Err(PortError::Conflict(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let text = "the job is being changed too often; try again";
    Err(Problem::unavailable(text))
}

fn written(mut job: AgentJob, spec: AgentJobSpec, told: (&str, &str)) -> Change {
    let now = Timestamp::now();
    job.spec = spec;
    job.metadata.generation = job.metadata.generation.map(|n| n + 1);
    if let Some(status) = &mut job.status {
        status.updated_at = Some(now);
    }
    let event = NewEvent {
        reason: told.0.to_owned(),
        message: told.1.to_owned(),
        at: now,
    };
    Change {
        write: Write::Put(Box::new(job)),
        holds: None,
        events: vec![event],
    }
}

pub(in crate::face::http) async fn retry(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Told<Response> {
    let old = app.job(&tenant, &id).await?;
    if !old.status().is_finished() {
        let text = "only a job that is over can be retried";
        return Err(Problem::conflict("job_not_finished", text));
    }
    let again = again(&tenant, old)?;
    validate::check(&again)?;
    new::write(&app, again, &headers).await
}

/// The same work as a new job, under a name of its own.
fn again(tenant: &Tenant, old: AgentJob) -> Told<AgentJob> {
    let uid = old.uid().map_err(|_| Problem::no_job())?.to_string();
    let kept = old.spec.ttl_after_finished.filter(|ttl| *ttl != at_once());
    let spec = AgentJobSpec {
        cancel: false,
        suspend: false,
        ttl_after_finished: kept,
        retry_of: Some(RetryOf { uid }),
        ..old.spec
    };
    let named = Named {
        name: None,
        labels: old.metadata.labels,
        annotations: old.metadata.annotations.unwrap_or_default(),
    };
    Ok(new::job(tenant, named, spec))
}
