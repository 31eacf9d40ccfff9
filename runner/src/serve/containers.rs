//! The container back end of a node, wired: where the engine is, what runners inside are told, the two
//! sockets that containers see.

use std::{
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use sandbox_core::spec::BackendName;
use sandbox_operator::{
    backend::container::{
        ContainerBackend, ContainerConfig, User, engine_host, inside, own_container,
        proxy::{DEFAULT_HOSTS, Hosts},
    },
    control::Waker,
};
use tokio::net::UnixListener;

use super::node::STOP_GRACE;
use crate::{config::ServeConfig, settings::Settings};

/// The back end and what belongs to it.
pub(super) struct Containers {
    pub(super) backend: Arc<ContainerBackend>,
    pub(super) hosts: Hosts,
    pub(super) sockets: PathBuf,
}

/// The image of jobs that name none.
pub fn default_image() -> String {
    format!("multi-agent-sandbox/runner:{}", env!("CARGO_PKG_VERSION"))
}

/// Opens the back end, where there is an engine or one is named. An engine that does not answer now
/// may answer later.
///
/// # Errors
/// A setting is not what it must be, or the data folder cannot be written.
pub(super) async fn open(
    config: &ServeConfig,
    run: &Path,
    settings: &Settings,
    (waker, ask_first): (&Waker, bool),
) -> Result<Option<Containers>> {
    let offered = config.backends.contains(&BackendName::Container);
    let host = engine_host(config.sources.get("DOCKER_HOST")).filter(|_| offered);
    let Some(host) = host else {
        if config.backend() == BackendName::Container {
            bail!(
                "SANDBOX_BACKENDS asks for containers and no engine is found: start one, or set DOCKER_HOST"
            );
        }
        return Ok(None);
    };
    let hosts = config.sources.get("SANDBOX_CONTAINER_HOSTS");
    let hosts = Hosts::parse(hosts.unwrap_or(DEFAULT_HOSTS));
    let hosts = hosts.map_err(|text| anyhow!("read SANDBOX_CONTAINER_HOSTS: {text}"))?;
    let sockets = folder(run)?;
    let conf = ContainerConfig {
        ask_first,
        ..conf(config, host, &sockets, settings)
    };
    let to = conf.settings();
    let backend = Arc::new(ContainerBackend::new(conf, waker.clone())?);
    write(settings, &to).context("wrote the settings of runners in containers")?;
    match backend.ready().await {
        Ok(version) => tracing::info!(version, "the container engine is ready"),
        Err(e) => tracing::warn!(error = %e, "container jobs wait for their engine"),
    }
    Ok(Some(Containers {
        backend,
        hosts,
        sockets,
    }))
}

fn conf(
    config: &ServeConfig,
    host: String,
    sockets: &Path,
    settings: &Settings,
) -> ContainerConfig {
    let text = |name: &str| config.sources.get(name).map(str::to_owned);
    let images = text("SANDBOX_CONTAINER_IMAGES").unwrap_or_default();
    let images = images.split(',').map(str::trim).filter(|i| !i.is_empty());
    ContainerConfig {
        host,
        folder: config.data_dir.join("container"),
        seats: config.data_dir.join("seats"),
        workspace_root: settings.workspace_root.clone(),
        artifacts_root: settings.artifacts_root.clone(),
        sockets: sockets.to_owned(),
        model_key: settings.model_key_file.clone(),
        agent_token: settings.agent_token_file.clone(),
        prices: settings.prices_file.clone(),
        secrets_root: settings.secrets_root.clone(),
        image: text("SANDBOX_CONTAINER_IMAGE").unwrap_or_else(default_image),
        images: images.map(str::to_owned).collect(),
        user: User::ours(),
        own: own_container(),
        grace: STOP_GRACE,
        ask_first: false,
    }
}

/// A folder of its own: in the one around it stands the socket of tmux, which must never be seen
/// inside. Who gets here can only pass on to the sockets.
fn folder(run: &Path) -> Result<PathBuf> {
    let folder = run.join("c");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o711);
    builder
        .create(&folder)
        .context("made the folder of the containers' sockets")?;
    Ok(folder)
}

/// The same settings with paths as they are inside.
fn write(settings: &Settings, to: &Path) -> Result<()> {
    let inner = Settings {
        workspace_root: inside::WORKSPACE.into(),
        artifacts_root: inside::ARTIFACTS.into(),
        socket: inside::NODE.into(),
        model_key_file: settings
            .model_key_file
            .as_ref()
            .map(|_| inside::MODEL_KEY.into()),
        agent_token_file: settings
            .agent_token_file
            .as_ref()
            .map(|_| inside::AGENT_TOKEN.into()),
        secrets_root: inside::SECRETS.into(),
        // A person's own login stays with the person, and is not lent to a container.
        agent_login: false,
        agent_login_file: PathBuf::new(),
        agent_login_renew: Vec::new(),
        prices_file: settings.prices_file.as_ref().map(|_| inside::PRICES.into()),
        ..settings.clone()
    };
    let folder = to.parent().unwrap_or(to);
    inner.write(folder)?;
    // The folder around it is for our own user only.
    let mode = std::fs::Permissions::from_mode(0o644);
    Ok(std::fs::set_permissions(to, mode)?)
}

/// A socket that the user of containers may connect to.
///
/// # Errors
/// It cannot be made.
pub(super) fn listen(socket: &Path) -> Result<UnixListener> {
    let listener = super::sockets::listen(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
