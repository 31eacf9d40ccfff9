//! What the back end is told, and where things stand inside a container. Starts nothing.

use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sandbox_core::{
    FailureClass,
    port::{Answer, PortError},
};

/// The label that says which node a container is of.
pub const OWNER_LABEL: &str = "dev.multiagent.owner";
/// The label that says which seat a container is for.
pub const SEAT_LABEL: &str = "dev.multiagent.seat";

/// Where things stand inside. The runner is told by its settings and its arguments.
pub mod inside {
    /// The data folder, as the runner sees it.
    pub const DATA: &str = "/sandbox";
    /// Settings of the runners.
    pub const SETTINGS: &str = "/sandbox/runner.json";
    /// Seats, of which only its own is there.
    pub const SEATS: &str = "/sandbox/seats";
    /// Artifacts, of which only its job's are there.
    pub const ARTIFACTS: &str = "/sandbox/artifacts";
    /// The folder of the sockets.
    pub const RUN: &str = "/sandbox/run";
    /// The socket of the seat protocol.
    pub const NODE: &str = "/sandbox/run/node.sock";
    /// The socket of the proxy.
    pub const PROXY: &str = "/sandbox/run/proxy.sock";
    /// The secrets it needs; a tenant's stand in a folder of the tenant's name.
    pub const SECRETS: &str = "/sandbox/secrets";
    /// The key for model calls.
    pub const MODEL_KEY: &str = "/sandbox/secrets/.model-key";
    /// The token of terminal agents.
    pub const AGENT_TOKEN: &str = "/sandbox/secrets/.agent-token";
    /// What models cost.
    pub const PRICES: &str = "/sandbox/secrets/.prices.toml";
    /// Tenants' files, of which only its tenant's are there.
    pub const WORKSPACE: &str = "/workspace";
    /// An empty home that goes with the container.
    pub const HOME: &str = "/home/sandbox";
}

/// The user that everything in a container runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, here and inside.
    pub uid: u32,
    /// Its group's.
    pub gid: u32,
}

/// The user of containers where we are root ourselves.
pub const FIXED_USER: User = User {
    uid: 10001,
    gid: 10001,
};

impl User {
    /// Ours, or a fixed one where ours is root: no container of ours runs as root.
    #[must_use]
    pub fn ours() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if uid.is_root() {
            return FIXED_USER;
        }
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }
    }
}

/// What the back end needs to know. All paths are absolute and of this machine.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// The engine's address, such as `unix:///var/run/docker.sock`.
    pub host: String,
    /// Its own folder: who owns containers, the runners' settings, copies of secrets in use.
    pub folder: PathBuf,
    /// The seat root, as given to [`FileSeats`](crate::seats::files::FileSeats).
    pub seats: PathBuf,
    /// Tenants' files stand beneath it.
    pub workspace_root: PathBuf,
    /// Artifacts stand beneath it.
    pub artifacts_root: PathBuf,
    /// The folder with the sockets for containers, and with nothing else.
    pub sockets: PathBuf,
    /// The file of the key for model calls.
    pub model_key: Option<PathBuf>,
    /// The file of the terminal agents' token.
    pub agent_token: Option<PathBuf>,
    /// The file of what models cost; no secret, and copied like one.
    pub prices: Option<PathBuf>,
    /// Tenants' secrets stand beneath it.
    pub secrets_root: PathBuf,
    /// The image of a job that names none.
    pub image: String,
    /// Further images that jobs may name.
    pub images: Vec<String>,
    /// Who runs in containers.
    pub user: User,
    /// The name or id of the container that this server is itself in, if it is in one.
    pub own: Option<String>,
    /// How long an instance may take to end after it was asked to.
    pub grace: Duration,
    /// Whether a runner has to ask at its socket for its seat before it does anything.
    pub ask_first: bool,
}

impl ContainerConfig {
    /// Where the runners' settings stand.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.folder.join("runner.json")
    }

    /// Whether a job may name this image.
    pub(super) fn allows(&self, image: &str) -> bool {
        image == self.image || self.images.iter().any(|i| i == image)
    }

    /// Who we are on this engine: the same for this data folder for ever, and made at the first use.
    pub(super) fn owner(&self) -> Answer<String> {
        let text = |e: std::io::Error| {
            let text = format!("read who owns our containers: {e}; look at the data folder");
            PortError::refused(FailureClass::Infrastructure, text)
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.folder).map_err(text)?;
        read_or_make(&self.folder.join("owner")).map_err(text)
    }
}

fn read_or_make(path: &Path) -> std::io::Result<String> {
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if !found.trim().is_empty() {
        return Ok(found.trim().to_owned());
    }
    let new = uuid::Uuid::new_v4().simple().to_string();
    let next = path.with_extension("next");
    std::fs::write(&next, &new)?;
    std::fs::File::open(&next)?.sync_all()?;
    std::fs::rename(next, path)?;
    Ok(new)
}

/// Where an engine is: the address that is set, else the first socket that is there.
#[must_use]
pub fn engine_host(set: Option<&str>) -> Option<String> {
    if let Some(set) = set {
        return Some(set.to_owned());
    }
    let user = rustix::process::geteuid().as_raw();
    let places = [
        "/var/run/docker.sock".to_owned(),
        "/run/podman/podman.sock".to_owned(),
        format!("/run/user/{user}/podman/podman.sock"),
    ];
    let there = places.into_iter().find(|path| Path::new(path).exists());
    there.map(|path| format!("unix://{path}"))
}

/// The container that this process is in, as its engine calls it where nobody gave it another
/// hostname; nothing outside of containers.
#[must_use]
pub fn own_container() -> Option<String> {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let within = marks.into_iter().any(|mark| Path::new(mark).exists());
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    within.then_some(host)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owner");
        let first = read_or_make(&path).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(read_or_make(&path).unwrap(), first);
    }

    #[test]
    fn an_address_that_is_set_goes_before_what_is_found() {
        let set = engine_host(Some("unix:///x/y.sock"));
        assert_eq!(set.as_deref(), Some("unix:///x/y.sock"));
    }
}
