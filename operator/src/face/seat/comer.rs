//! Who comes to the door: which seat it names, and the job as it was read when its token was, so that one call reads it once
//! where the seat stands in it.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use sandbox_core::{
    AgentJob, FailureClass, Register, Seat, Tenant,
    port::{PortError, SeatRecord},
};

use super::{Refusal, SeatDoor, pass::Named};

/// Who says that it has a seat.
pub(super) struct Comer {
    pub(super) seat: Seat,
    job: Option<Arc<AgentJob>>,
}

/// A job, with what stands at the seat of whom it was read for.
pub(super) type Claimed = (Arc<AgentJob>, Box<SeatRecord>);

impl FromRequestParts<SeatDoor> for Comer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &SeatDoor) -> Result<Self, Response> {
        let named = Path::<Named>::from_request_parts(parts, door).await;
        let Path(named) = named.map_err(IntoResponse::into_response)?;
        Ok(Self {
            seat: named.seat(),
            job: parts.extensions.remove(),
        })
    }
}

impl Comer {
    /// Its job, with what stands at the seat, if the nonce is that of its claimant.
    pub(super) fn claimant<'a>(
        self,
        door: &'a SeatDoor,
        nonce: &'a str,
    ) -> BoxFuture<'a, Result<Claimed, Refusal>> {
        Box::pin(async move {
            let seat = &self.seat;
            let known = match self.job {
                Some(job) => Some(job),
                None => door.store.load(&seat.uid).await?.map(Arc::new),
            };
            if let Some(job) = known
                && let Some(record) = door.seats.read_in(&job, seat).await?
            {
                has_claimed(&record, nonce)?;
                return Ok((job, Box::new(record)));
            }
            let record = door.seats.read(seat).await?;
            has_claimed(&record, nonce)?;
            Ok((job_of(door, seat).await?, Box::new(record)))
        })
    }

    /// Its job.
    pub(super) async fn job(self, door: &SeatDoor) -> Result<Arc<AgentJob>, Refusal> {
        match self.job {
            Some(job) => Ok(job),
            None => job_of(door, &self.seat).await,
        }
    }
}

fn has_claimed(record: &SeatRecord, nonce: &str) -> Result<(), Refusal> {
    match &record.register {
        Register::Claimed(claim) if claim.nonce == nonce => Ok(()),
        _ => Err(Refusal(PortError::refused(
            FailureClass::Infrastructure,
            "this seat is not yours; stop",
        ))),
    }
}

pub(super) async fn job_of(door: &SeatDoor, seat: &Seat) -> Result<Arc<AgentJob>, Refusal> {
    let gone = || PortError::NotFound("there is no such job any more".to_owned());
    let found = door.store.load(&seat.uid).await?;
    Ok(Arc::new(found.ok_or_else(gone)?))
}

pub(super) fn tenant_of(job: &AgentJob) -> Result<Tenant, Refusal> {
    let tenant = job.tenant();
    Ok(tenant.map_err(|e| PortError::Unknown(e.to_string()))?)
}
