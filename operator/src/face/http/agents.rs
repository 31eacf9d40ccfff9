//! Agents as the old API listed them: one row for each job that began, and, new beside them, one
//! for each terminal agent of a farm. Nothing is kept for it: it is read from jobs and heartbeats.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use sandbox_core::{
    AgentJob, Heartbeat, JobType, Tenant,
    query::{ListQuery, Phase},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    app::{App, Caller, Id},
    dialect::naive::Naive,
    jobs::list::rows,
    problem::{Problem, Told},
    read::Asked,
};

/// One agent.
#[derive(Clone, Serialize, JsonSchema)]
#[schemars(rename = "Agent")]
pub(super) struct Row {
    /// The job's id; with `.` and a number for one terminal agent of a farm.
    pub agent_id: String,
    job_id: String,
    client_id: String,
    /// The terminal it runs in.
    pub tmux_pane: Option<String>,
    /// starting, working, complete or error.
    pub status: &'static str,
    started_at: Option<Naive>,
    pub last_heartbeat: Option<Naive>,
    job_type: JobType,
    job_status: &'static str,
    /// What the runner says of this agent.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

pub(super) fn single(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Row>()
}

pub(super) fn many(g: &mut SchemaGenerator) -> Schema {
    let row = single(g);
    json_schema!({
        "type": "object",
        "required": ["agents", "count", "client_id"],
        "properties": {
            "agents": {"type": "array", "items": row},
            "count": {"type": "integer"},
            "client_id": {"type": "string"}
        }
    })
}

/// How many jobs are looked at.
#[derive(Deserialize)]
pub(super) struct Wanted {
    limit: Option<i64>,
}

pub(super) async fn list(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = ListQuery {
        tenant: Some(tenant.clone()),
        limit: rows(wanted.limit)?,
        ..ListQuery::default()
    };
    let page = app.services.store.list(&query).await?;
    let mut agents = Vec::new();
    for job in &page.jobs {
        agents.extend(of_job(&app, job).await?);
    }
    let count = agents.len();
    let found = json!({"agents": agents, "count": count, "client_id": tenant});
    Ok(Json(found).into_response())
}

pub(super) async fn one(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let found = find(&app, &tenant, &id).await?;
    let missing = || Problem::not_found("Agent not found");
    Ok(Json(found.ok_or_else(missing)?).into_response())
}

async fn find(app: &App, tenant: &Tenant, id: &str) -> Told<Option<Row>> {
    let uid = id.split('.').next().unwrap_or_default();
    let missing = |_| Problem::not_found("Agent not found");
    let job = app.job(tenant, uid).await.map_err(missing)?;
    let rows = of_job(app, &job).await?;
    Ok(rows.into_iter().find(|row| row.agent_id == id))
}

/// The agents of one job; none before it began.
pub(super) async fn of_job(app: &App, job: &AgentJob) -> Told<Vec<Row>> {
    let status = job.status();
    if status.attempt == 0 {
        return Ok(Vec::new());
    }
    let heartbeat = match (Phase::of(job), job.seat()) {
        (Phase::Running, Ok(seat)) => app.services.seats.read(&seat).await?.heartbeat,
        _ => None,
    };
    let whole = whole(job, heartbeat.as_ref());
    let parts = heartbeat.map(|beat| beat.detail).unwrap_or_default();
    let parts = match parts {
        Value::Array(parts) => parts,
        _ => Vec::new(),
    };
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(n, detail)| part(&whole, n + 1, detail));
    Ok(std::iter::once(whole.clone()).chain(parts).collect())
}

fn whole(job: &AgentJob, heartbeat: Option<&Heartbeat>) -> Row {
    let status = job.status();
    let phase = Phase::of(job);
    let id = job.metadata.uid.clone().unwrap_or_default();
    Row {
        agent_id: id.clone(),
        job_id: id,
        client_id: job.metadata.namespace.clone().unwrap_or_default(),
        tmux_pane: status.backend_ref.as_ref().map(|place| place.name.clone()),
        status: match phase {
            Phase::Queued => "starting",
            Phase::Running => "working",
            Phase::Succeeded => "complete",
            Phase::Failed => "error",
        },
        started_at: status.started_at.map(Naive),
        last_heartbeat: heartbeat.map(|b| b.at).or(status.updated_at).map(Naive),
        job_type: job.spec.job_type,
        job_status: phase.word(),
        detail: Value::Null,
    }
}

/// One terminal agent of a farm, as its runner tells of it.
fn part(whole: &Row, number: usize, detail: Value) -> Row {
    let said = |key: &str| detail[key].as_str().map(str::to_owned);
    let state = said("status").or_else(|| said("state"));
    Row {
        agent_id: format!("{}.{number}", whole.agent_id),
        tmux_pane: said("tmux_pane").or_else(|| said("pane")),
        status: match state.as_deref() {
            Some("starting") => "starting",
            Some("complete" | "completed" | "done" | "finished") => "complete",
            Some("error" | "failed" | "dead") => "error",
            _ => "working",
        },
        detail,
        ..whole.clone()
    }
}
