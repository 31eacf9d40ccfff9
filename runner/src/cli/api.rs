//! The command line's way to a server: one request, its JSON, or the server's own words on failure.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;

use crate::config::Sources;

/// What is said of an answer that broke off.
pub const UNREAD: &str = "read the server's answer";

/// Where the server is and who asks.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerFlags {
    /// Where the server is [env: SANDBOX_SERVER] [default: <http://127.0.0.1:8000>]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// A file that holds the API key [or env: SANDBOX_API_KEY, SANDBOX_API_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<std::path::PathBuf>,
}

impl ServerFlags {
    /// The way to the server.
    ///
    /// # Errors
    /// A file that was named is not readable, or the address is none.
    pub fn api(&self) -> Result<Api> {
        let sources = Sources::read(None, None)?;
        let named = self.server.as_deref().or(sources.get("SANDBOX_SERVER"));
        let base = named
            .unwrap_or("http://127.0.0.1:8000")
            .trim_end_matches('/');
        let set = sources.get("SANDBOX_API_KEY_FILE").map(Into::into);
        let file = self.api_key_file.clone();
        let key = match (file, sources.get("SANDBOX_API_KEY")) {
            (None, Some(key)) => Some(key.to_owned()),
            (file, _) => file.or(set).as_deref().map(read).transpose()?,
        };
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Api {
            base: base.to_owned(),
            key: key.map(|k| k.trim().to_owned()),
            client,
        })
    }
}

fn read(file: &std::path::Path) -> Result<String> {
    let read = std::fs::read_to_string(file);
    read.with_context(|| format!("read the API key from {}", file.display()))
}

/// A server that can be asked.
pub struct Api {
    base: String,
    key: Option<String>,
    client: Client,
}

impl Api {
    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    /// Reads this path.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses; its own words are in the error.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Posts this to this path.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<Value> {
        let mut request = self.request(Method::POST, path).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.json(request).await
    }

    /// Posts this to this path; where the server says that it comes too soon, again when it may.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn post_in_turn(&self, path: &str, body: &Value) -> Result<Value> {
        loop {
            let request = self.request(Method::POST, path).json(body);
            let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                return Self::good(answer).await?.json().await.context(UNREAD);
            }
            let wait = answer.headers().get(RETRY_AFTER);
            let wait = wait.and_then(|w| w.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1).clamp(1, 60))).await;
        }
    }

    /// Changes what stands at this path.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(self.request(Method::PATCH, path).json(body))
            .await
    }

    /// The answer as it comes, for texts and streams.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn raw(&self, path: &str) -> Result<Response> {
        self.send(self.request(Method::GET, path)).await
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value> {
        let answer = self.send(request).await?;
        answer.json().await.context(UNREAD)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        Self::good(request.send().await.map_err(|e| self.unreachable(&e))?).await
    }

    async fn good(answer: Response) -> Result<Response> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = problem["detail"].as_str().or(problem["title"].as_str());
        bail!(
            "the server refused ({}): {}",
            status.as_u16(),
            said.unwrap_or(text.trim())
        )
    }

    fn unreachable(&self, e: &reqwest::Error) -> anyhow::Error {
        if e.is_connect() {
            return anyhow!(
                "no server answers at {}; start one with `sandbox serve`, or name another with --server",
                self.base
            );
        }
        anyhow!("asked {}: {e}", self.base)
    }

    /// The record of the job of this id or name.
    ///
    /// # Errors
    /// There is no such job, or the server cannot be asked.
    pub async fn job(&self, named: &str) -> Result<Value> {
        if named.parse::<sandbox_core::Uid>().is_ok() {
            return self.get(&format!("/jobs/{named}")).await;
        }
        if !is_name(named) {
            bail!("{named:?} is neither a job's id nor a job's name");
        }
        let found = self.get(&format!("/jobs?name={named}&limit=1")).await?;
        let first = found["jobs"][0].clone();
        if first.is_null() {
            bail!("there is no job {named:?}; `sandbox get jobs` lists them");
        }
        Ok(first)
    }

    /// The id of the job of this id or name.
    ///
    /// # Errors
    /// As [`Api::job`].
    pub async fn id(&self, named: &str) -> Result<String> {
        if named.parse::<sandbox_core::Uid>().is_ok() {
            return Ok(named.to_owned());
        }
        let job = self.job(named).await?;
        Ok(job["job_id"].as_str().unwrap_or_default().to_owned())
    }
}

/// A path as it stands in an address.
///
/// # Errors
/// There is nothing in it.
pub fn escaped(path: &str) -> Result<String> {
    let mut url: Url = "http://server".parse()?;
    if let Ok(mut names) = url.path_segments_mut() {
        names.clear().extend(path.split('/'));
    }
    let escaped = url.path().trim_start_matches('/').to_owned();
    ensure!(!escaped.is_empty(), "{path:?} names no file");
    Ok(escaped)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}
