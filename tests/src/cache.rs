//! Where `scripts/setup` puts what it builds and fetches.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder, as the scripts have it.
pub(crate) fn folder() -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set("SANDBOX_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("multi-agent-sandbox")))
        .or_else(|| set("HOME").map(|p| p.join(".cache/multi-agent-sandbox")))
        .context("looked for the cache: HOME is not set")
}
