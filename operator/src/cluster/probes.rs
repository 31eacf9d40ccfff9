//! What the kubelet and Prometheus ask: whether the process lives, whether it can serve, and what it counted. Open to
//! whoever reaches it, so it names no job and no tenant.

use std::net::TcpListener;

use anyhow::{Context, Result};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::sync::watch;

use crate::listen;

/// What a replica cannot serve without yet; it is ready when nothing is missing.
pub type Missing = watch::Receiver<Option<&'static str>>;

/// The routes.
pub fn router(missing: Missing, metrics: Router) -> Router {
    let probes = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(missing);
    probes.merge(metrics)
}

async fn ready(State(missing): State<Missing>) -> (StatusCode, &'static str) {
    match *missing.borrow() {
        None => (StatusCode::OK, "ok"),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, what),
    }
}

/// Serves until `stop` resolves.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let served = listen::serve(listener, router, None, stop).await;
    served.context("served the probes")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;
    use crate::cluster::check::check;

    #[tokio::test]
    async fn it_is_ready_once_nothing_is_missing_and_until_something_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = |path: &str| {
            let address = listener.local_addr().unwrap();
            format!("http://{address}{path}").parse().unwrap()
        };
        let (live, ready, other) = (at("/healthz"), at("/readyz"), at("/other"));
        let missing = watch::Sender::new(Some("the jobs are not known yet"));
        let router = router(missing.subscribe(), Router::new());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, router, stopped));
        check(&live).await.unwrap();
        let said = check(&ready).await.unwrap_err().to_string();
        assert!(said.contains("503"), "{said}");
        missing.send_replace(None);
        check(&ready).await.unwrap();
        missing.send_replace(Some("stopping"));
        assert!(check(&ready).await.is_err());
        assert!(check(&other).await.is_err());
        drop(stop);
        served.await.unwrap().unwrap();
        let said = check(&live).await.unwrap_err().to_string();
        assert!(said.contains("/healthz"), "{said}");
    }
}
