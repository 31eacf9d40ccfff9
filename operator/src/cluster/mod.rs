//! `sandbox-operator`: the operator in a Kubernetes cluster. Every replica knows all jobs and serves the API, the
//! runners and the probes; the one that leads reconciles.
//!
//! | file | what it is |
//! |---|---|
//! | `settings` | what it is told |
//! | `client` | the way to the API server |
//! | `operator`, `replica` | the parts: opened in order, run, closed in order |
//! | `leader`, `leading` | what the leader does, and that nobody else does it |
//! | `places` | the back ends of a cluster |
//! | `hosts` | machines outside of the cluster |
//! | `door`, `certificate` | runners' way in, over TLS |
//! | `secret`, `keys` | what is made once for all replicas |
//! | `files` | where is kept what is too large for an object |
//! | `events` | what `kubectl describe` shows |
//! | `probes`, `check` | whether it is well |
//! | `elf` | where the shared memory is |

pub mod certificate;
pub mod check;
pub mod client;
mod door;
mod elf;
mod events;
mod files;
mod hosts;
mod keys;
mod leader;
mod leading;
mod operator;
mod places;
mod probes;
mod replica;
mod secret;
pub mod settings;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

pub use operator::{Opened, Places, Site, run};
pub use places::places;

use crate::listen::told_to_stop;
use settings::{LogFormat, Settings};

/// Runs a replica with these places until the process is told to stop.
///
/// # Errors
/// A part could not be opened or came to an end by itself.
pub fn main(
    settings: Settings,
    places: impl for<'a> FnOnce(&'a Site<'a>) -> Opened<'a>,
) -> Result<()> {
    log(&settings)?;
    let runtime = runtime()?;
    let done = runtime.block_on(run(settings, places, told_to_stop()));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    done
}

/// Waits for this in a runtime of its own.
///
/// # Errors
/// It fails.
pub fn blocking<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    runtime()?.block_on(work)
}

fn runtime() -> Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build().context("made a runtime")
}

fn log(settings: &Settings) -> Result<()> {
    let level = &settings.log_level;
    let filter = EnvFilter::try_new(level);
    let filter = filter.with_context(|| format!("read --log-level {level:?}"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let begun = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    begun.map_err(|e| anyhow!("started the log: {e}"))
}
