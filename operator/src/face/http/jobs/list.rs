//! Reading jobs: one, or a page of them.

use axum::{extract::State, response::Response};
use sandbox_core::{
    AgentJob, AgentJobStatus, JobType,
    query::{ListQuery, MAX_PAGE, Phase},
    validate::Invalid,
};
use serde::Deserialize;
use serde_json::json;

use super::queue::pool;
use crate::face::http::{
    app::{App, Caller, Id},
    artifacts,
    dialect::record::{self, Besides},
    problem::{Problem, Told},
    read::Asked,
};

/// Rows of a page when nobody says how many.
const ROWS: u32 = 50;

/// How one job is to be shown.
#[derive(Deserialize)]
pub(in crate::face::http) struct View {
    view: Option<String>,
}

pub(in crate::face::http) async fn one(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Asked(shown): Asked<View>,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    match shown.view.as_deref() {
        None => {
            let besides = besides(&app, &job).await?;
            Ok(record::answer(&job, besides))
        }
        Some("resource") => resource(job),
        Some(_) => Err(wrong("view", "must be resource, or be left out")),
    }
}

/// The whole object, but for the nonce: whoever has it may speak for the runner.
fn resource(mut job: AgentJob) -> Told<Response> {
    let intent = job.status.as_mut().and_then(|s| s.intent.as_mut());
    if let Some(claim) = intent.and_then(|i| i.claim.as_mut()) {
        claim.nonce.clear();
    }
    let text = serde_json::to_string(&job);
    let text = text.map_err(|_| Problem::unavailable("the job could not be written"))?;
    Ok(record::json(text))
}

/// What one job's record says that costs a further look.
async fn besides(app: &App, job: &AgentJob) -> Told<Besides> {
    let Some(status) = &job.status else {
        return Ok(Besides::default());
    };
    let result = status.result.as_ref().and_then(|r| r.reference.as_ref());
    Ok(Besides {
        queued_reason: why_queued(app, job, status).await?,
        result: match result {
            Some(_) => Some(artifacts::result_of(app, job).await?),
            None => None,
        },
    })
}

/// Why a job waits, with its position; nothing when it does not wait or says so itself.
pub(in crate::face::http) async fn why_queued(
    app: &App,
    job: &AgentJob,
    status: &AgentJobStatus,
) -> Told<Option<String>> {
    if status.queued_reason.is_some() || status.intent.is_some() || status.is_finished() {
        return Ok(None);
    }
    if let Some(known) = told_by_itself(job, status) {
        return Ok(Some(known));
    }
    let pool = pool(app, job);
    let found = app.services.store.admission(&pool, job).await?;
    let position = found.ahead.saturating_add(1);
    Ok(Some(format!("waiting for a slot, position {position}")))
}

/// Why a job waits, where its own record says it.
fn told_by_itself(job: &AgentJob, status: &AgentJobStatus) -> Option<String> {
    if job.spec.suspend {
        return Some("suspended".to_owned());
    }
    let at = status.retry_at?;
    Some(format!("backing off after a failed attempt, until {at}"))
}

/// Which jobs.
#[derive(Deserialize)]
pub(in crate::face::http) struct Wanted {
    limit: Option<i64>,
    cursor: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    job_type: Option<String>,
    name: Option<String>,
}

pub(in crate::face::http) async fn list(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = ListQuery {
        tenant: Some(tenant.clone()),
        name: wanted.name,
        phases: phases(wanted.status.as_deref())?,
        job_type: wanted.job_type.as_deref().map(job_type).transpose()?,
        after: wanted.cursor,
        limit: rows(wanted.limit)?,
        ..ListQuery::default()
    };
    let page = app.services.store.list(&query).await?;
    let end = json!({
        "count": page.jobs.len(),
        "client_id": tenant,
        "next_cursor": page.next,
    });
    let mut text = String::with_capacity(64 + page.jobs.len() * 1024);
    text.push_str("{\"jobs\":[");
    for (i, job) in page.jobs.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { "," });
        record::write(&mut text, job, waiting(job));
    }
    text.push_str("],");
    text.push_str(end.to_string().trim_start_matches('{'));
    Ok(record::json(text))
}

/// A row says that it waits; its position would cost a look for each.
fn waiting(job: &AgentJob) -> Besides {
    let idle = |s: &&AgentJobStatus| s.intent.is_none() && !s.is_finished();
    let status = job.status.as_ref().filter(idle);
    let why = status.map(|s| told_by_itself(job, s).unwrap_or_else(|| "waiting".to_owned()));
    Besides {
        queued_reason: why,
        result: None,
    }
}

/// How many rows: at least one, and never more than the store gives.
pub(in crate::face::http) fn rows(asked: Option<i64>) -> Told<u32> {
    match asked {
        None => Ok(ROWS),
        Some(n) if n >= 1 => Ok(u32::try_from(n).unwrap_or(u32::MAX).min(MAX_PAGE)),
        Some(_) => Err(wrong("limit", "must be at least 1")),
    }
}

/// The phases of words with commas between them; all when there is none.
pub(in crate::face::http) fn phases(asked: Option<&str>) -> Told<Vec<Phase>> {
    let words = asked.unwrap_or_default().split(',').map(str::trim);
    words.filter(|w| !w.is_empty()).map(phase).collect()
}

fn phase(word: &str) -> Told<Phase> {
    let all = [
        Phase::Queued,
        Phase::Running,
        Phase::Succeeded,
        Phase::Failed,
    ];
    let mut all = all.into_iter();
    let found = all.find(|p| p.word().eq_ignore_ascii_case(word));
    let rule = "must be of QUEUED, RUNNING, SUCCEEDED, FAILED, with commas";
    found.ok_or_else(|| wrong("status", rule))
}

fn job_type(word: &str) -> Told<JobType> {
    let known = || JobType::ALL.map(JobType::word).join(", ");
    let found = JobType::from_word(word);
    found.ok_or_else(|| wrong("type", &format!("must be one of {}", known())))
}

fn wrong(field: &str, rule: &str) -> Problem {
    Problem::fields(vec![Invalid::new(field, rule)])
}
