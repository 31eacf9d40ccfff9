//! What Prometheus asks for: requests, jobs by phase, and what happened to jobs. Counts of the
//! whole server, with no tenant's names in them.

use std::sync::PoisonError;

use axum::{
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use sandbox_core::{
    port::Answer,
    query::{EventQuery, ListQuery, MAX_PAGE, Phase},
};
use tokio::sync::Mutex;

use super::{
    app::App,
    problem::{Problem, Told},
};
use crate::counts::Counted;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    path: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Happened {
    reason: String,
}

/// Everything that is counted.
pub(super) struct Metrics {
    registry: std::sync::Mutex<Registry>,
    requests: Family<Request, Counter>,
    jobs: Family<InPhase, Gauge>,
    events: Family<Happened, Counter>,
    /// How far the event log has been counted; one scrape counts at a time.
    counted: Mutex<u64>,
}

impl Metrics {
    /// What is counted here, and what others count.
    pub fn new(others: &[Counted]) -> Self {
        let mut registry = Registry::default();
        for counted in others {
            counted(&mut registry);
        }
        let metrics = Self {
            registry: std::sync::Mutex::new(registry),
            requests: Family::default(),
            jobs: Family::default(),
            events: Family::default(),
            counted: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let about = "Requests that were answered";
        registry.register("sandbox_http_requests", about, self.requests.clone());
        let about = "Jobs that are not over";
        registry.register("sandbox_jobs", about, self.jobs.clone());
        let about = "Events in the log of jobs: Submitted, Starting, Succeeded, Failed and others";
        registry.register("sandbox_job_events", about, self.events.clone());
    }

    /// Counts one answered request.
    pub fn request(&self, method: &Method, path: &'static str, status: StatusCode) {
        let method = known(method);
        let status = status.as_u16();
        let labels = Request {
            method,
            path,
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// Methods come from outside; only those that are known get a label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

pub(super) async fn metrics(State(app): State<App>) -> Told<Response> {
    count_jobs(&app).await?;
    count_events(&app).await?;
    let mut text = String::new();
    let registry = &app.metrics.registry;
    let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    encode(&mut text, &registry).map_err(|_| Problem::unavailable("could not be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Finished jobs are counted from the event log: reading all of them each time would not stay cheap.
async fn count_jobs(app: &App) -> Answer<()> {
    let (mut queued, mut running) = (0, 0);
    let mut query = ListQuery {
        open_only: true,
        limit: MAX_PAGE,
        ..ListQuery::default()
    };
    loop {
        let page = app.services.store.list(&query).await?;
        for job in &page.jobs {
            match Phase::of(job) {
                Phase::Queued => queued += 1,
                Phase::Running => running += 1,
                Phase::Succeeded | Phase::Failed => {}
            }
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let jobs = &app.metrics.jobs;
    jobs.get_or_create(&InPhase { phase: "QUEUED" }).set(queued);
    jobs.get_or_create(&InPhase { phase: "RUNNING" })
        .set(running);
    Ok(())
}

async fn count_events(app: &App) -> Answer<()> {
    let mut counted = app.metrics.counted.lock().await;
    loop {
        let query = EventQuery {
            after: *counted,
            limit: MAX_PAGE,
            ..EventQuery::default()
        };
        let events = app.services.store.events(&query).await?;
        let Some(last) = events.last() else {
            return Ok(());
        };
        *counted = last.seq;
        for event in events {
            let reason = event.reason;
            app.metrics.events.get_or_create(&Happened { reason }).inc();
        }
    }
}
