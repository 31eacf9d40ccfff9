//! The way in for runners of this machine: the seat protocol on a socket. Nothing is answered here but what cannot be
//! passed on: who has a seat, and what is to be done in it, the control plane alone says.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use sandbox_core::{Seat, Uid};
use serde_json::Value;

use super::Machine;

/// Largest message of a runner: a report with its result.
const LARGEST: usize = 8 * 1024 * 1024;
/// How long a runner waits for an answer at most; its own patience is shorter.
const PATIENCE: Duration = Duration::from_mins(1);
/// What runners say.
const VERBS: [&str; 7] = [
    "claim",
    "brief",
    "recall",
    "heartbeat",
    "report",
    "record",
    "ask",
];

/// The routes for runners, to be served on a socket that only they reach.
pub fn relay(machine: Arc<Machine>) -> Router {
    Router::new()
        .route("/v1/seats/{uid}/{attempt}/{verb}", post(pass_on))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(machine)
}

async fn pass_on(
    State(machine): State<Arc<Machine>>,
    Path((uid, attempt, verb)): Path<(Uid, u32, String)>,
    Json(body): Json<Value>,
) -> Response {
    let seat = Seat::new(uid, attempt);
    if !VERBS.contains(&verb.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let record = machine.kept().get(&seat).cloned();
    let Some(record) = record.filter(|r| !r.over) else {
        let text = "nothing was started for this seat here, or it was ended; stop";
        return (StatusCode::FORBIDDEN, text).into_response();
    };
    let said = (&seat, verb.as_str(), body);
    let Some(reply) = machine.mailbox.post(&record.owner, said, PATIENCE).await else {
        let text = "the control plane did not answer in time";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, [(CONTENT_TYPE, "application/json")], reply.body).into_response()
}
