//! `sandbox serve`: a whole node in one process: the operator's library wired to SQLite and tmux.

mod containers;
mod face;
mod fargate;
pub mod gate;
pub mod host;
mod keys;
mod lock;
mod logs;
mod node;
mod others;
mod secrets;
pub mod sockets;
pub mod stores;

use std::process::ExitCode;

pub use containers::default_image;
pub use lock::lock;

use anyhow::Result;

use crate::config::{ServeConfig, ServeFlags};

/// Serves until it is told to stop.
pub fn main(flags: &ServeFlags) -> ExitCode {
    match serve(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("sandbox serve: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: &ServeFlags) -> Result<()> {
    let config = ServeConfig::resolve(flags)?;
    logs::start(config.sources.get("LOG_LEVEL").unwrap_or("info"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(node::run(config));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    served
}
