//! The inner end of a restricted container's way out: what connects to its loopback is handed to the
//! proxy's socket, byte by byte. It decides nothing; the proxy does.

use std::{
    io,
    path::{Path, PathBuf},
};

use sandbox_operator::backend::container::RELAY;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
};

/// The variables by which programs find a proxy, and the authorities to trust on the way.
const VARIABLES: [&str; 10] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Listens on loopback from now on, for as long as this process lives.
///
/// # Errors
/// Another program has the port.
pub fn begin(proxy: &Path) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(RELAY)?;
    listener.set_nonblocking(true)?;
    tokio::spawn(serve(TcpListener::from_std(listener)?, proxy.to_owned()));
    Ok(())
}

async fn serve(listener: TcpListener, proxy: PathBuf) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let proxy = proxy.clone();
        tokio::spawn(async move {
            // The node may be down for a moment: the program sees a closed connection and may retry.
            if let Ok(mut out) = UnixStream::connect(&proxy).await {
                let _ = copy_bidirectional(&mut stream, &mut out).await;
            }
        });
    }
}

/// The variables of the way out as they are set for us, for programs that get a clean environment.
pub fn variables() -> Vec<(&'static str, String)> {
    let set = VARIABLES.into_iter();
    set.filter_map(|name| Some((name, std::env::var(name).ok()?)))
        .collect()
}
