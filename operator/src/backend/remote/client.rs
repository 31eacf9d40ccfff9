//! The way to one machine: HTTPS with its pinned certificate and its token. Says what keeps a machine from being reached,
//! and what to do about it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client as Http, Method, StatusCode, Url};
use sandbox_core::{
    Brief, Claim, Seat,
    cause::innermost,
    host::PinnedCertificate,
    port::{Answer, LogChunk, Look, PortError},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::pin;
use crate::host::wire::{
    About, LookAt, Piece, Poll, Polled, Reply, Start, Stop, Ticket, Told, VERSION,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// How much longer than it waits a poll's answer may take.
const LATE: Duration = Duration::from_secs(5);
/// How far a machine's clock may be from ours.
const CLOCK: SignedDuration = SignedDuration::from_mins(5);

/// Why a machine cannot be used, in a word and in a sentence with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// Such as `Unreachable`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Unready {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }
}

/// Where a machine is and how it is trusted.
pub struct ClientSettings {
    /// `host:port`.
    pub address: String,
    /// What its certificate is known by.
    pub certificate: PinnedCertificate,
    /// Its token.
    pub token: SecretString,
    /// What we are called there.
    pub owner: String,
}

/// One machine that can be asked.
pub struct Client {
    http: Http,
    url: Url,
    token: SecretString,
    owner: String,
}

impl Client {
    /// The way to this machine. Asks nobody yet.
    ///
    /// # Errors
    /// Address or certificate cannot be used.
    pub fn new(settings: ClientSettings) -> Result<Self, String> {
        let tls = pin::config(&settings.certificate)?;
        let http = Http::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none());
        let url = Url::parse(&format!("https://{}", settings.address));
        Ok(Self {
            http: http.build().map_err(|e| e.to_string())?,
            url: url.map_err(|e| format!("read spec.address: {e}"))?,
            token: settings.token,
            owner: settings.owner,
        })
    }

    /// Waits for what is new there.
    ///
    /// # Errors
    /// It cannot be reached, or is not to be trusted.
    pub async fn poll(&self, wait: Duration) -> Result<Polled, Unready> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let asked = self.request(Method::POST, "/v1/host/poll");
        let asked = asked.json(&Poll { wait_ms }).timeout(wait + LATE);
        let polled: Polled = match self.send(asked).await? {
            Ok(polled) => polled,
            Err(e) => return Err(self.unreachable(&PortError::from(e).to_string())),
        };
        trusted(&polled.about, Timestamp::now())?;
        Ok(polled)
    }

    /// Answers runners.
    ///
    /// # Errors
    /// It may not have been told.
    pub async fn reply(&self, replies: &[Reply]) -> Answer<()> {
        let asked = self.request(Method::POST, "/v1/host/replies");
        self.ask(asked.json(replies)).await
    }

    /// Asks for leave to start a seat.
    ///
    /// # Errors
    /// There is none; nothing was started.
    pub async fn ticket(&self, seat: &Seat) -> Answer<Ticket> {
        self.ask(self.of(Method::POST, seat, "ticket")).await
    }

    /// Starts a seat.
    ///
    /// # Errors
    /// `Refused` where it was not started; `Unknown` where it may have been.
    pub async fn start(&self, brief: &Brief, ticket: String, lease: Duration) -> Answer<()> {
        let start = Start {
            ticket,
            brief: brief.clone(),
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
        };
        let asked = self.of(Method::POST, &brief.seat, "start");
        self.ask(asked.json(&start)).await
    }

    pub(super) async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        let at = LookAt {
            claim: claim.cloned(),
        };
        self.ask(self.of(Method::POST, seat, "look").json(&at))
            .await
    }

    pub(super) async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        let stop = Stop {
            keep: keep.map(str::to_owned),
            all: false,
        };
        self.ask(self.of(Method::POST, seat, "stop").json(&stop))
            .await
    }

    /// Ends and removes all that was begun for a seat.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn reap(&self, seat: &Seat) -> Answer<()> {
        let stop = Stop {
            keep: None,
            all: true,
        };
        self.ask(self.of(Method::POST, seat, "stop").json(&stop))
            .await
    }

    pub(super) async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let piece = Piece { from, limit };
        self.ask(self.of(Method::POST, seat, "logs").json(&piece))
            .await
    }

    fn of(&self, method: Method, seat: &Seat, verb: &str) -> reqwest::RequestBuilder {
        self.request(method, &format!("/v1/seats/{seat}/{verb}"))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("owner", &self.owner);
        let request = self.http.request(method, url);
        request
            .bearer_auth(self.token.expose_secret())
            .timeout(ANSWER)
    }

    async fn ask<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Answer<T> {
        match self.send(request).await {
            Ok(told) => told.map_err(Into::into),
            Err(unready) => Err(PortError::Unknown(unready.message)),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Told<T>, Unready> {
        let answer = request.send().await.map_err(|e| self.failed(&e))?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map_err(|e| self.failed(&e)),
            StatusCode::UNAUTHORIZED => Err(Unready::new(
                "TokenRefused",
                format!(
                    "{} does not take the token; put the one that `sandbox host` shows there into the secret",
                    self.at()
                ),
            )),
            status => {
                let text = answer.text().await.unwrap_or_default();
                let end = text.floor_char_boundary(200);
                Err(self.unreachable(&format!("{status} {}", &text[..end])))
            }
        }
    }

    fn at(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    fn failed(&self, e: &reqwest::Error) -> Unready {
        // The library's own text names the whole address and not what went wrong.
        let text = innermost(e);
        if text.contains("ApplicationVerificationFailure") {
            let message = format!(
                "{} shows another certificate than the one that is pinned; if its key was changed, put the pin that \
                 `sandbox host` shows there into spec.certificate, else somebody else answers",
                self.at()
            );
            return Unready::new("CertificateMismatch", message);
        }
        let text = if e.is_timeout() {
            "no answer in time".to_owned()
        } else {
            text
        };
        self.unreachable(&text)
    }

    fn unreachable(&self, why: &str) -> Unready {
        let text = format!(
            "{} does not answer: {why}; see that `sandbox serve` runs there with SANDBOX_HOST_LISTEN and that its port is open to the operator",
            self.at()
        );
        Unready::new("Unreachable", text)
    }
}

/// Whether a machine that answers will do.
fn trusted(about: &About, now: Timestamp) -> Result<(), Unready> {
    if about.version != VERSION {
        let text = format!(
            "release {} runs there, which speaks version {} of the seat API, and this operator version {VERSION}; install the same release",
            about.release, about.version
        );
        return Err(Unready::new("ReleaseDiffers", text));
    }
    let off = about.now.duration_since(now);
    if off.abs() > CLOCK {
        let seconds = off.as_secs();
        let text = format!("its clock differs from ours by {seconds} s; have it set by NTP");
        return Err(Unready::new("ClockOff", text));
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    fn about(version: u32, now: &str) -> About {
        About {
            version,
            release: "1.0.0".to_owned(),
            instance: "i".to_owned(),
            backends: Vec::new(),
            slots: 1,
            free: 1,
            now: now.parse().unwrap(),
        }
    }

    #[test]
    fn a_machine_of_another_version_or_with_a_wrong_clock_will_not_do() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let reason = |about: &About| trusted(about, now).err().map(|u| u.reason);
        assert_eq!(reason(&about(VERSION, "2026-01-01T00:04:00Z")), None);
        assert_eq!(
            reason(&about(VERSION, "2026-01-01T00:06:00Z")),
            Some("ClockOff")
        );
        assert_eq!(
            reason(&about(VERSION, "2025-12-31T23:00:00Z")),
            Some("ClockOff")
        );
        assert_eq!(
            reason(&about(VERSION + 1, "2026-01-01T00:00:00Z")),
            Some("ReleaseDiffers")
        );
    }
}
