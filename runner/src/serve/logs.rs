//! Where the server's own log goes: standard error, one line an event.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts logging at this level.
///
/// # Errors
/// The level is none.
pub(super) fn start(level: &str) -> Result<()> {
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("read LOG_LEVEL: {level:?} is not like info or debug"))?;
    let written = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    written.map_err(|e| anyhow::anyhow!("started the log: {e}"))
}
