//! The seat protocol: claim, recall, heartbeat, report, record, as HTTP for runners.
//!
//! Served on a unix socket beside the data, which only our own user can reach. It believes a
//! runner only as far as its nonce goes: whose job it is, and what it asked, comes from the store.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Register, Report, Seat, Uid, plan,
    port::{AttemptOutcome, Memory, PortError, RecallQuery, Seats, Store},
    status::EndedAttempt,
};
use sandbox_elf::tools::{Answer, Ask, Asker};
use serde::{Deserialize, Serialize};

use crate::{control::Waker, face::mcp::Tools};

/// Largest body a runner may send: a report with its result.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Told who claimed a seat.
pub type Claimed = Arc<dyn Fn(&Seat, &Claim) + Send + Sync>;

/// What the protocol reaches.
#[derive(Clone)]
pub struct SeatDoor {
    /// Whose job a seat belongs to.
    pub store: Arc<dyn Store>,
    /// Who has the seat.
    pub seats: Arc<dyn Seats>,
    /// The shared memory.
    pub memory: Arc<dyn Memory>,
    /// Its tools, for the agents of a seat.
    pub tools: Option<Arc<dyn Tools>>,
    /// Has the job looked at.
    pub waker: Waker,
    /// The deadline of a job that names none.
    pub deadline: Duration,
    /// Told who claimed, so that the end of the process is noticed at once.
    pub claimed: Claimed,
    /// Whether a claim may be made here, or only be told that stands in the seat's files: whoever
    /// can reach a door from inside a container must not take the seats of others.
    pub may_claim: bool,
}

/// A message of the claimant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signed<T> {
    /// The nonce of the claim.
    pub nonce: String,
    /// What is said.
    pub body: T,
}

/// The routes, to be served on a socket.
pub fn router(door: SeatDoor) -> Router {
    Router::new()
        .route("/v1/seats/{uid}/{attempt}/claim", post(claim))
        .route("/v1/seats/{uid}/{attempt}/recall", post(recall))
        .route("/v1/seats/{uid}/{attempt}/heartbeat", post(heartbeat))
        .route("/v1/seats/{uid}/{attempt}/report", post(report))
        .route("/v1/seats/{uid}/{attempt}/record", post(record))
        .route("/v1/seats/{uid}/{attempt}/ask", post(ask))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(door)
}

/// An answer that is no success.
struct Refusal(PortError);

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match &self.0 {
            PortError::Refused(_) => StatusCode::FORBIDDEN,
            PortError::Conflict(_) => StatusCode::CONFLICT,
            PortError::NotFound(_) => StatusCode::NOT_FOUND,
            PortError::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (code, self.0.to_string()).into_response()
    }
}

type At = Path<(Uid, u32)>;
type Told<T> = Result<Json<T>, Refusal>;

async fn claim(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(claim): Json<Claim>,
) -> Told<Register> {
    let seat = Seat::new(at.0, at.1);
    let stands = if door.may_claim {
        door.seats.claim(&seat, claim).await?
    } else {
        door.seats.read(&seat).await?.register
    };
    if let Register::Claimed(claim) = &stands {
        (door.claimed)(&seat, claim);
    }
    door.waker.wake(&seat.uid);
    Ok(Json(stands))
}

async fn recall(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<RecallQuery>>,
) -> Told<sandbox_core::port::Receipt> {
    let seat = Seat::new(at.0, at.1);
    is_claimant(&door, &seat, &said.nonce).await?;
    let job = job_of(&door, &seat).await?;
    let tenant = job
        .tenant()
        .map_err(|e| PortError::Unknown(e.to_string()))?;
    Ok(Json(door.memory.recall(&seat, &tenant, &said.body).await?))
}

/// What the claimant is told when it has said how it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heard {
    /// How long it may still work, in milliseconds from now: people may have given it more time.
    pub left_ms: u64,
}

async fn heartbeat(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<Heartbeat>>,
) -> Told<Heard> {
    let seat = Seat::new(at.0, at.1);
    door.seats.beat(&seat, &said.nonce, said.body).await?;
    door.waker.wake(&seat.uid);
    let over_at = plan::over_at(&job_of(&door, &seat).await?, door.deadline);
    let left = over_at.map(|at| at.duration_since(Timestamp::now()).as_millis());
    let left_ms = left.and_then(|ms| u64::try_from(ms).ok());
    Ok(Json(Heard {
        left_ms: left_ms.unwrap_or_default(),
    }))
}

async fn report(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<Report>>,
) -> Told<()> {
    let seat = Seat::new(at.0, at.1);
    door.seats.report(&seat, &said.nonce, said.body).await?;
    door.waker.wake(&seat.uid);
    Ok(Json(()))
}

/// Keeps the outcome in memory from the report that stands; what the runner says now is not believed.
async fn record(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<()>>,
) -> Told<()> {
    let seat = Seat::new(at.0, at.1);
    is_claimant(&door, &seat, &said.nonce).await?;
    let job = job_of(&door, &seat).await?;
    let stands = door.seats.read(&seat).await?;
    let missing = || PortError::NotFound("the seat has no report yet".to_owned());
    let report = stands.report.ok_or_else(missing)?;
    if stands.stopped.is_some() {
        // The report tells only the cost; the reconciler tells memory how the attempt ended.
        return Ok(Json(()));
    }
    let end = EndedAttempt {
        attempt: seat.attempt,
        outcome: report.outcome,
        failure: report.failure.clone(),
        at: report.finished_at,
    };
    let tenant = job
        .tenant()
        .map_err(|e| PortError::Unknown(e.to_string()))?;
    let told = AttemptOutcome::new(&job, tenant, &end).with_report(&report);
    door.memory.record(&seat, &told).await?;
    Ok(Json(()))
}

/// Asks memory for an agent of the seat: as the job's tenant, in the seat's name.
async fn ask(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<Ask>>,
) -> Told<Answer> {
    let seat = Seat::new(at.0, at.1);
    is_claimant(&door, &seat, &said.nonce).await?;
    let missing = || PortError::Unknown("the shared memory is not there".to_owned());
    let tools = door.tools.as_ref().ok_or_else(missing)?;
    let job = job_of(&door, &seat).await?;
    let tenant = job
        .tenant()
        .map_err(|e| PortError::Unknown(e.to_string()))?;
    let seat = Some(seat);
    Ok(Json(
        tools.answer(&Asker { tenant, seat }, &said.body).await,
    ))
}

async fn is_claimant(door: &SeatDoor, seat: &Seat, nonce: &str) -> Result<(), Refusal> {
    match door.seats.read(seat).await?.register {
        Register::Claimed(claim) if claim.nonce == nonce => Ok(()),
        _ => Err(Refusal(PortError::refused(
            sandbox_core::FailureClass::Infrastructure,
            "this seat is not yours; stop",
        ))),
    }
}

async fn job_of(door: &SeatDoor, seat: &Seat) -> Result<AgentJob, Refusal> {
    let gone = || PortError::NotFound("there is no such job any more".to_owned());
    Ok(door.store.load(&seat.uid).await?.ok_or_else(gone)?)
}
