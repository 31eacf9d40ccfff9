//! The pages for people: jobs, one job, the memory. Written by the server, without any script;
//! templates escape every value.

pub(super) mod login;
mod pages;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse, Response},
};
use pages::{JobPage, JobsPage, MemoryPage, Row};
use sandbox_core::query::{EventQuery, ListQuery};
use serde::Deserialize;

use super::{
    agents,
    app::{App, Caller, Id},
    jobs::list::{phases, why_queued},
    logs,
    problem::{Problem, Told},
    read::Asked,
};
use crate::face::RuleQuery;

/// What a page may load: our own style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
/// Rows of the list.
const ROWS: u32 = 50;
/// Bytes of the log's end that are shown.
const TAIL: usize = 64 * 1024;
/// Bytes of the log that are read at a time.
const PIECE: u32 = 1024 * 1024;
/// Events of a job that are shown.
const EVENTS: u32 = 200;

fn page(template: &impl Template) -> Told<Response> {
    let text = template.render();
    let text = text.map_err(|_| Problem::unavailable("the page could not be written"))?;
    let policy: [(HeaderName, &str); 2] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    Ok((policy, Html(text)).into_response())
}

/// Which jobs.
#[derive(Deserialize)]
pub(super) struct Wanted {
    cursor: Option<String>,
    status: Option<String>,
}

pub(super) async fn jobs(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = ListQuery {
        tenant: Some(tenant.clone()),
        phases: phases(wanted.status.as_deref())?,
        after: wanted.cursor,
        limit: ROWS,
        ..ListQuery::default()
    };
    let found = app.services.store.list(&query).await?;
    page(&JobsPage {
        tenant: tenant.as_str(),
        login: app.services.keys.required(),
        rows: found.jobs.iter().map(Row::of).collect(),
        status: wanted.status.unwrap_or_default(),
        next: found.next,
    })
}

pub(super) async fn job(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    let status = job.status();
    let query = EventQuery {
        tenant: Some(tenant.clone()),
        uid: job.uid().ok(),
        after: 0,
        limit: EVENTS,
    };
    let why = why_queued(&app, &job, &status).await?;
    page(&JobPage {
        tenant: tenant.as_str(),
        login: app.services.keys.required(),
        row: Row::of(&job),
        why: why.or_else(|| status.queued_reason.clone()),
        failure: status.failure.as_ref(),
        asked: serde_json::to_string_pretty(&job.spec).unwrap_or_default(),
        agents: agents::of_job(&app, &job).await?,
        events: app.services.store.events(&query).await?,
        log: tail(&app, &job).await,
        over: status.is_finished(),
    })
}

/// The end of the log. A log that cannot be read says so in its place: the page still helps.
async fn tail(app: &App, job: &sandbox_core::AgentJob) -> String {
    let attempt = job.status().attempt;
    let mut kept = String::new();
    let mut from = 0;
    loop {
        match logs::read(app, job, (attempt, from), PIECE).await {
            Ok(chunk) if chunk.next > from => {
                from = chunk.next;
                kept.push_str(&chunk.text);
                keep_end(&mut kept);
            }
            Ok(_) => return kept,
            Err(_) => return "the log cannot be read now".to_owned(),
        }
    }
}

fn keep_end(text: &mut String) {
    let Some(over) = text.len().checked_sub(TAIL) else {
        return;
    };
    let at = text.as_bytes()[over..].iter().position(|b| *b == b'\n');
    let at = at.map_or(over, |n| over + n + 1);
    if text.is_char_boundary(at) {
        text.drain(..at);
    }
}

pub(super) async fn memory(State(app): State<App>, Caller(tenant): Caller) -> Told<Response> {
    let Some(elf) = &app.services.elf else {
        return Err(Problem::unavailable("the shared memory is not there"));
    };
    let query = RuleQuery {
        limit: ROWS,
        ..RuleQuery::default()
    };
    let golden = RuleQuery {
        golden: true,
        ..query.clone()
    };
    let counters = elf.stats(&tenant).await?;
    let golden = elf.heuristics(&tenant, &golden).await?;
    let rules = elf.heuristics(&tenant, &query).await?;
    page(&MemoryPage {
        tenant: tenant.as_str(),
        login: app.services.keys.required(),
        counters: pages::counters(&counters),
        golden: pages::rules(&golden),
        rules: pages::rules(&rules),
    })
}

pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, include_str!("../../../../assets/dashboard.css")).into_response()
}
