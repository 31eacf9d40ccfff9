//! Reads queries and bodies, so that a wrong one is a problem like every other. Knows no route.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, request::Parts},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::{Problem, Told};

/// The query of a request.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Told<Self> {
        let found = Query::<T>::from_request_parts(parts, state).await;
        let wrong = |e: axum::extract::rejection::QueryRejection| {
            Problem::invalid(format!("query: {}", e.body_text()))
        };
        found.map(|Query(t)| Self(t)).map_err(wrong)
    }
}

/// The body of a request as JSON, whatever its content type says: the old README's curl lines name none.
pub(super) struct Body(pub Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Told<Self> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|e| not_read(e.into_response().status()))?;
        let wrong = |e: serde_json::Error| Problem::invalid(format!("body is no JSON: {e}"));
        serde_json::from_slice(&bytes).map(Self).map_err(wrong)
    }
}

fn not_read(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large();
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_lost",
        "the body could not be read",
    )
}
