//! Where `scripts/setup` puts what it builds and fetches.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

const SETUP: &str = include_str!("../../scripts/setup");

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

/// A file of a part that is kept by its version, which stands in `scripts/setup`.
///
/// # Errors
/// It is not there; the text says how it gets there.
pub(crate) fn part(name: &str, file: &str) -> Result<PathBuf> {
    let named = format!("{name}_version=");
    let version = SETUP.lines().find_map(|line| line.strip_prefix(&named));
    let version = version.with_context(|| format!("looked for {named} in scripts/setup"))?;
    let path = folder()?.join(format!("{name}-{version}")).join(file);
    let shown = path.display();
    ensure!(
        path.exists(),
        "looked for {shown}: `scripts/setup` puts it there"
    );
    Ok(path)
}
