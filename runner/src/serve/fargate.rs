//! The back end of Fargate of a node, wired: what the settings say, and a door over TLS at which tasks speak to this
//! node. There is none where no cluster of ECS is named.

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Error, Result, bail};
use axum_server::tls_rustls::RustlsConfig;
use clap::{Args, Command, FromArgMatches};
use jiff::Timestamp;
use object_store::{local::LocalFileSystem, path};
use sandbox_core::{Seat, port::Store, spec::BackendName};
use sandbox_operator::{
    artifacts::{Artifacts, by_tenant},
    backend::fargate::{
        FargateBackend,
        settings::{FargateSettings, Given},
    },
    cluster::certificate::Certificate,
    control::Waker,
    face::seat::{SeatDoor, router},
    host::papers,
    listen,
    tokens::Tokens,
};
use tokio::sync::watch;

use super::node::make_folder;
use crate::config::{ServeConfig, Sources};

/// How long a task goes on that is not heard.
const LEASE: Duration = Duration::from_mins(10);
/// How often it is looked whether the certificate is to be renewed.
const LOOK: Duration = Duration::from_hours(1);
/// Where tasks come in, unless told otherwise.
const LISTEN: &str = "0.0.0.0:8443";

/// The opened parts.
pub(super) struct Fargate {
    pub(super) backend: Arc<FargateBackend>,
    listener: TcpListener,
    tls: RustlsConfig,
    tokens: Tokens,
    papers: Papers,
    artifacts: Artifacts,
}

/// Opens them, where the settings name a cluster.
///
/// # Errors
/// A setting is not what it must be, or the address is taken.
pub(super) async fn open(
    config: &ServeConfig,
    store: &Arc<dyn Store>,
    waker: &Waker,
) -> Result<Option<Fargate>> {
    let settings = settings(&config.sources)?;
    if settings.cluster.is_none() {
        if config.backends.contains(&BackendName::Fargate) {
            bail!("SANDBOX_BACKENDS asks for fargate: set SANDBOX_FARGATE_CLUSTER, too");
        }
        return Ok(None);
    }
    let papers = Papers::beneath(&config.data_dir, names(&config.sources));
    let certificate = papers.renewed(Timestamp::now())?;
    let tokens = Tokens::new(certificate.authority_key.as_bytes());
    let seats = config.data_dir.join("seats");
    make_folder(&seats)?;
    let files = LocalFileSystem::new_with_prefix(&seats).context("opened the folder of seats")?;
    let data =
        LocalFileSystem::new_with_prefix(&config.data_dir).context("opened the data folder")?;
    let Some(door) = settings.door.clone() else {
        bail!(
            "SANDBOX_FARGATE_CLUSTER is set: set SANDBOX_FARGATE_SEAT_DOOR to the https://HOST:PORT at which tasks reach this machine, too"
        );
    };
    let given = Given {
        door,
        authority: certificate.authorities,
        tokens: tokens.clone(),
        lease: LEASE,
        files: Arc::new(files),
        log_path: beside_the_seat,
        store: store.clone(),
        waker: waker.clone(),
    };
    let Some(backend) = settings.open(given).await.map_err(Error::msg)? else {
        return Ok(None);
    };
    let address = config.sources.get("SANDBOX_SEAT_LISTEN").unwrap_or(LISTEN);
    let listener = TcpListener::bind(address)
        .with_context(|| format!("listened on {address} for tasks of Fargate"))?;
    listener.set_nonblocking(true)?;
    tracing::info!(
        "serving tasks of Fargate on https://{}",
        listener.local_addr()?
    );
    let (chain, key) = (certificate.leaf.into_bytes(), certificate.key.into_bytes());
    // Somebody may have chosen a provider already; theirs is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tls = RustlsConfig::from_pem(chain, key).await;
    Ok(Some(Fargate {
        backend: Arc::new(backend),
        listener,
        tls: tls.context("used the certificate for tasks")?,
        tokens,
        papers,
        artifacts: Artifacts::new(Arc::new(data), by_tenant),
    }))
}

impl Fargate {
    /// Serves tasks and follows them until the node stops.
    pub(super) async fn run(self, door: SeatDoor, stopped: watch::Receiver<bool>) -> Result<()> {
        let door = SeatDoor {
            passes: Some(Arc::new(self.tokens)),
            artifacts: Some(self.artifacts),
            secrets: self.backend.secrets(),
            lease: Some(LEASE),
            // There is no process of theirs here to be watched.
            claimed: Arc::new(|_, _| {}),
            ..door
        };
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|is| *is).await;
        };
        let stop = until(stopped.clone());
        let renewed = self.papers.follow(self.tls.clone());
        let served = listen::serve(self.listener, router(door), Some(self.tls), stop);
        tokio::select! {
            served = served => served.context("served tasks of Fargate"),
            () = self.backend.follow() => Ok(()),
            () = renewed => Ok(()),
        }
    }
}

/// What the sources say, read as the operator of a cluster reads its flags.
fn settings(sources: &Sources) -> Result<FargateSettings> {
    let command = FargateSettings::augment_args(Command::new("fargate").no_binary_name(true));
    let flag = |arg: &clap::Arg| {
        let value = sources.get(arg.get_env()?.to_str()?)?;
        Some(format!("--{}={value}", arg.get_long()?))
    };
    let flags: Vec<String> = command.get_arguments().filter_map(flag).collect();
    let read = command.try_get_matches_from(flags);
    let read = read.context("read the settings of Fargate")?;
    FargateSettings::from_arg_matches(&read).context("read the settings of Fargate")
}

/// The log of a seat that is over goes with the seat.
fn beside_the_seat(seat: &Seat) -> path::Path {
    path::Path::from(format!("{}/{}/log", seat.uid, seat.attempt))
}

/// The names in the certificate.
fn names(sources: &Sources) -> Vec<String> {
    let text = sources
        .get("SANDBOX_SEAT_NAMES")
        .unwrap_or("localhost,127.0.0.1");
    let words = text.split(',').map(str::trim).filter(|w| !w.is_empty());
    words.map(str::to_owned).collect()
}

/// The certificate by which tasks know this node, in one file: its parts are of no use without each other.
struct Papers {
    file: PathBuf,
    names: Vec<String>,
}

impl Papers {
    fn beneath(data_dir: &Path, names: Vec<String>) -> Self {
        let file = data_dir.join("seat-tls.json");
        Self { file, names }
    }

    /// As it is to be from now on, which stands on the disk before it is used.
    fn renewed(&self, now: Timestamp) -> Result<Certificate> {
        let shown = self.file.display();
        let known: Option<Certificate> = match fs::read(&self.file) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).with_context(|| {
                format!("read the certificate for tasks in {shown}: take it away, and another is made; tasks at work do not know that one")
            })?),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("read {shown}")),
        };
        match Certificate::renewed(known.clone(), &self.names, now)? {
            Some(made) => {
                papers::put(&self.file, &serde_json::to_string(&made)?)?;
                Ok(made)
            }
            None => known.context("read the certificate for tasks"),
        }
    }

    /// Renews it in time, for ever. A new authority, once in years, is told to tasks that begin after the next start.
    async fn follow(&self, tls: RustlsConfig) {
        loop {
            tokio::time::sleep(LOOK).await;
            let used = async {
                let made = self.renewed(Timestamp::now())?;
                let (chain, key) = (made.leaf.into_bytes(), made.key.into_bytes());
                Ok::<_, Error>(tls.reload_from_pem(chain, key).await?)
            };
            if let Err(e) = used.await {
                let error = format!("{e:#}");
                tracing::warn!(error, "could not look after the certificate for tasks");
            }
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::ALL;

    #[test]
    fn every_setting_of_the_back_end_is_one_of_the_program() {
        let command = FargateSettings::augment_args(Command::new("fargate"));
        let named = command
            .get_arguments()
            .filter_map(|a| a.get_env()?.to_str());
        for name in named {
            assert!(ALL.iter().any(|s| s.name == name), "{name}");
        }
    }

    fn papers(folder: &Path) -> Papers {
        Papers::beneath(folder, vec!["localhost".to_owned()])
    }

    #[test]
    fn a_certificate_is_made_once_and_kept_where_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let papers = papers(folder.path());
        let made = papers.renewed(Timestamp::now()).unwrap();
        assert_eq!(papers.renewed(Timestamp::now()).unwrap(), made);
        let rights = fs::metadata(&papers.file).unwrap().permissions();
        assert_eq!(rights.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_certificate_is_renewed_before_it_ends_by_the_authority_that_tasks_know() {
        let folder = tempfile::tempdir().unwrap();
        let papers = papers(folder.path());
        let made = papers.renewed(Timestamp::now()).unwrap();
        let later = Timestamp::now() + Duration::from_hours(24 * 61);
        let next = papers.renewed(later).unwrap();
        assert_ne!(next.leaf, made.leaf);
        assert_eq!(next.authorities, made.authorities);
        assert_eq!(papers.renewed(later).unwrap(), next);
    }

    #[test]
    fn a_damaged_certificate_is_left_as_it_is_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let papers = papers(folder.path());
        fs::write(&papers.file, "{").unwrap();
        let said = papers.renewed(Timestamp::now()).unwrap_err().to_string();
        assert!(said.contains("take it away"), "{said}");
        assert_eq!(fs::read_to_string(&papers.file).unwrap(), "{");
    }
}
