//! The paths of the Messages API.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ErrorReply, Recorded, Reply, State, stream};

/// Requests of a long session pass; more is an error of the client.
const BODY_LIMIT: usize = 64 << 20;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .fallback(other)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(state)
}

async fn messages(
    Shared(state): Shared<Arc<State>>,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Recorded::new(&method, &uri, &headers, &body);
    if !request.body.is_object() {
        state.record(request);
        return refuse(&fault(400, "the body is not a JSON object"));
    }
    let title = request.asks_for_title();
    let (model, streamed) = (model(&request.body), request.body["stream"] == true);
    let rule = state.choose(request);
    state.let_go().await;
    let reply = match rule {
        Some(rule) => {
            tokio::time::sleep(Duration::from_millis(rule.delay_ms)).await;
            rule.reply
        }
        None if title => Reply::text(r#"{"title": "Scripted work"}"#),
        None => Reply::text("The script has no answer for this."),
    };
    answer(&reply, &model, streamed)
}

fn model(body: &Value) -> String {
    body["model"].as_str().unwrap_or("scripted").to_owned()
}

fn answer(reply: &Reply, model: &str, streamed: bool) -> Response {
    if let Some(error) = &reply.error {
        return refuse(error);
    }
    let message = message(reply, model);
    let mut response = if streamed {
        stream::response(&message)
    } else {
        Json(message).into_response()
    };
    mark(&mut response);
    response
}

/// The whole message, as an answer without a stream has it.
fn message(reply: &Reply, model: &str) -> Value {
    let text = reply
        .text
        .iter()
        .map(|t| json!({"type": "text", "text": t}));
    let tools = reply.tool_use.iter().map(|tool| {
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        json!({"type": "tool_use", "id": id, "name": tool.name, "input": tool.input})
    });
    let default = if reply.tool_use.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    json!({
        "id": format!("msg_{}", Uuid::new_v4().simple()),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": text.chain(tools).collect::<Vec<_>>(),
        "stop_reason": reply.stop_reason.as_deref().unwrap_or(default),
        "stop_sequence": null,
        "usage": reply.usage,
    })
}

/// A rough count, at four bytes a token.
async fn count_tokens(
    Shared(state): Shared<Arc<State>>,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    state.record(Recorded::new(&method, &uri, &headers, &body));
    Json(json!({"input_tokens": body.len().div_ceil(4)})).into_response()
}

async fn other(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    state.record(Recorded::new(
        &parts.method,
        &parts.uri,
        &parts.headers,
        &[],
    ));
    refuse(&fault(404, "there is nothing here"))
}

fn fault(status: u16, message: &str) -> ErrorReply {
    let message = message.to_owned();
    ErrorReply {
        status,
        kind: None,
        message,
        retry_after: None,
    }
}

fn refuse(error: &ErrorReply) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = error.kind.as_deref().unwrap_or(kind_of(error.status));
    let error_body = json!({"type": kind, "message": error.message});
    let mut response =
        (status, Json(json!({"type": "error", "error": error_body}))).into_response();
    mark(&mut response);
    if let Some(seconds) = error.retry_after {
        let name = HeaderName::from_static("retry-after");
        response
            .headers_mut()
            .insert(name, HeaderValue::from(seconds));
    }
    response
}

/// The API's type of error for a status.
fn kind_of(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

/// Every answer of the API carries an id.
fn mark(response: &mut Response) {
    let id = format!("req_{}", Uuid::new_v4().simple());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("request-id"), value);
    }
}
