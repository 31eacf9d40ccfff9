//! Listens for those who share a ledger. Others than loopback are answered over TLS alone.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use sandbox_elf::store::Ledger;
use secrecy::SecretString;

use super::door::router;

/// How long answers under way may take once the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Where and how a ledger is served.
pub struct Serving {
    /// Where it listens.
    pub listener: TcpListener,
    /// What whoever comes must have.
    pub token: SecretString,
    /// Certificate chain and key in PEM; only loopback is served without.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Serves the ledger until `stop` resolves, then until the answers under way are given.
///
/// # Errors
/// Others could read along, or the listener, the certificate or the key cannot be used.
pub async fn serve(
    ledger: Arc<dyn Ledger>,
    serving: Serving,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = router(ledger, &serving.token).into_make_service();
    let address = serving.listener.local_addr()?;
    serving.listener.set_nonblocking(true)?;
    let handle = ended_by(stop);
    let server = axum_server::from_tcp(serving.listener)?;
    let Some((cert, key)) = serving.tls else {
        if !address.ip().is_loopback() {
            let text = format!(
                "asked to serve memory on {address} without TLS, where others could read along; give a certificate and its key, or listen on 127.0.0.1"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let server = server.acceptor(NoDelayAcceptor::new());
        return server.handle(handle).serve(service).await;
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = RustlsConfig::from_pem_file(cert, key).await?;
    let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
    server
        .acceptor(acceptor)
        .handle(handle)
        .serve(service)
        .await
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
