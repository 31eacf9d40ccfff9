//! Secrets go to runners by reference: a file that only our user can read, never an argument and
//! never a record.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use anyhow::{Context, Result};

use crate::config::ServeConfig;

/// The file of the key for model calls: the one that was named, or one made of the key itself.
///
/// # Errors
/// The file cannot be written.
pub(super) fn model_key(config: &ServeConfig) -> Result<Option<PathBuf>> {
    let named = config
        .sources
        .get("ANTHROPIC_API_KEY_FILE")
        .map(PathBuf::from);
    match config.sources.get("ANTHROPIC_API_KEY") {
        Some(key) => Ok(Some(write(config, "model-key", key)?)),
        None => Ok(named),
    }
}

fn write(config: &ServeConfig, name: &str, secret: &str) -> Result<PathBuf> {
    let folder = config.data_dir.join("secrets");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .context("made the folder for secrets")?;
    let path = folder.join(name);
    let next = folder.join(format!("{name}.next"));
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(secret.trim().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&next, &path).context("wrote the key file")?;
    Ok(path)
}
