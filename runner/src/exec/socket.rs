//! The runner's side of the seat protocol: HTTP on the node's unix socket.
//!
//! Every call is bounded in time and may fail: claim and report stand in files already, and what
//! memory was not told the reconciler tells it from the report.

use std::{path::PathBuf, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Heartbeat, Seat,
    port::{RecallQuery, Receipt},
};
use sandbox_elf::tools::{Answer, Ask};
use sandbox_operator::face::seat::{Heard, Signed};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

/// Recall waits no longer than this; then the work runs without lessons.
const RECALL: Duration = Duration::from_secs(2);
/// Anything else.
const CALL: Duration = Duration::from_secs(5);

/// Why the node did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// This seat is another's or closed: stop.
    #[error("the node says: {0}")]
    Stale(String),
    /// The node is not there or cannot now.
    #[error("called the node: {0}")]
    Unavailable(String),
}

/// A runner's way to its node.
#[derive(Clone, Debug)]
pub struct Node {
    socket: PathBuf,
    seat: Seat,
    nonce: String,
}

impl Node {
    /// The way for the claimant of this seat.
    pub fn new(socket: PathBuf, seat: Seat, nonce: String) -> Self {
        Self {
            socket,
            seat,
            nonce,
        }
    }

    /// Tells that the seat is claimed.
    pub async fn claimed(&self, claim: &Claim) -> Result<(), CallError> {
        let _: sandbox_core::Register = self.call("claim", claim, CALL).await?;
        Ok(())
    }

    /// Asks for lessons. When memory cannot be asked, the receipt says so.
    pub async fn recall(&self, query: RecallQuery) -> Receipt {
        let asked = self.call("recall", &self.signed(query), RECALL).await;
        asked.unwrap_or_else(|e: CallError| Receipt {
            unavailable: Some(e.to_string()),
            ..Receipt::default()
        })
    }

    /// Sends a durable heartbeat; gives when the time of the work is over, as the node sees it.
    pub async fn beat(&self, beat: Heartbeat) -> Result<Timestamp, CallError> {
        let heard: Heard = self.call("heartbeat", &self.signed(beat), CALL).await?;
        let over_at = Timestamp::now().checked_add(Duration::from_millis(heard.left_ms));
        Ok(over_at.unwrap_or(Timestamp::MAX))
    }

    /// Asks memory to keep the outcome of the report that stands.
    pub async fn record(&self) -> Result<(), CallError> {
        self.call("record", &self.signed(()), CALL).await
    }

    /// Asks memory for an agent of the seat.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, CallError> {
        self.call("ask", &self.signed(ask), CALL).await
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
            _ => Err(failed(&format!(
                "{status}: {}",
                String::from_utf8_lossy(&bytes)
            ))),
        }
    }

    async fn send(&self, verb: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), CallError> {
        let failed = |e: &dyn std::fmt::Display| CallError::Unavailable(e.to_string());
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| failed(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(&e))?;
        tokio::spawn(connection);
        let request = Request::post(format!("/v1/seats/{}/{verb}", self.seat))
            .header("host", "node")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| failed(&e))?;
        let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(|e| failed(&e))?;
        Ok((status, bytes.to_bytes()))
    }
}
