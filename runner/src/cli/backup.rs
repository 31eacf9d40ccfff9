//! `sandbox backup FILE`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

use super::shown::out;
use crate::{
    backup,
    config::{ServeConfig, ServeFlags},
    serve::stores::{Place, place},
};

/// A copy of a data folder.
#[derive(clap::Args)]
pub struct Backup {
    /// The file to make, such as sandbox-2026-01-31.tar.gz; one that is there is left alone
    file: PathBuf,
    /// The data folder [default: $XDG_DATA_HOME/sandbox]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Put the folder of keys in too; keep such a backup as safe as the keys
    #[arg(long)]
    with_keys: bool,
}

impl Backup {
    /// Makes it, and says what is in it.
    ///
    /// # Errors
    /// The data folder cannot be read, the file is there already, or there is no room.
    pub fn run(self) -> Result<ExitCode> {
        let config = data_of(self.data_dir)?;
        let made = backup::make(&config.data_dir, &self.file, self.with_keys);
        let made = made.map_err(backup::told)?;
        for path in &made.left_out {
            eprintln!("left out {}: it is no plain file", path.display());
        }
        out(&format!(
            "{}: {} jobs ({} not over), {} rules, {} files, {} bytes{}",
            self.file.display(),
            made.head.jobs,
            made.head.unfinished,
            made.head.rules,
            made.files,
            made.bytes,
            if made.head.keys { ", with keys" } else { "" }
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The settings with this data folder.
///
/// # Errors
/// A setting is not what it must be, or the records are not in a data folder.
pub fn data_of(data_dir: Option<PathBuf>) -> Result<ServeConfig> {
    let config = ServeConfig::resolve(&ServeFlags {
        data_dir,
        ..ServeFlags::default()
    })?;
    let (elsewhere, instead) = match place(&config)? {
        Place::Files => return Ok(config),
        Place::Redis(_) => (
            "on Redis",
            "copy Redis' append-only folder instead (docs/redis.md)",
        ),
        Place::DynamoDb(_) => (
            "on DynamoDB",
            "use the table's point-in-time recovery instead (docs/dynamodb.md)",
        ),
    };
    bail!(
        "looked for the records: SANDBOX_STORE has them {elsewhere}, and this is for data folders with SQLite files; {instead}"
    );
}
