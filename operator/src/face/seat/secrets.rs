//! Secrets of a tenant that its job names, for the task that has claimed the seat and for nobody else. They stand in this one
//! answer; nothing of it is logged or kept.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sandbox_core::{
    AgentJob, Failure, FailureClass,
    port::PortError,
    spec::{self, BackendName},
};
use secrecy::ExposeSecret;

use super::{Comer, Refusal, SeatDoor, Signed};

/// What each secret holds that the job names, by its name. One that is not there is told as the failure that it is to
/// the attempt, with what to do.
pub(super) async fn of_job(
    State(door): State<SeatDoor>,
    comer: Comer,
    Json(said): Json<Signed<()>>,
) -> Result<Json<BTreeMap<String, String>>, Response> {
    let job = claimants(&door, comer, &said.nonce).await;
    let job = job.map_err(IntoResponse::into_response)?;
    gather(&door, &job).await.map(Json).map_err(|e| match e {
        PortError::Refused(why) => failed(&why),
        PortError::NotFound(text) => failed(&Failure::new(FailureClass::InvalidSpec, text)),
        other => Refusal(other).into_response(),
    })
}

/// The job of a seat that is at work in a task, for its claimant.
async fn claimants(door: &SeatDoor, comer: Comer, nonce: &str) -> Result<Arc<AgentJob>, Refusal> {
    let attempt = comer.seat.attempt;
    let (job, _) = comer.claimant(door, nonce).await?;
    let status = job.status();
    let current = status.attempt == attempt;
    let intent = status.intent.as_ref().filter(|_| current);
    if intent.is_some_and(|i| i.backend == BackendName::Fargate) {
        return Ok(job);
    }
    let text = "this attempt is over, or has its secrets otherwise; stop";
    Err(PortError::refused(FailureClass::Infrastructure, text).into())
}

async fn gather(door: &SeatDoor, job: &AgentJob) -> Result<BTreeMap<String, String>, PortError> {
    let tenant = job
        .tenant()
        .map_err(|e| PortError::Unknown(e.to_string()))?;
    let missing = || {
        let text = "read the job's secret: nobody said here where tenants' secrets are; set SANDBOX_FARGATE_SECRETS_PREFIX";
        PortError::refused(FailureClass::Infrastructure, text)
    };
    let mut all = BTreeMap::new();
    for name in spec::secrets(&job.spec) {
        let held = door.secrets.as_ref().ok_or_else(missing)?;
        let text = held.read(&tenant, name).await?;
        all.insert(name.to_owned(), text.expose_secret().to_owned());
    }
    Ok(all)
}

/// It is the attempt that fails, not the claim.
fn failed(why: &Failure) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(why)).into_response()
}
