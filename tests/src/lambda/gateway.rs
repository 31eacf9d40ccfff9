//! API Gateway, as much of an HTTP API as there is in the deployment: one route, requests as events of format 2.0, and TLS
//! with a certificate of an authority that a test's runners know by `SSL_CERT_FILE`.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, RwLock},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use sandbox_operator::cluster::certificate::Certificate;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::runtime::Function;

/// The function that answers, which a test may replace.
pub(super) type Behind = Arc<RwLock<Arc<Function>>>;

/// The largest request, as API Gateway has it.
const LARGEST: usize = 10 << 20;

/// It ends with this value.
pub(super) struct Gateway {
    address: SocketAddr,
    authority: String,
    serving: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Where it will be, before there is anything behind it.
pub(super) struct Opening {
    listener: TcpListener,
    certificate: Certificate,
}

impl Opening {
    pub(super) fn new() -> Self {
        let names = ["localhost".to_owned()];
        let made = Certificate::renewed(None, &names, Timestamp::now());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            certificate: made.unwrap().unwrap(),
        }
    }

    pub(super) fn url(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("https://localhost:{port}")
    }

    /// Begins to answer by this function.
    pub(super) async fn serve(self, behind: Behind) -> Gateway {
        // Somebody may have chosen a provider already; theirs is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let Certificate {
            authorities,
            leaf,
            key,
            ..
        } = self.certificate;
        let tls = RustlsConfig::from_pem(leaf.into_bytes(), key.into_bytes());
        let tls = tls.await.unwrap();
        let address = self.listener.local_addr().unwrap();
        let routes = Router::new().fallback(pass).with_state(behind);
        let server = axum_server::from_tcp_rustls(self.listener, tls).unwrap();
        let serving = tokio::spawn(async move {
            let server = server.handle(Handle::new());
            server.serve(routes.into_make_service()).await.unwrap();
        });
        Gateway {
            address,
            authority: authorities,
            serving,
        }
    }

    /// The authority in PEM.
    pub(super) fn authority(&self) -> &str {
        &self.certificate.authorities
    }
}

impl Gateway {
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    let function = behind.read().unwrap().clone();
    let event = event(request).await;
    match function.invoke(&event).await {
        Ok(answer) => said(&answer),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"message":"Internal Server Error"}"#,
        )
            .into_response(),
    }
}

/// Headers in small letters, several of a name with commas between, cookies apart.
fn headers(all: &HeaderMap) -> (BTreeMap<String, String>, Vec<String>) {
    let mut headers = BTreeMap::<String, String>::new();
    let mut cookies = Vec::new();
    for (name, value) in all {
        let value = value.to_str().unwrap_or_default();
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        let known = headers.entry(name.to_string()).or_default();
        if !known.is_empty() {
            known.push(',');
        }
        known.push_str(value);
    }
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    (headers, cookies)
}

/// A request as API Gateway tells it.
async fn event(request: Request) -> Value {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    let text = std::str::from_utf8(&body).ok();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let (mut headers, cookies) = headers(&head.headers);
    // HTTP/2 has it elsewhere.
    let authority = head.uri.authority().map(ToString::to_string);
    let host = headers.entry("host".to_owned()).or_default();
    if let Some(authority) = authority {
        *host = authority;
    }
    let host = host.clone();
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "tests", "domainName": host, "domainPrefix": "tests",
            "http": {
                "method": head.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "tests",
            },
            "requestId": uuid::Uuid::new_v4(), "routeKey": "$default", "stage": "$default",
            "time": "30/Nov/2026:12:00:00 +0000", "timeEpoch": Timestamp::now().as_millisecond(),
        },
        "isBase64Encoded": text.is_none(),
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !body.is_empty() {
        event["body"] = json!(text.map_or_else(|| BASE64_STANDARD.encode(&body), str::to_owned));
    }
    event
}

/// An answer of the function as HTTP.
fn said(answer: &Value) -> Response {
    let status = answer["statusCode"]
        .as_u64()
        .and_then(|n| u16::try_from(n).ok());
    let mut response = Response::builder().status(status.unwrap_or(500));
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap_or_default());
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        response = response.header("set-cookie", cookie.as_str().unwrap_or_default());
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        BASE64_STANDARD.decode(body).unwrap_or_default()
    } else {
        body.as_bytes().to_vec()
    };
    response.body(Body::from(body)).unwrap()
}
