//! What an attempt that is cut off keeps for the next one, by the claimant's own seat: nobody else of the job, and nobody
//! of another job, puts or gets any of it.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use sandbox_core::{AgentJob, Report, Seat, Uid, port::PortError, status::StopReason};

use super::{Answered, At, Refusal, SeatDoor, job_of, may_leave_files, tenant_of};
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
        let tenant = tenant_of(door, seat).await?;
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

/// The checkpoints of the claimant's job.
async fn mine(door: &SeatDoor, seat: &Seat, headers: &HeaderMap) -> Result<Checkpoints, Refusal> {
    let (artifacts, tenant) = may_leave_files(door, seat, headers).await?;
    Ok(artifacts.checkpoints((&tenant, &seat.uid)))
}

/// The same for whoever adds to them: the attempt at work, where another may follow.
async fn open(door: &SeatDoor, seat: &Seat, headers: &HeaderMap) -> Result<Checkpoints, Refusal> {
    let checkpoints = mine(door, seat, headers).await?;
    let job = job_of(door, seat).await?;
    if ends(&job) || job.status().attempt != seat.attempt {
        let text = "no attempt of this job comes after this one".to_owned();
        return Err(PortError::Conflict(text).into());
    }
    Ok(checkpoints)
}

async fn keep(
    State(door): State<SeatDoor>,
    Path((uid, attempt, piece)): Path<(Uid, u32, u32)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered<()> {
    let seat = Seat::new(uid, attempt);
    let open = open(&door, &seat, &headers).await?;
    Ok(Json(open.put_piece(attempt, piece, body).await?))
}

async fn finish(
    State(door): State<SeatDoor>,
    Path(at): At,
    headers: HeaderMap,
    Json(manifest): Json<Manifest>,
) -> Answered<()> {
    let seat = Seat::new(at.0, at.1);
    let open = open(&door, &seat, &headers).await?;
    Ok(Json(open.finish(seat.attempt, &manifest).await?))
}

async fn newest(
    State(door): State<SeatDoor>,
    Path(at): At,
    headers: HeaderMap,
) -> Answered<Option<Whole>> {
    let seat = Seat::new(at.0, at.1);
    let mine = mine(&door, &seat, &headers).await?;
    Ok(Json(mine.newest(seat.attempt).await?))
}

async fn read(
    State(door): State<SeatDoor>,
    Path((uid, attempt, of, piece)): Path<(Uid, u32, u32, u32)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let seat = Seat::new(uid, attempt);
    let mine = mine(&door, &seat, &headers).await?;
    let missing = || PortError::NotFound("there is no such piece".to_owned());
    let bytes = mine.piece(of, piece).await?.ok_or_else(missing)?;
    Ok(bytes.into_response())
}
