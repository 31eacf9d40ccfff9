//! The seat protocol: claim, recall, heartbeat, report, record, as HTTP for runners.
//!
//! Served on a unix socket beside the data, which only our own user can reach, or over TLS to whoever
//! holds a token for the very seat ([`pass`]). It believes a runner only as far as its nonce goes: whose
//! job it is, and what it asked, comes from the store, and the time from our own clock.

mod checkpoint;
mod comer;
mod pass;
mod review;
mod secrets;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, post, put},
};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Brief, Claim, FailureClass, Heartbeat, Register, Report, Seat, Uid, Usd, plan,
    port::{AttemptOutcome, Memory, PortError, RecallQuery, Seats, Store},
    status::EndedAttempt,
};
use sandbox_elf::tools::{Answer, Ask, Asker};
use serde::{Deserialize, Serialize};

use crate::{
    artifacts::Artifacts, checks::Checks, control::Waker, face::mcp::Tools, secrets::Secrets,
};

use comer::{Comer, tenant_of};
pub use pass::{Ours, Pass, Passes, Whom};
pub use review::Reviews;

/// Largest report that a runner may send, with its result.
const REPORT: usize = 8 * 1024 * 1024;
/// Largest heartbeat, with what it says of each agent.
const BEAT: usize = 256 * 1024;
/// Largest question to memory.
const QUESTION: usize = 1024 * 1024;
/// Largest message that says little more than who sends it.
const WORD: usize = 16 * 1024;

/// The header that carries the nonce of a claim where the message is a file.
pub const NONCE: &str = "sandbox-nonce";

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
    /// Reads the tokens of those who come; whoever reaches the door is let in without.
    pub passes: Option<Arc<dyn Passes>>,
    /// Where files are kept that jobs leave whose runners share no folder with us; they stay where they are without.
    pub artifacts: Option<Artifacts>,
    /// How long a runner may work on without being heard; no lease where it shares a machine with us.
    pub lease: Option<Duration>,
    /// By what farms' work is judged in places that have no file of ours.
    pub checks: Arc<Checks>,
    /// Tenants' secrets, for tasks, which have no other way to them.
    pub secrets: Option<Arc<dyn Secrets>>,
}

/// A message of the claimant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signed<T> {
    /// The nonce of the claim.
    pub nonce: String,
    /// What is said.
    pub body: T,
}

/// The routes, to be served on a socket, or over TLS where the door reads passes.
pub fn router(door: SeatDoor) -> Router {
    let verbs: [(&str, MethodRouter<SeatDoor>, usize); 8] = [
        ("claim", post(claim), WORD),
        ("brief", post(brief), WORD),
        ("secrets", post(secrets::of_job), WORD),
        ("recall", post(recall), QUESTION),
        ("heartbeat", post(heartbeat), BEAT),
        ("report", post(report), REPORT),
        ("record", post(record), WORD),
        ("ask", post(ask), QUESTION),
    ];
    let add = |router: Router<SeatDoor>, (verb, route, most): (&str, _, usize)| {
        let route: MethodRouter<SeatDoor> = route;
        let path = format!("/v1/seats/{{uid}}/{{attempt}}/{verb}");
        router.route(&path, route.layer(DefaultBodyLimit::max(most)))
    };
    let routes = verbs.into_iter().fold(Router::new(), add);
    let admit = middleware::from_fn_with_state(door.clone(), pass::admit);
    let routes = routes.route("/v1/seats/{uid}/{attempt}/artifacts/{*path}", put(artifact));
    let routes = routes.merge(checkpoint::routes());
    routes.route_layer(admit).with_state(door)
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
            PortError::Refused(why) if why.class == FailureClass::OutputRejected => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            PortError::Refused(_) => StatusCode::FORBIDDEN,
            PortError::Conflict(_) => StatusCode::CONFLICT,
            PortError::NotFound(_) => StatusCode::NOT_FOUND,
            PortError::NoRoom(_) | PortError::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (code, self.0.to_string()).into_response()
    }
}

type At = Path<(Uid, u32)>;
type Answered<T> = Result<Json<T>, Refusal>;

async fn claim(
    State(door): State<SeatDoor>,
    Path(at): At,
    pass: Option<Extension<Pass>>,
    Json(mut claim): Json<Claim>,
) -> Answered<Register> {
    let seat = Seat::new(at.0, at.1);
    if let Some(Extension(pass)) = pass {
        is_whom_it_says(&pass, &claim)?;
    }
    if door.lease.is_some() {
        claim.at = Timestamp::now();
    }
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

fn is_whom_it_says(pass: &Pass, claim: &Claim) -> Result<(), Refusal> {
    if pass.instance.is(&claim.instance) {
        return Ok(());
    }
    let text = "this token is of another instance; stop";
    Err(PortError::refused(FailureClass::Infrastructure, text).into())
}

/// What a claimant is told that has no file of ours before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// What it is to do.
    pub brief: Brief,
    /// How long it may still work, in milliseconds from now.
    pub left_ms: u64,
    /// How long it may work without a durable heartbeat, in milliseconds; no lease when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// What an hour in its place costs, besides what it spends; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_per_hour: Option<Usd>,
    /// How the work of a farm is judged; nothing where nobody named checks, or there is no work to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

/// The brief of the frozen attempt. Its times are told as spans too: clocks elsewhere differ from ours.
async fn brief(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<()>>,
) -> Answered<Told> {
    let attempt = comer.seat.attempt;
    let (job, _) = comer.claimant(&door, &said.nonce).await?;
    let status = job.status();
    let over = || PortError::refused(FailureClass::Infrastructure, "this attempt is over; stop");
    let current = status.attempt == attempt;
    let intent = status
        .intent
        .as_ref()
        .filter(|_| current)
        .ok_or_else(over)?;
    let brief = Brief::of(&job, intent);
    let capacity = intent
        .launch
        .as_ref()
        .and_then(|l| l.capacity(intent.choice));
    Ok(Json(Told {
        brief: brief.map_err(|e| PortError::Unknown(e.to_string()))?,
        left_ms: left_ms(&door, &job),
        lease_ms: door.lease.map(millis),
        usd_per_hour: capacity.map(|c| c.usd_per_hour),
        checks: checks(&door, &job),
    }))
}

/// What the server says, and nothing that the job could: only farms have work to judge.
fn checks(door: &SeatDoor, job: &AgentJob) -> Option<Checks> {
    let judged = job.spec.agent_farm.is_some() && !door.checks.stack.is_empty();
    judged.then(|| door.checks.as_ref().clone())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How long the work may still take.
fn left_ms(door: &SeatDoor, job: &AgentJob) -> u64 {
    let over_at = plan::over_at(job, door.deadline);
    let left = over_at.map(|at| at.duration_since(Timestamp::now()).as_millis());
    left.and_then(|ms| u64::try_from(ms).ok())
        .unwrap_or_default()
}

async fn recall(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<RecallQuery>>,
) -> Answered<sandbox_core::port::Receipt> {
    let seat = comer.seat.clone();
    let (job, _) = comer.claimant(&door, &said.nonce).await?;
    let tenant = tenant_of(&job)?;
    Ok(Json(door.memory.recall(&seat, &tenant, &said.body).await?))
}

/// What the claimant is told when it has said how it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heard {
    /// How long it may still work, in milliseconds from now: people may have given it more time.
    pub left_ms: u64,
    /// Whether no attempt of the job comes after this one, however it ends.
    pub last: bool,
}

async fn heartbeat(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<Heartbeat>>,
) -> Answered<Heard> {
    let seat = comer.seat.clone();
    let mut beat = said.body;
    if door.lease.is_some() {
        // It is counted from here: a clock elsewhere may be wrong.
        beat.at = Timestamp::now();
    }
    door.seats.beat(&seat, &said.nonce, beat).await?;
    door.waker.wake(&seat.uid);
    let job = comer.job(&door).await?;
    Ok(Json(Heard {
        left_ms: left_ms(&door, &job),
        last: checkpoint::ends(&job),
    }))
}

async fn report(
    State(door): State<SeatDoor>,
    Path(at): At,
    Json(said): Json<Signed<Report>>,
) -> Answered<()> {
    let seat = Seat::new(at.0, at.1);
    let mut report = said.body;
    if door.lease.is_some() {
        report.finished_at = report.finished_at.min(Timestamp::now());
        report.started_at = report.started_at.min(report.finished_at);
    }
    let goes_on = checkpoint::goes_on(&report);
    door.seats.report(&seat, &said.nonce, report).await?;
    door.waker.wake(&seat.uid);
    if !goes_on {
        checkpoint::forget(&door, &seat).await;
    }
    Ok(Json(()))
}

/// Keeps the outcome in memory from the report that stands; what the runner says now is not believed.
async fn record(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<()>>,
) -> Answered<()> {
    let seat = comer.seat.clone();
    let (job, stands) = comer.claimant(&door, &said.nonce).await?;
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
    let tenant = tenant_of(&job)?;
    let told = AttemptOutcome::new(&job, tenant, &end).with_report(&report);
    door.memory.record(&seat, &told).await?;
    Ok(Json(()))
}

/// Keeps one file that the job leaves; gives its size. One that is not to be kept is no reason to stop.
async fn artifact(
    State(door): State<SeatDoor>,
    Path((uid, _, path)): Path<(Uid, u32, String)>,
    comer: Comer,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<u64>, Response> {
    let whose = async {
        let (artifacts, job) = may_leave_files(&door, comer, &headers).await?;
        Ok::<_, Refusal>((artifacts, tenant_of(&job)?))
    };
    let (artifacts, tenant) = whose.await.map_err(IntoResponse::into_response)?;
    let owner = (&tenant, &uid);
    let put = artifacts.put(owner, &path, body.into_data_stream()).await;
    put.map(Json).map_err(|e| match e {
        PortError::Refused(why) => (StatusCode::UNPROCESSABLE_ENTITY, why.message).into_response(),
        other => Refusal(other).into_response(),
    })
}

/// Where the claimant of the seat may leave files, and of which job they are. After the report nothing is added.
async fn may_leave_files<'a>(
    door: &'a SeatDoor,
    comer: Comer,
    headers: &HeaderMap,
) -> Result<(&'a Artifacts, Arc<AgentJob>), Refusal> {
    let nonce = headers.get(NONCE).and_then(|n| n.to_str().ok());
    let (job, stands) = comer.claimant(door, nonce.unwrap_or_default()).await?;
    if stands.report.is_some() {
        return Err(PortError::Conflict("the report of this seat stands".to_owned()).into());
    }
    let missing = || PortError::NotFound("files of jobs are not kept here".to_owned());
    let artifacts = door.artifacts.as_ref().ok_or_else(missing)?;
    Ok((artifacts, job))
}

/// Asks memory for an agent of the seat: as the job's tenant, in the seat's name.
async fn ask(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<Ask>>,
) -> Answered<Answer> {
    let seat = comer.seat.clone();
    let (job, _) = comer.claimant(&door, &said.nonce).await?;
    let missing = || PortError::Unknown("the shared memory is not there".to_owned());
    let tools = door.tools.as_ref().ok_or_else(missing)?;
    let tenant = tenant_of(&job)?;
    let seat = Some(seat);
    Ok(Json(
        tools.answer(&Asker { tenant, seat }, &said.body).await,
    ))
}

#[cfg(test)]
mod tests;
