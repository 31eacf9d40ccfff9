//! What an attempt that is cut off keeps for the next one, by the claimant's own seat: nobody else of the job, and nobody
//! of another job, puts or gets any of it.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use sandbox_core::{AgentJob, Report, Seat, Uid, port::PortError, status::StopReason};

use super::{Answered, Comer, Refusal, SeatDoor, comer::job_of, may_leave_files, tenant_of};
use crate::checkpoints::{Checkpoints, MANIFEST, Manifest, PIECE, Whole};

/// The routes.
pub(super) fn routes() -> Router<SeatDoor> {
    let base = "/v1/seats/{uid}/{attempt}/checkpoint";
    let whole = get(newest)
        .put(finish)
        .layer(DefaultBodyLimit::max(MANIFEST));
    let piece = put(keep).layer(DefaultBodyLimit::max(PIECE));
    Router::new()
        .route(base, whole)
        .route(&format!("{base}/{{piece}}"), piece)
        .route(&format!("{base}/{{of}}/{{piece}}"), get(read))
}

/// Whether no attempt of this job comes after the one at work: what it keeps, nobody would go on from.
pub(super) fn ends(job: &AgentJob) -> bool {
    let status = job.status();
    let last = |reason| {
        matches!(
            reason,
            StopReason::Cancel | StopReason::Deadline | StopReason::Budget
        )
    };
    job.spec.cancel || status.stop.as_ref().is_some_and(|stop| last(stop.reason))
}

/// Whether the next attempt may go on from where this report ends: not from work that came to an end of its own.
pub(super) fn goes_on(report: &Report) -> bool {
    let failure = report.failure.as_ref();
    failure.is_some_and(|f| f.class.retried_by_default())
}

/// Forgets what earlier attempts kept. What cannot be forgotten now goes with the job's record.
pub(super) async fn forget(door: &SeatDoor, seat: &Seat) {
    let Some(artifacts) = door.artifacts.as_ref().filter(|_| seat.attempt > 1) else {
        return;
    };
    let forgotten = async {
        let job = job_of(door, seat).await?;
        let tenant = tenant_of(&job)?;
        let checkpoints = artifacts.checkpoints((&tenant, &seat.uid));
        Ok::<_, Refusal>(checkpoints.forget().await?)
    };
    if let Err(Refusal(e)) = forgotten.await {
        let (job, error) = (seat.uid.as_str(), e.to_string());
        tracing::warn!(
            job,
            error,
            "could not forget the checkpoints of a job that is done"
        );
    }
}

/// The checkpoints of the claimant's job, and that job.
async fn mine(
    door: &SeatDoor,
    comer: Comer,
    headers: &HeaderMap,
) -> Result<(Checkpoints, Arc<AgentJob>), Refusal> {
    let (artifacts, job) = may_leave_files(door, comer, headers).await?;
    let (tenant, uid) = (tenant_of(&job)?, job.uid());
    let uid = uid.map_err(|e| PortError::Unknown(e.to_string()))?;
    Ok((artifacts.checkpoints((&tenant, &uid)), job))
}

/// The same for whoever adds to them: the attempt at work, where another may follow.
async fn open(door: &SeatDoor, comer: Comer, headers: &HeaderMap) -> Result<Checkpoints, Refusal> {
    let attempt = comer.seat.attempt;
    let (checkpoints, job) = mine(door, comer, headers).await?;
    if ends(&job) || job.status().attempt != attempt {
        let text = "no attempt of this job comes after this one".to_owned();
        return Err(PortError::Conflict(text).into());
    }
    Ok(checkpoints)
}

async fn keep(
    State(door): State<SeatDoor>,
    Path((_, attempt, piece)): Path<(Uid, u32, u32)>,
    comer: Comer,
    headers: HeaderMap,
    body: Bytes,
) -> Answered<()> {
    let open = open(&door, comer, &headers).await?;
    Ok(Json(open.put_piece(attempt, piece, body).await?))
}

async fn finish(
    State(door): State<SeatDoor>,
    comer: Comer,
    headers: HeaderMap,
    Json(manifest): Json<Manifest>,
) -> Answered<()> {
    let attempt = comer.seat.attempt;
    let open = open(&door, comer, &headers).await?;
    Ok(Json(open.finish(attempt, &manifest).await?))
}

async fn newest(
    State(door): State<SeatDoor>,
    comer: Comer,
    headers: HeaderMap,
) -> Answered<Option<Whole>> {
    let attempt = comer.seat.attempt;
    let (mine, _) = mine(&door, comer, &headers).await?;
    Ok(Json(mine.newest(attempt).await?))
}

async fn read(
    State(door): State<SeatDoor>,
    Path((_, _, of, piece)): Path<(Uid, u32, u32, u32)>,
    comer: Comer,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (mine, _) = mine(&door, comer, &headers).await?;
    let missing = || PortError::NotFound("there is no such piece".to_owned());
    let bytes = mine.piece(of, piece).await?.ok_or_else(missing)?;
    Ok(bytes.into_response())
}
