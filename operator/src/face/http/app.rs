//! What every handler is given, and who is asking. Holds no rule about jobs.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use sandbox_core::{AgentJob, Tenant, Uid, spec::BackendName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{
    jobs::queue::QueueBound,
    metrics::Metrics,
    problem::{Problem, Told},
    session::Sessions,
};
use crate::face::Services;

/// Most repositories that are read at a time.
const GITS: usize = 4;

/// Everything behind the routes. Cheap to clone.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

pub(super) struct Inner {
    pub services: Services,
    pub metrics: Metrics,
    pub sessions: Sessions,
    pub queue: QueueBound,
    pub requests: Semaphore,
    /// Turns at running git: each takes a process.
    pub gits: Semaphore,
    streams: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// The handlers' world; `closing` turns true when streams are to end.
    pub fn new(services: Services, closing: watch::Receiver<bool>) -> Self {
        let limits = &services.limits;
        Self(Arc::new(Inner {
            metrics: Metrics::new(&services.counted),
            sessions: Sessions::default(),
            queue: QueueBound::new(limits.queue),
            requests: Semaphore::new(limits.concurrency),
            gits: Semaphore::new(GITS),
            streams: Arc::new(Semaphore::new(limits.streams)),
            closing,
            services,
        }))
    }

    /// The job, if it is this tenant's.
    pub async fn job(&self, tenant: &Tenant, id: &str) -> Told<AgentJob> {
        let uid: Uid = id.parse().map_err(|_| Problem::no_job())?;
        let job = self.services.store.load(&uid).await?;
        job.filter(|j| j.metadata.namespace.as_deref() == Some(tenant.as_str()))
            .ok_or_else(Problem::no_job)
    }

    /// Where this job runs, or would.
    pub fn place_of(&self, job: &AgentJob) -> BackendName {
        let status = job.status();
        let intent = status.intent.as_ref().map(|i| i.backend);
        let asked = || job.spec.backend.as_ref().map(|b| b.name);
        intent.or_else(asked).unwrap_or(self.services.backend)
    }

    /// Whether the files of this job's last attempt are here.
    ///
    /// # Errors
    /// 421 when another site has them.
    pub fn is_here(&self, job: &AgentJob) -> Told<()> {
        let status = job.status();
        let site = status.backend_ref.as_ref().and_then(|r| r.site.as_ref());
        match (site, &self.services.site) {
            (Some(theirs), Some(own)) if theirs != own => {
                let text =
                    format!("its log and files are at site {theirs}; ask a server of that one");
                Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "elsewhere",
                    text,
                ))
            }
            _ => Ok(()),
        }
    }

    /// A place among the streams; given back when it is dropped.
    pub fn stream_permit(&self) -> Told<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        permit.map_err(|_| Problem::unavailable("too many streams are open; try again later"))
    }

    /// Resolves when streams are to end; never, when nobody can say so any more.
    pub async fn closed(&self) {
        let mut closing = self.closing.clone();
        if closing.wait_for(|is| *is).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Who is asking; the gate has put it there.
pub(super) struct Caller(pub Tenant);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Told<Self> {
        let tenant = parts.extensions.get::<Tenant>().cloned();
        let nobody = || Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "Missing API key");
        tenant.map(Self).ok_or_else(nobody)
    }
}

/// Who is asking to change memory, where they do not so too often.
pub(super) struct Writer(pub Tenant);

impl FromRequestParts<App> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Told<Self> {
        let Caller(tenant) = Caller::from_request_parts(parts, app).await?;
        let passed = app.services.bounds.write(&tenant, None);
        passed.map_err(|e| Problem::too_often(&e))?;
        Ok(Self(tenant))
    }
}

/// The one part of a path such as `/jobs/{id}`; a path that is not UTF-8 names nothing.
pub(super) struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(found.map_or_else(|_| String::new(), |Path(id)| id)))
    }
}
