//! A client that counts its requests, and loses answers when it is told to: the request is done, and nobody hears of it.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::http::Request;
use futures::future::BoxFuture;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{BoxError, Layer, Service};

/// What a client asked.
#[derive(Clone, Default)]
pub struct Spy(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: Mutex<Vec<String>>,
    /// Of which methods the answers are lost, each once.
    losing: Mutex<Vec<&'static str>>,
}

impl Spy {
    /// A client that this one watches. It asks again by itself only where it is told to.
    #[must_use]
    pub fn client(&self, mut config: Config) -> Client {
        config.default_retry = false;
        let builder = ClientBuilder::try_from(config).unwrap();
        builder.with_layer(self).build()
    }

    /// What was asked since the last time, as `VERB what`.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.asked.lock().unwrap())
    }

    /// Loses the answer to the next request of this method.
    pub fn lose(&self, method: &'static str) {
        self.0.losing.lock().unwrap().push(method);
    }

    fn loses(&self, method: &str) -> bool {
        let mut losing = self.0.losing.lock().unwrap();
        let found = losing.iter().position(|m| *m == method);
        found.map(|at| losing.remove(at)).is_some()
    }
}

/// The verb and what it is done to: an object, its status, all of them, a watch of them, or a stream that begins with all.
fn described(request: &Request<Body>) -> String {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let what = match uri.path() {
        _ if query.contains("sendInitialEvents=true") => "stream",
        _ if query.contains("watch=true") => "watch",
        path if path.ends_with("/status") => "status",
        path if path.ends_with("/agentjobs") => "all",
        _ => "object",
    };
    format!("{} {what}", request.method())
}

impl<S> Layer<S> for Spy {
    type Service = Spied<S>;

    fn layer(&self, inner: S) -> Spied<S> {
        let spy = self.clone();
        Spied { inner, spy }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Spied<S> {
    inner: S,
    spy: Spy,
}

impl<S> Service<Request<Body>> for Spied<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.spy.0.asked.lock().unwrap().push(described(&request));
        let lost = self.spy.loses(request.method().as_str());
        let asked = self.inner.call(request);
        Box::pin(async move {
            let answer = asked.await.map_err(Into::into)?;
            if lost {
                return Err("the connection was reset".into());
            }
            Ok(answer)
        })
    }
}
