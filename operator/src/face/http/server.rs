//! Listens, plain or with TLS, and ends in good order. Decides which addresses may be listened on.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;
use tower_http::set_header::SetRequestHeaderLayer;

use super::{app::App, routes, session::SCHEME};
use crate::face::{Services, mcp::Door};

/// How long a client may take to send the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request in bytes.
const HEAD_SIZE: usize = 64 * 1024;
/// How long answers under way may take once the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

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
        let service = self.router.clone().into_make_service();
        let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new());
        let mut server = server.handle(self.stopped_by(stop));
        patience(server.http_builder());
        server.serve(service).await
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
        // Somebody may have chosen a provider already; theirs is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = RustlsConfig::from_pem_file(pem.0, pem.1).await?;
        let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
        let scheme = SetRequestHeaderLayer::overriding(
            HeaderName::from_static(SCHEME),
            HeaderValue::from_static("https"),
        );
        let service = self.router.clone().layer(scheme).into_make_service();
        let server = axum_server::from_tcp(listener)?.acceptor(acceptor);
        let mut server = server.handle(self.stopped_by(stop));
        patience(server.http_builder());
        server.serve(service).await
    }

    /// Ends the streams first: nobody would wait for them otherwise.
    fn stopped_by(self, stop: impl Future<Output = ()> + Send + 'static) -> Handle<SocketAddr> {
        let handle = Handle::new();
        let ended = handle.clone();
        tokio::spawn(async move {
            stop.await;
            self.closing.send_replace(true);
            if let Some(mcp) = &self.mcp {
                mcp.close();
            }
            ended.graceful_shutdown(Some(GRACE));
            // The streams look at the sender, so it stays until nobody listens.
            self.closing.closed().await;
        });
        handle
    }
}

fn patience(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE);
}
