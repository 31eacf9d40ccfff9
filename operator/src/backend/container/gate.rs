//! A gate before the engine's socket: it lets through what this back end asks for, and nothing else.
//!
//! Who has the socket of an engine has its machine. A server in a container is given the gate's socket
//! instead: it can make hardened containers of seats with folders of its own volumes, and see, stop and
//! remove those. It trusts nothing of a request but what [`rules`] has checked.

mod rules;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sandbox_core::port::Answer;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use self::rules::{Need, Rules};
use super::{conf::SEAT_LABEL, engine::Engine, places::Places};

/// The label of the container that may learn about itself.
const CONTROL_LABEL: &str = "dev.multiagent.control";
/// Largest body of a request, and of an answer that is read here.
const BODY: usize = 1 << 20;

struct Gate {
    engine: PathBuf,
    rules: Rules,
}

/// Serves calls to the engine behind this socket until it is dropped. The folders that containers may
/// be given are those that are mounted into the container `own`, which is the gate's.
///
/// # Errors
/// The engine cannot be asked at the start, or the socket cannot be listened on any more.
pub async fn serve(listener: UnixListener, engine: PathBuf, own: Option<&str>) -> io::Result<()> {
    let asked = Engine::new(&format!("unix://{}", engine.display()));
    let asked = asked.map_err(io::Error::other)?;
    let places = Places::ask(&asked, own).await.map_err(io::Error::other)?;
    let rules = Rules { places };
    let gate = Arc::new(Gate { engine, rules });
    let router = Router::new().fallback(pass).with_state(gate);
    axum::serve(listener, router).await
}

/// Asks the engine through this socket what it is.
///
/// # Errors
/// It does not answer, with what to do.
pub async fn check(socket: &Path) -> Answer<()> {
    let engine = Engine::new(&format!("unix://{}", socket.display()))?;
    let reached = engine.client().await;
    reached.map(drop).map_err(|e| e.unknown("ask the gate"))
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(body) = read(body).await else {
        return refused(&parts, "its body is too large, or no JSON");
    };
    let answer = match gate.rules.need(&parts.method, &parts.uri, &body) {
        Err(why) => return refused(&parts, why),
        Ok(Need::Nothing) => gate.forward(parts, body).await,
        Ok(Need::Seat(container)) => gate.if_seat(&container, parts, body).await,
        Ok(Need::Shown) => gate.show(parts, body).await,
    };
    answer.unwrap_or_else(|e| {
        let text = format!("reach the container engine: {e}");
        told(StatusCode::BAD_GATEWAY, &text)
    })
}

/// What is checked is what is sent on: two readers of the same bytes can see two requests, where a key
/// stands in them twice.
async fn read(body: Body) -> Option<Value> {
    let bytes = to_bytes(body, BODY).await.ok()?;
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    serde_json::from_slice(&bytes).ok()
}

fn refused(parts: &Parts, why: &str) -> Response {
    let (method, path) = (&parts.method, parts.uri.path());
    tracing::warn!(%method, path, why, "refused");
    let text = format!("the gate before the engine refuses {method} {path}: {why}");
    told(StatusCode::FORBIDDEN, &text)
}

/// In the form of the engine's own answers.
fn told(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(json!({"message": text}))).into_response()
}

impl Gate {
    /// A call about one container is let through when that is one of a seat.
    async fn if_seat(&self, container: &str, parts: Parts, body: Value) -> io::Result<Response> {
        let path = format!("/containers/{container}/json");
        let (head, seen) = self.ask(&path).await?;
        match head {
            StatusCode::OK if has(&seen, SEAT_LABEL) => self.forward(parts, body).await,
            StatusCode::OK => Ok(refused(&parts, "it is no container of a seat")),
            other => Ok((other, axum::Json(seen)).into_response()),
        }
    }

    /// What a container is, for one of a seat and for the server's own. Of any other that has the
    /// name, no more is said than that it is there.
    async fn show(&self, parts: Parts, body: Value) -> io::Result<Response> {
        let path = parts.uri.path().to_owned();
        let (head, seen) = self.ask(&path).await?;
        if head == StatusCode::OK && !has(&seen, SEAT_LABEL) && !has(&seen, CONTROL_LABEL) {
            let least = json!({"Id": seen["Id"], "State": seen["State"], "Config": {"Labels": {}}});
            return Ok(axum::Json(least).into_response());
        }
        self.forward(parts, body).await
    }

    async fn ask(&self, path: &str) -> io::Result<(StatusCode, Value)> {
        let request = Request::get(path).header(header::HOST, "engine");
        let request = request.body(Body::empty()).map_err(io::Error::other)?;
        let answer = send(&self.engine, request).await?;
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), BODY).await;
        let bytes = bytes.map_err(io::Error::other)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// The same request, its head made anew: no word of it upgrades a connection.
    async fn forward(&self, parts: Parts, body: Value) -> io::Result<Response> {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let mut request = Request::builder().method(parts.method).uri(path);
        request = request.header(header::HOST, "engine");
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        let request = request.body(body).map_err(io::Error::other)?;
        send(&self.engine, request).await
    }
}

fn has(seen: &Value, label: &str) -> bool {
    seen["Config"]["Labels"][label].is_string()
}

async fn send(engine: &Path, request: Request) -> io::Result<Response> {
    let stream = TokioIo::new(UnixStream::connect(engine).await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(io::Error::other)?;
    Ok(answer.map(Body::new).into_response())
}
