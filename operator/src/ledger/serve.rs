//! Listens for those who share a ledger. Others than loopback are answered over TLS alone.

use std::{io, net::TcpListener, path::PathBuf, sync::Arc};

use sandbox_elf::store::Ledger;
use secrecy::SecretString;

use super::door::router;
use crate::listen;

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
    let address = serving.listener.local_addr()?;
    if serving.tls.is_none() && !address.ip().is_loopback() {
        let text = format!(
            "asked to serve memory on {address} without TLS, where others could read along; give a certificate and its key, or listen on 127.0.0.1"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let tls = match &serving.tls {
        Some((cert, key)) => Some(listen::tls((cert, key)).await?),
        None => None,
    };
    serving.listener.set_nonblocking(true)?;
    let router = router(ledger, &serving.token);
    listen::serve(serving.listener, router, tls, stop).await
}
