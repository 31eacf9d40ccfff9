//! Who comes in at a door that others reach: a token says for which seat, as which instance, and whose.
//! A door without passes believes whoever gets there.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, FailureClass, Seat, Tenant, Uid,
    port::{Answer, PortError},
};

use super::{Refusal, SeatDoor, comer::job_of};
use crate::tokens::{MARK, Tokens};

/// What the names of instances begin with that hold tokens of ours.
const TASK: &str = "task:";

/// No token is longer.
const LONGEST: usize = 16 * 1024;

/// What a token says of whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Where its pod is: only jobs of this tenant may be spoken for.
    pub tenant: Tenant,
    /// The one seat.
    pub seat: Seat,
    /// As which instance, as in [`sandbox_core::Claim::instance`]; of what kind, where the token was made before there was one.
    pub instance: Whom,
}

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This instance alone.
    One(String),
    /// Any whose name begins so: who claims first has the seat, and nobody else after that.
    Kind(&'static str),
}

impl Whom {
    /// Whether the token is for this instance.
    #[must_use]
    pub fn is(&self, instance: &str) -> bool {
        match self {
            Self::One(name) => name == instance,
            Self::Kind(start) => instance.starts_with(start),
        }
    }
}

/// Reads tokens.
#[async_trait]
pub trait Passes: Send + Sync {
    /// What this token says.
    ///
    /// # Errors
    /// `Refused` for one that is not good here, with no word of it; `Unknown` when that cannot be
    /// told now.
    async fn read(&self, token: &str) -> Answer<Pass>;
}

/// Tokens that we made ourselves, and all others by somebody else.
pub struct Ours {
    tokens: Tokens,
    others: Arc<dyn Passes>,
}

impl Ours {
    /// Reads these, and asks about the others.
    #[must_use]
    pub fn or(tokens: Tokens, others: Arc<dyn Passes>) -> Self {
        Self { tokens, others }
    }
}

#[async_trait]
impl Passes for Ours {
    async fn read(&self, token: &str) -> Answer<Pass> {
        if token.starts_with(MARK) {
            self.tokens.read(token).await
        } else {
            self.others.read(token).await
        }
    }
}

#[async_trait]
impl Passes for Tokens {
    async fn read(&self, token: &str) -> Answer<Pass> {
        let ticket = self.ticket(token, Timestamp::now());
        let none = || {
            PortError::refused(
                FailureClass::Infrastructure,
                "this token is not good here, or not any more",
            )
        };
        let ticket = ticket.ok_or_else(none)?;
        Ok(Pass {
            tenant: ticket.tenant,
            seat: ticket.seat,
            instance: Whom::Kind(TASK),
        })
    }
}

/// The seat in a path, whatever else that names.
#[derive(serde::Deserialize)]
pub(super) struct Named {
    uid: Uid,
    attempt: u32,
}

impl Named {
    pub(super) fn seat(self) -> Seat {
        Seat::new(self.uid, self.attempt)
    }
}

/// Nobody passes without a token for the very seat. What is let in carries its [`Pass`], and the job as it was read.
pub(super) async fn admit(
    State(door): State<SeatDoor>,
    Path(named): Path<Named>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(passes) = door.passes.clone() else {
        return next.run(request).await;
    };
    match allowed(&door, &passes, &named.seat(), request.headers()).await {
        Ok((pass, job)) => {
            request.extensions_mut().insert(pass);
            request.extensions_mut().insert(job);
            next.run(request).await
        }
        Err(refused) => refused,
    }
}

async fn allowed(
    door: &SeatDoor,
    passes: &Arc<dyn Passes>,
    seat: &Seat,
    headers: &HeaderMap,
) -> Result<(Pass, Arc<AgentJob>), Response> {
    let token = token(headers).ok_or_else(|| unauthorized("a token is needed"))?;
    let pass = match passes.read(token).await {
        Ok(pass) => pass,
        Err(PortError::Refused(why)) => return Err(unauthorized(&why.message)),
        Err(e) => return Err(Refusal(e).into_response()),
    };
    if pass.seat != *seat {
        return Err(stranger("this token is for another seat; stop"));
    }
    let job = job_of(door, seat)
        .await
        .map_err(IntoResponse::into_response)?;
    match job.tenant() {
        Ok(tenant) if tenant == pass.tenant => Ok((pass, job)),
        _ => Err(stranger("this token is of another namespace; stop")),
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = text.strip_prefix("Bearer ")?.trim();
    (1..=LONGEST).contains(&token.len()).then_some(token)
}

/// The holder may come again with a newer token.
fn unauthorized(why: &str) -> Response {
    (StatusCode::UNAUTHORIZED, why.to_owned()).into_response()
}

/// The holder is who it says, and has nothing to do here.
pub(super) fn stranger(why: &str) -> Response {
    Refusal(PortError::refused(FailureClass::Infrastructure, why)).into_response()
}
