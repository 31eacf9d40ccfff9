//! The back end of Fargate of a node, wired: what the settings say, and a door over TLS at which tasks speak to this
//! node. There is none where no cluster of ECS is named.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
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
    backend::fargate::{
        FargateBackend,
        settings::{FargateSettings, Given},
    },
    cluster::certificate::Certificate,
    control::Waker,
    face::seat::{SeatDoor, router},
    listen,
    tokens::Tokens,
};
use tokio::sync::watch;

use super::node::make_folder;
use crate::config::{ServeConfig, Sources};

/// How long a task goes on that is not heard.
const LEASE: Duration = Duration::from_mins(10);
/// Where tasks come in, unless told otherwise.
const LISTEN: &str = "0.0.0.0:8443";

/// The opened parts.
pub(super) struct Fargate {
    pub(super) backend: Arc<FargateBackend>,
    listener: TcpListener,
    tls: RustlsConfig,
    tokens: Tokens,
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
    let certificate = Papers::beneath(&config.data_dir).renewed(&names(&config.sources))?;
    let tokens = Tokens::new(certificate.authority_key.as_bytes());
    let seats = config.data_dir.join("seats");
    make_folder(&seats)?;
    let files = LocalFileSystem::new_with_prefix(&seats).context("opened the folder of seats")?;
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
    }))
}

impl Fargate {
    /// Serves tasks and follows them until the node stops.
    pub(super) async fn run(self, door: SeatDoor, stopped: watch::Receiver<bool>) -> Result<()> {
        let door = SeatDoor {
            passes: Some(Arc::new(self.tokens)),
            lease: Some(LEASE),
            // There is no process of theirs here to be watched.
            claimed: Arc::new(|_, _| {}),
            ..door
        };
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|is| *is).await;
        };
        let stop = until(stopped.clone());
        let served = listen::serve(self.listener, router(door), Some(self.tls), stop);
        tokio::select! {
            served = served => served.context("served tasks of Fargate"),
            () = self.backend.follow() => Ok(()),
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

/// The certificate by which tasks know this node.
struct Papers(PathBuf);

impl Papers {
    fn beneath(data_dir: &Path) -> Self {
        Self(data_dir.join("seat-tls"))
    }

    /// As it is to be from now on, which stands on the disk before it is used.
    fn renewed(&self, names: &[String]) -> Result<Certificate> {
        make_folder(&self.0)?;
        let known = self.read();
        match Certificate::renewed(known.clone(), names, Timestamp::now())? {
            Some(made) => {
                self.write(&made)
                    .context("kept the certificate for tasks")?;
                Ok(made)
            }
            None => known.context("read the certificate for tasks"),
        }
    }

    fn read(&self) -> Option<Certificate> {
        let text = |name: &str| fs::read_to_string(self.0.join(name)).ok();
        Some(Certificate {
            authorities: text("ca.crt")?,
            authority_key: text("ca.key")?,
            leaf: text("tls.crt")?,
            key: text("tls.key")?,
        })
    }

    fn write(&self, made: &Certificate) -> Result<()> {
        for (name, text) in [
            ("ca.crt", &made.authorities),
            ("ca.key", &made.authority_key),
            ("tls.crt", &made.leaf),
            ("tls.key", &made.key),
        ] {
            let mut options = fs::OpenOptions::new();
            options.create(true).write(true).truncate(true).mode(0o600);
            let mut file = options.open(self.0.join(name))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
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

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::beneath(folder.path());
        let names = ["localhost".to_owned()];
        let made = papers.renewed(&names).unwrap();
        assert_eq!(papers.renewed(&names).unwrap(), made);
    }
}
