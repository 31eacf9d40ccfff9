//! The way in for control planes: HTTPS, a token for all of it, and an owner for each question.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sandbox_core::{
    Seat, Uid,
    port::{Answer, LogChunk, Look},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    Machine,
    wire::{About, LARGEST, LookAt, Owner, Piece, Poll, Polled, Reply, Start, Stop, Ticket, Told},
};

/// The longest that a poll waits.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

type Known = Arc<[u8; 32]>;
type At = Path<(Uid, u32)>;
type Said<T> = Json<Told<T>>;
type There = State<Arc<Machine>>;

/// What is kept of a token to know it by.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The routes for whoever has this token, to be served over TLS.
pub fn router(machine: Arc<Machine>, token: [u8; 32]) -> Router {
    let seat = "/v1/seats/{uid}/{attempt}";
    let of = |verb: &str| format!("{seat}/{verb}");
    Router::new()
        .route("/v1/host", get(about))
        .route("/v1/host/poll", post(poll))
        .route("/v1/host/replies", post(replies))
        .route(&of("ticket"), post(ticket))
        .route(&of("start"), post(start))
        .route(&of("look"), post(look))
        .route(&of("stop"), post(stop))
        .route(&of("logs"), post(logs))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn_with_state(Arc::new(token), admit))
        .with_state(machine)
}

async fn admit(State(known): State<Known>, request: Request, next: Next) -> Response {
    let said = request.headers().get(AUTHORIZATION);
    let said = said.and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    if said.is_some_and(|token| bool::from(digest(token).ct_eq(&known[..]))) {
        return next.run(request).await;
    }
    let text = "this machine asks for its token; `sandbox host` shows where it stands";
    (StatusCode::UNAUTHORIZED, text).into_response()
}

fn told<T>(answer: Answer<T>) -> Said<T> {
    Json(answer.map_err(Into::into))
}

async fn about(State(machine): There) -> Said<About> {
    Json(Ok(machine.about()))
}

async fn poll(
    State(machine): There,
    Query(Owner { owner }): Query<Owner>,
    Json(poll): Json<Poll>,
) -> Said<Polled> {
    let wait = Duration::from_millis(poll.wait_ms).min(LONGEST_WAIT);
    let (asked, changed) = machine.mailbox.fetch(&owner, wait).await;
    let kept = machine.kept();
    let mine = kept.iter().filter(|(_, r)| r.owner == owner);
    let seats = mine.map(|(seat, _)| seat.clone()).collect();
    drop(kept);
    Json(Ok(Polled {
        about: machine.about(),
        asked,
        changed,
        seats,
    }))
}

async fn replies(
    State(machine): There,
    Query(Owner { owner }): Query<Owner>,
    Json(all): Json<Vec<Reply>>,
) -> Said<()> {
    for reply in all {
        machine.answered(&owner, reply);
    }
    Json(Ok(()))
}

fn seat_of((uid, attempt): (Uid, u32)) -> Seat {
    Seat::new(uid, attempt)
}

async fn ticket(
    State(machine): There,
    Path(at): At,
    Query(Owner { owner }): Query<Owner>,
) -> Said<Ticket> {
    told(machine.ticket(&owner, &seat_of(at)))
}

async fn start(
    State(machine): There,
    Path(at): At,
    Query(Owner { owner }): Query<Owner>,
    Json(asked): Json<Start>,
) -> Said<()> {
    let seat = seat_of(at);
    // A start goes on to its end also when whoever asked is cut off meanwhile: half of one would be nobody's.
    let started = tokio::spawn(async move { machine.start(&owner, &seat, asked).await });
    let lost = |e| {
        Err(sandbox_core::port::PortError::Unknown(format!(
            "started a seat: {e}"
        )))
    };
    told(started.await.unwrap_or_else(lost))
}

async fn look(
    State(machine): There,
    Path(at): At,
    Query(Owner { owner }): Query<Owner>,
    Json(asked): Json<LookAt>,
) -> Said<Look> {
    told(
        machine
            .look(&owner, &seat_of(at), asked.claim.as_ref())
            .await,
    )
}

async fn stop(
    State(machine): There,
    Path(at): At,
    Query(Owner { owner }): Query<Owner>,
    Json(asked): Json<Stop>,
) -> Said<()> {
    let seat = seat_of(at);
    told(if asked.all {
        machine.reap(&owner, &seat).await
    } else {
        machine.stop(&owner, &seat, asked.keep.as_deref()).await
    })
}

async fn logs(
    State(machine): There,
    Path(at): At,
    Query(Owner { owner }): Query<Owner>,
    Json(piece): Json<Piece>,
) -> Said<LogChunk> {
    told(machine.logs(&owner, &seat_of(at), piece).await)
}
