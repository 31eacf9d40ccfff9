//! What every request passes on its way in and out: origin, host, key, cap, time limit, panics,
//! counting, and the headers that keep browsers from guessing.

use std::{net::IpAddr, panic::AssertUnwindSafe};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use futures::FutureExt;

use super::{
    app::App,
    problem::{Problem, Told},
};

/// The page that asks for a key.
const LOGIN: &str = "/dashboard/login";

/// Where the gate stands: before which path, and whether a key is asked for there.
#[derive(Clone)]
pub(super) struct Gate {
    pub app: App,
    pub path: &'static str,
    pub open: bool,
}

/// Passes a request, or says why not.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let answer = match admit(&gate, &mut request) {
        Ok(()) => run(&gate, request, next).await,
        Err(problem) if wants_login(&gate, &problem) => Redirect::to(LOGIN).into_response(),
        Err(problem) => problem.into_response(),
    };
    gate.app
        .metrics
        .request(&method, gate.path, answer.status());
    hardened(answer)
}

fn admit(gate: &Gate, request: &mut Request) -> Told<()> {
    let services = &gate.app.services;
    own_origin(request.headers(), request.uri())?;
    if !services.keys.required() {
        known_host(request.headers(), request.uri(), &services.limits.hosts)?;
    }
    if !gate.open {
        let session = || {
            let (method, headers) = (request.method(), request.headers());
            gate.app.sessions.caller(method, headers, &services.keys)
        };
        let tenant = match services.keys.caller(request.headers()) {
            Err(missing) if missing.is_missing_key() => session().ok_or(missing)?,
            caller => caller?,
        };
        request.extensions_mut().insert(tenant);
    }
    announced(request.headers(), services.limits.body)
}

/// A browser cannot send a key with a page: it is asked for one.
fn wants_login(gate: &Gate, problem: &Problem) -> bool {
    gate.path.starts_with("/dashboard") && problem.is_missing_key()
}

/// A body that is said to be too large is refused before it is sent.
fn announced(headers: &HeaderMap, most: usize) -> Told<()> {
    let size = headers.get(header::CONTENT_LENGTH);
    let size = size.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let fits = size.is_none_or(|size| size <= most as u64);
    fits.then_some(()).ok_or_else(Problem::too_large)
}

/// The cap holds until the answer begins: streams have their own.
async fn run(gate: &Gate, request: Request, next: Next) -> Response {
    let permit = gate.app.requests.try_acquire();
    if permit.is_err() && !gate.open {
        return Problem::unavailable("too many requests are at work; try again").into_response();
    }
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(gate.app.services.limits.request_time, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            tracing::error!(path = gate.path, "a handler panicked");
            let text = "something went wrong here; the server's log has more";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response()
        }
        Err(_) => {
            let text = "no answer in time; what was asked may still be done";
            Problem::unavailable(text).into_response()
        }
    }
}

fn hardened(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

/// The name and port this request was sent to.
fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    named.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// A web page of another origin may neither submit nor read, whatever its browser thinks of it.
fn own_origin(headers: &HeaderMap, uri: &Uri) -> Told<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let named = origin.to_str().ok().and_then(|o| o.split_once("://"));
    let own = named.is_some_and(|(_, name)| {
        authority(headers, uri).is_some_and(|a| a.eq_ignore_ascii_case(name))
    });
    let text = "requests of web pages of another origin are refused";
    own.then_some(())
        .ok_or_else(|| Problem::forbidden("foreign_origin", text))
}

/// Without keys, a name that somebody else may point at us proves that a foreign page is asking.
fn known_host(headers: &HeaderMap, uri: &Uri, more: &[String]) -> Told<()> {
    let name = authority(headers, uri)
        .map(without_port)
        .unwrap_or_default();
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.is_loopback());
    let known = loopback || more.iter().any(|m| m.eq_ignore_ascii_case(name));
    let text = "this name is not known as this server's; set SANDBOX_HOST_NAMES";
    known
        .then_some(())
        .ok_or_else(|| Problem::forbidden("unknown_host", text))
}

fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    }
}
