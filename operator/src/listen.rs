//! Listens, plain or over TLS, and ends in good order: the one way in which this program serves HTTP on an address.
//! Knows no route.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use axum::Router;
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long a client may take to send the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request in bytes.
const HEAD_SIZE: usize = 64 * 1024;
/// How long answers under way may take once the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Serves these routes until `stop` resolves, then until the answers under way are given.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<RustlsConfig>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let server = axum_server::from_tcp(listener)?.handle(ended_by(stop));
    let service = router.into_make_service();
    let at_once = NoDelayAcceptor::new();
    match tls {
        None => {
            let mut server = server.acceptor(at_once);
            patience(server.http_builder());
            server.serve(service).await
        }
        Some(tls) => {
            let mut server = server.acceptor(RustlsAcceptor::new(tls).acceptor(at_once));
            patience(server.http_builder());
            server.serve(service).await
        }
    }
}

/// A certificate chain and its key, in PEM.
///
/// # Errors
/// They cannot be read or used.
pub async fn tls((cert, key): (&Path, &Path)) -> io::Result<RustlsConfig> {
    // Somebody may have chosen a provider already; theirs is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    RustlsConfig::from_pem_file(cert, key).await
}

/// Resolves when the process is told to stop; never, where that cannot be heard.
pub async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

fn ended_by(stop: impl Future<Output = ()> + Send + 'static) -> Handle<SocketAddr> {
    let handle = Handle::new();
    let ended = handle.clone();
    tokio::spawn(async move {
        stop.await;
        ended.graceful_shutdown(Some(GRACE));
    });
    handle
}

fn patience(builder: &mut Builder<TokioExecutor>) {
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE);
}
