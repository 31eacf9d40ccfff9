//! The way to the API server: found, counted, and bounded in time.

use std::{
    path::Path,
    sync::Arc,
    task::{Context as Wake, Poll},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::http::{HeaderValue, Request, Response, Uri, header::USER_AGENT};
use futures::future::BoxFuture;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use tower::{BoxError, Layer, Service};

use crate::counts::Counted;

/// By what its requests are known in the API server's audit log.
const AGENT: &str = concat!("sandbox-operator/", env!("CARGO_PKG_VERSION"));
/// How long an answer may take to begin: a connection that is dead must hold up no job for longer.
const ANSWER: Duration = Duration::from_secs(15);

/// Where the API server is: in this file, or else as a pod is told.
///
/// # Errors
/// Neither says so.
pub async fn config(kubeconfig: Option<&Path>) -> Result<Config> {
    let mut config = found(kubeconfig).await?;
    let agent = (USER_AGENT, HeaderValue::from_static(AGENT));
    config.headers.push(agent);
    Ok(config)
}

async fn found(kubeconfig: Option<&Path>) -> Result<Config> {
    let Some(file) = kubeconfig else {
        return Config::incluster().context(
            "looked for the API server as a pod finds it; outside of a cluster, give --kubeconfig",
        );
    };
    let read = Kubeconfig::read_from(file);
    let read = read.with_context(|| format!("read the kubeconfig {}", file.display()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.with_context(|| format!("used the kubeconfig {}", file.display()))
}

/// A client that counts what it asks, and waits for no answer for ever.
///
/// # Errors
/// No client can be made of this configuration.
pub fn client(config: Config, requests: &Requests) -> Result<Client> {
    let builder = ClientBuilder::try_from(config).context("made a client for the API server")?;
    Ok(builder.with_layer(requests).build())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    verb: &'static str,
    resource: &'static str,
    code: u16,
}

/// What was asked of the API server. Code 0: no answer.
#[derive(Clone, Debug)]
pub struct Requests {
    all: Family<Asked, Counter>,
    answer: Duration,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            all: Family::default(),
            answer: ANSWER,
        }
    }
}

impl Requests {
    /// Puts them where they are read.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let all = self.all.clone();
        Arc::new(move |registry| {
            let about = "Requests to the API server";
            registry.register("sandbox_kube_requests", about, all.clone());
        })
    }
}

impl<S> Layer<S> for Requests {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        let requests = self.clone();
        Bounded { inner, requests }
    }
}

/// A service that counts what it is asked, and gives up in time.
#[derive(Clone, Debug)]
pub struct Bounded<S> {
    inner: S,
    requests: Requests,
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, wake: &mut Wake<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(wake)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, resource) = (verb(&request), resource(request.uri()));
        let Requests {
            all,
            answer: within,
        } = self.requests.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = tokio::time::timeout(within, answer).await;
            let answer = answer.unwrap_or_else(|late| Err(late.into()));
            let code = answer.as_ref().map_or(0, |a| a.status().as_u16());
            let asked = Asked {
                verb,
                resource,
                code,
            };
            all.get_or_create(&asked).inc();
            answer
        })
    }
}

fn verb(request: &Request<Body>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let watches = query.split('&').any(|part| part == "watch=true");
    match request.method().as_str() {
        "GET" if watches => "watch",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// What is asked about, of what this program asks about: labels must not grow with what stands in a path.
fn resource(uri: &Uri) -> &'static str {
    const KNOWN: [&str; 7] = [
        "agentjobs",
        "events",
        "leases",
        "pods",
        "secrets",
        "tokenreviews",
        "namespaces",
    ];
    let mut words = uri.path().split('/');
    let found = words.find_map(|word| KNOWN.into_iter().find(|known| *known == word));
    match found {
        // Of a namespace, rather.
        Some("namespaces") => {
            let found = words.find_map(|word| KNOWN.into_iter().find(|known| *known == word));
            found.unwrap_or("namespaces")
        }
        found => found.unwrap_or("other"),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::convert::Infallible;

    use axum::http::StatusCode;
    use prometheus_client::{encoding::text::encode, registry::Registry};
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;

    fn shown(requests: &Requests) -> String {
        let mut registry = Registry::default();
        requests.counted()(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    async fn ask(requests: &Requests, method: &str, path: &str) -> Result<(), BoxError> {
        let server = service_fn(|request: Request<Body>| async move {
            if request.uri().path() == "/silent" {
                std::future::pending::<()>().await;
            }
            let answer = Response::builder().status(StatusCode::CONFLICT);
            Ok::<_, Infallible>(answer.body(()).unwrap())
        });
        let server = ServiceBuilder::new()
            .map_err(BoxError::from)
            .service(server);
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        requests.layer(server).oneshot(request).await.map(|_| ())
    }

    #[tokio::test]
    async fn requests_are_counted_by_what_they_do_and_not_by_names_in_their_paths() {
        let requests = Requests::default();
        let jobs = "/apis/multiagent.dev/v1alpha1";
        for (method, path) in [
            ("GET", &*format!("{jobs}/agentjobs?watch=true&x=1")),
            (
                "PUT",
                &*format!("{jobs}/namespaces/pods/agentjobs/leases/status"),
            ),
            ("GET", "/api/v1/namespaces/team-a"),
            ("GET", "/version"),
        ] {
            ask(&requests, method, path).await.unwrap();
        }
        let text = shown(&requests);
        for line in [
            r#"{verb="watch",resource="agentjobs",code="409"} 1"#,
            r#"{verb="get",resource="namespaces",code="409"} 1"#,
            r#"{verb="get",resource="other",code="409"} 1"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_silent_holds_nobody_up_for_ever() {
        let requests = Requests {
            answer: Duration::from_millis(1),
            ..Requests::default()
        };
        assert!(ask(&requests, "GET", "/silent").await.is_err());
        assert!(shown(&requests).contains(r#"code="0"} 1"#));
    }
}
