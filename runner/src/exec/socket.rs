//! The runner's side of the seat protocol: HTTP on the node's unix socket, or at a door elsewhere.
//!
//! Every call is bounded in time and may fail. On one machine claim and report stand in files already;
//! elsewhere they are sent until they are answered. What memory was not told the reconciler tells it
//! from the report.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Failure, Heartbeat, Register, Report, Seat,
    port::{RecallQuery, Receipt},
};
use sandbox_elf::tools::{Answer, Ask};
use sandbox_operator::face::seat::{Heard, Signed, Told};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::door::Door;
use crate::settings::Settings;

/// Recall waits no longer than this; then the work runs without lessons.
const RECALL: Duration = Duration::from_secs(2);
/// Anything else.
const CALL: Duration = Duration::from_secs(5);
/// A piece of a checkpoint.
const PIECE: Duration = Duration::from_secs(30);
/// Somebody else is asked for secrets.
const SECRETS: Duration = Duration::from_secs(30);
/// A report may be large.
const REPORT: Duration = Duration::from_mins(1);

/// Why the node did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// This seat is another's or closed: stop.
    #[error("the node says: {0}")]
    Stale(String),
    /// The attempt cannot have what it asks for.
    #[error("the node says: {}", .0.message)]
    Refused(Failure),
    /// The node takes no message of this size.
    #[error("the node says that this is too large")]
    TooLarge,
    /// The node is not there or cannot now.
    #[error("called the node: {0}")]
    Unavailable(String),
}

/// Why the node did not keep a file.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It keeps none, or none of ours any more.
    #[error("the node keeps no files of this seat")]
    Nowhere,
    /// Not this one.
    #[error("the node says: {0}")]
    Refused(String),
    /// Not now.
    #[error("called the node: {0}")]
    Unavailable(String),
}

/// What the node says to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// When the time of the work is over, as the node sees it.
    pub over_at: Timestamp,
    /// Whether no attempt of the job comes after this one.
    pub is_last: bool,
}

fn kept(answer: Result<(StatusCode, Bytes), String>) -> Result<Bytes, KeepError> {
    let (status, bytes) = answer.map_err(KeepError::Unavailable)?;
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    match status {
        StatusCode::OK => Ok(bytes),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
            Err(KeepError::Refused(text()))
        }
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::CONFLICT => {
            Err(KeepError::Nowhere)
        }
        _ => Err(KeepError::Unavailable(format!("{status}: {}", text()))),
    }
}

/// How messages get to the node.
#[derive(Clone, Debug)]
enum Way {
    Socket(PathBuf),
    Door(Door),
}

/// A runner's way to its node.
#[derive(Clone, Debug)]
pub struct Node {
    way: Way,
    seat: Seat,
    nonce: String,
}

impl Node {
    /// The way for the claimant of this seat, on this machine.
    pub fn new(socket: PathBuf, seat: Seat, nonce: String) -> Self {
        let way = Way::Socket(socket);
        Self { way, seat, nonce }
    }

    /// The way to a door elsewhere.
    pub fn elsewhere(door: Door, seat: Seat, nonce: String) -> Self {
        let way = Way::Door(door);
        Self { way, seat, nonce }
    }

    /// The way that these settings name.
    ///
    /// # Errors
    /// They name a door that cannot be used.
    pub fn of(settings: &Settings, seat: Seat, nonce: String) -> Result<Self, String> {
        match &settings.door {
            Some(door) => Ok(Self::elsewhere(Door::new(door)?, seat, nonce)),
            None => Ok(Self::new(settings.socket.clone(), seat, nonce)),
        }
    }

    /// Claims the seat, or tells that it is claimed; gives what stands there.
    pub async fn claim(&self, claim: &Claim) -> Result<Register, CallError> {
        self.call("claim", claim, CALL).await
    }

    /// What the claimant is to do.
    pub async fn brief(&self) -> Result<Told, CallError> {
        self.call("brief", &self.signed(()), CALL).await
    }

    /// What the secrets hold that the job names, by their names.
    pub async fn secrets(&self) -> Result<BTreeMap<String, String>, CallError> {
        self.call("secrets", &self.signed(()), SECRETS).await
    }

    /// Sends the report.
    pub async fn report(&self, report: &Report) -> Result<(), CallError> {
        self.call("report", &self.signed(report), REPORT).await
    }

    /// Asks for lessons. When memory cannot be asked, the receipt says so.
    pub async fn recall(&self, query: RecallQuery) -> Receipt {
        let asked = self.call("recall", &self.signed(query), RECALL).await;
        asked.unwrap_or_else(|e: CallError| Receipt {
            unavailable: Some(e.to_string()),
            ..Receipt::default()
        })
    }

    /// Sends a durable heartbeat; gives what the node says to it.
    pub async fn beat(&self, beat: Heartbeat) -> Result<Beaten, CallError> {
        let heard: Heard = self.call("heartbeat", &self.signed(beat), CALL).await?;
        let over_at = Timestamp::now().checked_add(Duration::from_millis(heard.left_ms));
        Ok(Beaten {
            over_at: over_at.unwrap_or(Timestamp::MAX),
            is_last: heard.last,
        })
    }

    /// Asks memory to keep the outcome of the report that stands.
    pub async fn record(&self) -> Result<(), CallError> {
        self.call("record", &self.signed(()), CALL).await
    }

    /// Asks memory for an agent of the seat.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, CallError> {
        self.call("ask", &self.signed(ask), CALL).await
    }

    /// Sends one file that the work left, if the node is elsewhere and keeps files.
    ///
    /// # Errors
    /// It does not keep this one, or cannot now.
    pub async fn keep(&self, path: &[&str], file: File) -> Result<(), KeepError> {
        let Way::Door(door) = &self.way else {
            return Err(KeepError::Nowhere);
        };
        let sent = door.upload(&self.seat, path, (&self.nonce, file)).await;
        kept(sent).map(drop)
    }

    /// Asks about checkpoints: what there is, or this piece of one; or puts something there.
    ///
    /// # Errors
    /// The node is no door elsewhere, keeps none, or cannot now.
    pub async fn checkpoint(&self, path: &str, put: Option<Vec<u8>>) -> Result<Bytes, KeepError> {
        let Way::Door(door) = &self.way else {
            return Err(KeepError::Nowhere);
        };
        let asked = door.checkpoint(&self.seat, path, (&self.nonce, put));
        let answer = tokio::time::timeout(PIECE, asked).await;
        kept(answer.unwrap_or_else(|_| Err("no answer in time".to_owned())))
    }

    /// Whether the files of the work are elsewhere than the node.
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self.way, Way::Door(_))
    }

    fn signed<T>(&self, body: T) -> Signed<T> {
        Signed {
            nonce: self.nonce.clone(),
            body,
        }
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        verb: &str,
        body: &B,
        within: Duration,
    ) -> Result<T, CallError> {
        let failed = |e: &dyn std::fmt::Display| CallError::Unavailable(e.to_string());
        let body = serde_json::to_vec(body).map_err(|e| failed(&e))?;
        let answer = tokio::time::timeout(within, self.send(verb, body)).await;
        let (status, bytes) = answer.map_err(|_| failed(&"no answer in time"))??;
        match status {
            StatusCode::OK => serde_json::from_slice(&bytes).map_err(|e| failed(&e)),
            StatusCode::FORBIDDEN => Err(CallError::Stale(
                String::from_utf8_lossy(&bytes).into_owned(),
            )),
            StatusCode::PAYLOAD_TOO_LARGE => Err(CallError::TooLarge),
            StatusCode::UNPROCESSABLE_ENTITY => Err(match serde_json::from_slice(&bytes) {
                Ok(failure) => CallError::Refused(failure),
                Err(e) => failed(&e),
            }),
            _ => Err(failed(&format!(
                "{status}: {}",
                String::from_utf8_lossy(&bytes)
            ))),
        }
    }

    async fn send(&self, verb: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), CallError> {
        match &self.way {
            Way::Socket(socket) => on_socket(socket, &self.seat, verb, body).await,
            Way::Door(door) => {
                let answer = door.send(&self.seat, verb, body).await;
                answer.map_err(CallError::Unavailable)
            }
        }
    }
}

async fn on_socket(
    socket: &Path,
    seat: &Seat,
    verb: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), CallError> {
    let failed = |e: &dyn std::fmt::Display| CallError::Unavailable(e.to_string());
    let stream = UnixStream::connect(socket).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    let request = Request::post(format!("/v1/seats/{seat}/{verb}"))
        .header("host", "node")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| failed(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.map_err(|e| failed(&e))?;
    Ok((status, bytes.to_bytes()))
}
