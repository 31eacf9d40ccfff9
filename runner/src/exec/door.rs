//! The way to a seat door elsewhere: HTTPS, its authority, and a token that is read for each call because
//! it is renewed while we work.

use std::{fs::File, path::PathBuf};

use hyper::{StatusCode, body::Bytes};
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Url};
use sandbox_core::{Seat, cause::innermost};
use sandbox_operator::face::seat::NONCE;
use serde::{Deserialize, Serialize};

/// Where a door is and how to get in; no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorSettings {
    /// `https://host:port`.
    pub url: String,
    /// The one authority of its certificate, in PEM; empty where it is one that everybody knows.
    pub authority: String,
    /// The file with the token.
    pub token_file: PathBuf,
}

/// A door that can be called.
#[derive(Clone, Debug)]
pub struct Door {
    client: Client,
    url: String,
    token_file: PathBuf,
}

impl Door {
    /// The way to this door. Nobody is called yet.
    ///
    /// # Errors
    /// The authority is none.
    pub fn new(settings: &DoorSettings) -> Result<Self, String> {
        let broken = |e: reqwest::Error| format!("read SANDBOX_SEAT_CA: {e}");
        let client = client(&settings.authority).and_then(ClientBuilder::build);
        Ok(Self {
            client: client.map_err(broken)?,
            url: settings.url.trim_end_matches('/').to_owned(),
            token_file: settings.token_file.clone(),
        })
    }

    /// Sends one message; gives the answer whatever it is.
    ///
    /// # Errors
    /// There was none.
    pub async fn send(
        &self,
        seat: &Seat,
        verb: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = self
            .client
            .post(format!("{}/v1/seats/{seat}/{verb}", self.url))
            .header("content-type", "application/json")
            .body(body);
        self.answer(request).await
    }

    /// Sends one file, at this path beneath the job's folder, with the nonce of the claim; gives the answer whatever
    /// it is.
    ///
    /// # Errors
    /// There was none.
    pub async fn upload(
        &self,
        seat: &Seat,
        path: &[&str],
        (nonce, file): (&str, File),
    ) -> Result<(StatusCode, Bytes), String> {
        let base = format!("{}/v1/seats/{seat}/artifacts", self.url);
        let mut url: Url = base.parse().map_err(|e| format!("read the address: {e}"))?;
        if let Ok(mut names) = url.path_segments_mut() {
            names.extend(path);
        }
        let body = tokio::fs::File::from_std(file);
        let request = self.client.put(url).header(NONCE, nonce).body(body);
        self.answer(request).await
    }

    /// Asks for what stands at this path among the checkpoints of the seat's job, or puts it there; gives the answer
    /// whatever it is.
    ///
    /// # Errors
    /// There was none.
    pub async fn checkpoint(
        &self,
        seat: &Seat,
        path: &str,
        (nonce, put): (&str, Option<Vec<u8>>),
    ) -> Result<(StatusCode, Bytes), String> {
        let url = format!("{}/v1/seats/{seat}/checkpoint{path}", self.url);
        let request = match put {
            Some(bytes) => self.client.put(url).body(bytes),
            None => self.client.get(url),
        };
        let request = request.header("content-type", "application/json");
        self.answer(request.header(NONCE, nonce)).await
    }

    /// Sends a request with the token as it is now.
    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Bytes), String> {
        let token = std::fs::read_to_string(&self.token_file)
            .map_err(|e| format!("read the token of the pod: {e}"))?;
        // The library's own text names the whole address and not what went wrong.
        let answer = request.bearer_auth(token.trim()).send().await;
        let answer = answer.map_err(|e| innermost(&e))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|e| innermost(&e))?;
        Ok((status, bytes))
    }
}

/// Nothing but the door's own authority counts where it has one, and no proxy of the job's is asked.
fn client(authority: &str) -> reqwest::Result<ClientBuilder> {
    let client = Client::builder().https_only(true).no_proxy();
    if authority.is_empty() {
        return Ok(client);
    }
    let authority = Certificate::from_pem_bundle(authority.as_bytes())?;
    Ok(client.tls_certs_only(authority))
}
