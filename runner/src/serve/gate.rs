//! `sandbox gate`: the socket of a container engine for a server in a container, without the power
//! over the machine that the engine's own socket gives.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use sandbox_operator::{
    backend::container::{gate, own_container},
    listen::told_to_stop,
};

use super::{logs, sockets};
use crate::config::Sources;

/// Between which sockets to stand.
#[derive(Clone, Debug, clap::Args)]
pub struct Gate {
    /// The engine's socket
    #[arg(long, value_name = "SOCKET", default_value = "/var/run/docker.sock")]
    engine: PathBuf,
    /// The socket to make; whoever can reach it may start containers of seats
    #[arg(long, value_name = "SOCKET")]
    listen: PathBuf,
    /// Make none: ask the gate that listens there whether the engine answers
    #[arg(long)]
    check: bool,
}

impl Gate {
    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// The socket cannot be made, or the engine cannot be asked.
    pub async fn run(self) -> Result<ExitCode> {
        if self.check {
            gate::check(&self.listen).await?;
            return Ok(ExitCode::SUCCESS);
        }
        logs::start(
            Sources::read(None, None)?
                .get("LOG_LEVEL")
                .unwrap_or("info"),
        )?;
        let listener = sockets::listen(&self.listen)?;
        open(&self.listen).context("opened the socket to others")?;
        let own = own_container();
        tracing::info!(
            "a gate to {} at {}",
            self.engine.display(),
            self.listen.display()
        );
        tokio::select! {
            served = gate::serve(listener, self.engine, own.as_deref()) => served.context("served the gate")?,
            () = told_to_stop() => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Who may get here is decided by the folder around it.
fn open(socket: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))
}
