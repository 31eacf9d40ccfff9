//! The HTTP face as it is served: the end of its streams, and which addresses may be listened on.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use tokio::sync::watch;
use tower_http::set_header::SetRequestHeaderLayer;

use super::{app::App, routes, session::SCHEME};
use crate::{
    face::{Services, mcp::Door},
    listen,
};

/// An address that is not listened on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "asked to listen on {0}: others can reach this address and nobody would be asked for a key; set AUTH_ENABLED=true, listen on 127.0.0.1, or give --insecure"
)]
pub struct Refused(SocketAddr);

/// Whether this address may be listened on: others can reach one that is not loopback.
///
/// # Errors
/// It is public, nobody is asked for a key, and nobody said that this is meant.
pub fn check_bind(address: SocketAddr, auth_on: bool, insecure: bool) -> Result<(), Refused> {
    if address.ip().is_loopback() || auth_on || insecure {
        return Ok(());
    }
    Err(Refused(address))
}

/// The face, ready to be served.
pub struct Face {
    router: Router,
    metrics: Router,
    mcp: Option<Door>,
    closing: watch::Sender<bool>,
}

impl Face {
    /// Builds every route over these services.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let (closing, told) = watch::channel(false);
        let mcp = services.mcp.clone();
        let app = App::new(services, told);
        Self {
            router: routes::router(&app),
            metrics: routes::metrics_alone(&app),
            mcp,
            closing,
        }
    }

    /// The routes, to be served by other means.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// What is counted, for a door of its own where nobody is asked for a key.
    pub fn metrics(&self) -> Router {
        self.metrics.clone()
    }

    /// Serves until `stop` resolves, then until the answers under way are given.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = self.router.clone();
        listen::serve(listener, router, None, self.stopped_by(stop)).await
    }

    /// The same over TLS, with a certificate chain and its key in PEM.
    ///
    /// # Errors
    /// The listener, the certificate or the key cannot be used.
    pub async fn serve_tls(
        self,
        listener: TcpListener,
        pem: (&Path, &Path),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let tls = listen::tls(pem).await?;
        let scheme = SetRequestHeaderLayer::overriding(
            HeaderName::from_static(SCHEME),
            HeaderValue::from_static("https"),
        );
        let router = self.router.clone().layer(scheme);
        listen::serve(listener, router, Some(tls), self.stopped_by(stop)).await
    }

    /// Ends the streams first: nobody would wait for them otherwise.
    async fn stopped_by(self, stop: impl Future<Output = ()> + Send + 'static) {
        stop.await;
        self.closing.send_replace(true);
        if let Some(mcp) = &self.mcp {
            mcp.close();
        }
        // The streams look at the sender, so it stays until nobody listens.
        tokio::spawn(async move { self.closing.closed().await });
    }
}
