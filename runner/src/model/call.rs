//! One try of a call: a request over HTTP and the stream that answers it.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use sandbox_core::{Failure, Usage};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ask,
    answer::{ApiError, Draft},
    misconfigured,
    sse::Parser,
    trouble::{Refusal, Trouble},
};

/// The version of the API.
const VERSION: &str = "2023-06-01";
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come; the API sends a ping every few seconds.
const SILENCE: Duration = Duration::from_mins(2);
/// Most of an error's body that is read.
const MAX_ERROR: usize = 64 * 1024;

/// A connection's settings and the secret it needs.
pub(super) struct Line {
    http: reqwest::Client,
    url: Url,
    key: SecretString,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: ApiError,
}

impl Line {
    /// The line to the API at this address.
    pub(super) fn new(base: &str, key: SecretString) -> Result<Self, Failure> {
        let url = address(base).ok_or_else(|| {
            misconfigured("ANTHROPIC_BASE_URL of `sandbox serve` is no http or https address")
        })?;
        let http = client(&url).map_err(|e| {
            let why = causes(&e);
            misconfigured(format!(
                "prepared the call of the model: {why}; install the package ca-certificates"
            ))
        })?;
        Ok(Self { http, url, key })
    }

    /// Asks once; the answer stands in the draft when it is over, and what came of it otherwise.
    pub(super) async fn once(
        &self,
        ask: &Ask<'_>,
        draft: &mut Draft,
        spent: &mut (dyn FnMut(Usage) + Send),
    ) -> Result<(), Trouble> {
        let answered = self.hear(ask, draft, spent).await;
        answered.map_err(|trouble| trouble.cleaned(self.key.expose_secret()))
    }

    async fn hear(
        &self,
        ask: &Ask<'_>,
        draft: &mut Draft,
        spent: &mut (dyn FnMut(Usage) + Send),
    ) -> Result<(), Trouble> {
        let mut response = self.send(ask).await?;
        let mut parser = Parser::default();
        while let Some(chunk) = response.chunk().await.map_err(|e| broken(&e))? {
            let events = parser
                .push(&chunk)
                .map_err(|e| Trouble::Garbled(e.to_string()))?;
            let any = !events.is_empty();
            for event in events {
                draft.take(&event)?;
            }
            if any {
                spent(draft.usage());
            }
            if draft.is_over() {
                return Ok(());
            }
        }
        Err(Trouble::Broken("it ended before its end".to_owned()))
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Response, Trouble> {
        let mut key = HeaderValue::from_str(self.key.expose_secret())
            .map_err(|_| Trouble::Garbled("the key cannot be sent".to_owned()))?;
        key.set_sensitive(true);
        let request = self.http.post(self.url.clone());
        let request = request
            .header("x-api-key", key)
            .header("anthropic-version", VERSION)
            .json(&body(ask));
        let response = request.send().await.map_err(|e| unsent(&e))?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        match response.headers().get(CONTENT_TYPE) {
            Some(kind) if kind.as_bytes().starts_with(b"text/event-stream") => Ok(response),
            _ => Err(Trouble::Garbled("it is no event stream".to_owned())),
        }
    }
}

fn address(base: &str) -> Option<Url> {
    let base = Url::parse(base).ok()?;
    let is_web = matches!(base.scheme(), "http" | "https") && base.has_host();
    let path = format!("{}/v1/messages", base.as_str().trim_end_matches('/'));
    Url::parse(&path).ok().filter(|_| is_web)
}

fn body(ask: &Ask<'_>) -> Value {
    let mut body = json!({
        "model": ask.model,
        "max_tokens": ask.max_tokens,
        "stream": true,
        "messages": [{"role": "user", "content": ask.prompt}],
    });
    if !ask.system.is_empty() {
        body["system"] = ask.system.into();
    }
    body
}

fn client(url: &Url) -> reqwest::Result<reqwest::Client> {
    // Here and not at the start of the process, which has other things to do first. Where another
    // provider stands already, it serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("multi-agent-sandbox/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the key to wherever it points.
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE);
    if url.scheme() == "http" {
        // A machine without certificates can still talk to a gateway beside it.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

fn unsent(error: &reqwest::Error) -> Trouble {
    if error.is_connect() {
        Trouble::Unreachable(causes(error))
    } else {
        broken(error)
    }
}

fn broken(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Broken("nothing came for too long".to_owned());
    }
    Trouble::Broken(causes(error))
}

/// The innermost reason. The error's own text names the address, which may hold a password.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        return "the request failed".to_owned();
    }
    cause.to_string()
}

async fn refused(mut response: Response) -> Trouble {
    let status = response.status().as_u16();
    let after = retry_after(response.headers(), Timestamp::now());
    let request = response.headers().get("request-id");
    let request = request.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let request = request.to_owned();
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ERROR {
            break;
        }
    }
    let body = serde_json::from_slice::<ErrorBody>(&bytes).unwrap_or_default();
    Trouble::Refused(Refusal {
        status,
        text: body.error.message,
        request,
        after,
    })
}

/// The header as RFC 9110 has it: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        retry_after(&headers, "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after("12"), Some(Duration::from_secs(12)));
        assert_eq!(
            after("Thu, 01 Jan 2026 00:01:00 GMT"),
            Some(Duration::from_mins(1))
        );
        assert_eq!(after("Wed, 31 Dec 2025 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_the_name_of_its_setting() {
        for base in [
            "",
            "api.example.com",
            "ftp://x",
            "file:///etc/passwd",
            "http://",
        ] {
            let failure = Line::new(base, SecretString::from("k")).err().unwrap();
            assert!(failure.message.contains("ANTHROPIC_BASE_URL"), "{base}");
        }
    }

    #[test]
    fn a_gateway_may_stand_beneath_a_path() {
        for base in ["https://gw.example/claude", "https://gw.example/claude/"] {
            let address = address(base).unwrap();
            assert_eq!(address.as_str(), "https://gw.example/claude/v1/messages");
        }
    }

    #[test]
    fn a_system_prompt_that_is_empty_is_not_sent() {
        let ask = Ask {
            model: "m",
            system: "",
            prompt: "p",
            max_tokens: 1,
        };
        assert_eq!(body(&ask).get("system"), None);
    }

    #[test]
    fn only_the_machine_itself_is_loopback() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(is("http://127.0.0.1:1/") && is("http://[::1]/") && is("http://localhost/"));
        assert!(!is("http://localhost.example.com/") && !is("http://10.0.0.1/"));
    }
}
