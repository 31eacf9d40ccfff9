//! Whether one more job is taken: not while none are, and not beyond the cap on waiting jobs. The store is asked how many
//! wait only when the queue could be full: between two askings it grows by at most what came in here, so that number is
//! an upper bound.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use sandbox_core::AgentJob;

use crate::face::http::{
    app::App,
    problem::{Problem, Told},
};

/// How soon a refused client may try again, in seconds.
const TRY_AGAIN: u32 = 5;
/// How soon one may try again that is refused because no jobs are taken, in seconds.
const TRY_LATER: u32 = 60;
/// Below every priority that a spec may have, so that all that wait go before.
const LAST: i32 = -1_000_000;

/// How many jobs may wait, and at most how many do.
pub(in crate::face::http) struct QueueBound {
    most: u32,
    bound: AtomicU32,
}

impl QueueBound {
    /// Nothing is known about the queue yet.
    pub const fn new(most: u32) -> Self {
        Self {
            most,
            bound: AtomicU32::new(u32::MAX),
        }
    }
}

/// Lets one more job in.
///
/// # Errors
/// 503 while no jobs are taken, 429 when the queue is full.
pub(super) async fn admit(app: &App, job: &AgentJob) -> Told<()> {
    if let Some(intake) = &app.services.intake
        && let Some(why) = intake.closed().await?
    {
        let paused = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "paused", why);
        return Err(paused.retry_after(TRY_LATER));
    }
    let queue = &app.queue;
    let add = |n: u32| (n < queue.most).then_some(n.saturating_add(1));
    let within = queue
        .bound
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    if within.is_ok() {
        return Ok(());
    }
    let waiting = waiting(app, job).await?;
    let bound = waiting.saturating_add(1);
    queue.bound.store(bound, Ordering::Relaxed);
    if waiting < queue.most {
        return Ok(());
    }
    let text = format!("{waiting} jobs wait already; try again later");
    let full = Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", text);
    Err(full.retry_after(TRY_AGAIN))
}

async fn waiting(app: &App, job: &AgentJob) -> Told<u32> {
    let mut last = job.clone();
    last.spec.priority = LAST;
    let pool = pool(app, job);
    Ok(app.services.store.admission(&pool, &last).await?.ahead)
}

/// What the place of this job calls its slots.
pub(super) fn pool(app: &App, job: &AgentJob) -> String {
    format!("slots/{}", app.place_of(job).word())
}
