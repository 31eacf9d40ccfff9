//! The HTTP face of the node, wired: who may come in, where it listens, plain or with TLS.

use std::{future::Future, net::TcpListener, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use sandbox_operator::face::{
    Faced, HttpLimits, Services,
    http::{
        Face,
        auth::{KeySource, Keys},
        check_bind,
    },
    mcp::Door,
};
use tokio::sync::watch;

use super::node::Node;
use crate::config::ServeConfig;

/// Where the Python ancestor kept its keys.
const OLD_KEYS: &str = "/etc/agent-sandbox/clients.json";

/// Everything the face reaches.
///
/// # Errors
/// The keys cannot be read, or there are none although they are required.
pub(super) fn services(config: &ServeConfig, node: &Node) -> Result<Services> {
    let limits = limits(config);
    Ok(Services {
        store: node.ports.store.clone(),
        seats: node.ports.seats.clone(),
        backends: node.ports.backends.clone(),
        site: node.site(),
        backend: config.backend(),
        waker: node.waker.clone(),
        events: node.writes.clone(),
        keys: keys(config)?,
        workspace_root: config.workspace_root.clone(),
        artifacts_root: config.data_dir.join("artifacts"),
        artifacts: None,
        elf: Some(Arc::new(Faced(node.elf.clone()))),
        book: Some(node.elf.clone()),
        intake: None,
        bounds: node.bounds.clone(),
        counted: std::iter::once(node.reconciles.counted())
            .chain(node.counted.clone())
            .collect(),
        mcp: Some(Door::of_memory(node.tools.clone(), limits.body)),
        tools: Some(node.tools.clone()),
        limits,
    })
}

fn keys(config: &ServeConfig) -> Result<Keys> {
    let named = config.sources.get("API_KEYS_FILE").map(PathBuf::from);
    let old = Some(PathBuf::from(OLD_KEYS)).filter(|f| f.exists());
    let file = named.or(old);
    let text = config.sources.get("API_KEYS").map(str::to_owned);
    let source = KeySource {
        required: config.auth,
        text: text.map_or_else(|| first_key(config, file.is_some()), |t| Ok(Some(t)))?,
        file,
    };
    Keys::new(source).context("read who may come in")
}

/// Keys that somebody named go before one that is made.
fn first_key(config: &ServeConfig, named: bool) -> Result<Option<String>> {
    let file = config.sources.get("SANDBOX_API_KEY_FILE");
    let file = file.filter(|_| config.auth && !named);
    file.map(|f| super::keys::first(f.as_ref())).transpose()
}

fn limits(config: &ServeConfig) -> HttpLimits {
    let names = config.sources.get("SANDBOX_HOST_NAMES").unwrap_or_default();
    let hosts = names.split(',').map(str::trim).filter(|n| !n.is_empty());
    HttpLimits {
        deadline: config.deadline,
        queue: config.queue_limit,
        hosts: hosts.map(str::to_owned).collect(),
        ..HttpLimits::default()
    }
}

/// Listens where it was told, unless everybody could come in there unasked.
///
/// # Errors
/// The address is refused or in use.
pub(super) fn listen(config: &ServeConfig) -> Result<TcpListener> {
    check_bind(config.listen, config.auth, config.insecure)?;
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("listened on {}; is another server there?", config.listen))?;
    listener
        .set_nonblocking(true)
        .context("prepared the listener")?;
    Ok(listener)
}

/// Serves until the node stops.
pub(super) fn serve(
    config: &ServeConfig,
    services: Services,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) -> impl Future<Output = Result<()>> + use<> {
    // Port 0 was asked for, perhaps: what counts is where it listens now.
    let address = listener.local_addr().unwrap_or(config.listen);
    let tls = config.tls.clone();
    let stop = async move {
        // An error means that the node is gone, which is a reason to stop as well.
        let _ = stopped.wait_for(|is| *is).await;
    };
    async move {
        let face = Face::new(services);
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!(
            "serving on {scheme}://{address}, dashboard at {scheme}://{address}/dashboard"
        );
        let served = match &tls {
            Some((cert, key)) => face.serve_tls(listener, (cert, key), stop).await,
            None => face.serve(listener, stop).await,
        };
        served.context("served the API")
    }
}
