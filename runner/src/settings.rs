//! What the server tells every runner of its machine: paths and where secrets stand, never a secret.
//!
//! `serve` writes it once at its start beside the data; `exec` reads it after its claim.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use sandbox_operator::checks::{Check, Checks, DEFAULT};

use crate::exec::door::DoorSettings;

const FILE: &str = "runner.json";

/// Settings of this machine's runners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Tenants' roots stand beneath it: `<workspace_root>/<tenant>`.
    pub workspace_root: PathBuf,
    /// Artifacts stand beneath it: `<artifacts_root>/<tenant>/<job uid>`.
    pub artifacts_root: PathBuf,
    /// The socket of the seat protocol.
    pub socket: PathBuf,
    /// The door of the seat protocol, where it is elsewhere.
    pub door: Option<DoorSettings>,
    /// Where the model's API is.
    pub model_url: Option<String>,
    /// The file that holds the API key.
    pub model_key_file: Option<PathBuf>,
    /// A file of prices that goes before the program's own.
    pub prices_file: Option<PathBuf>,
    /// How what farms made is judged.
    pub checks: Checks,
    /// The dbt program and its leading arguments.
    pub dbt_command: Vec<String>,
    /// The terminal agent's program and its leading arguments.
    pub agent_command: Vec<String>,
    /// More environment for terminal agents.
    pub agent_env: BTreeMap<String, String>,
    /// The file that holds a long-lived token for terminal agents; it goes before the API key.
    pub agent_token_file: Option<PathBuf>,
    /// Whether terminal agents are to use the login of the user that runs the server.
    pub agent_login: bool,
    /// The file in which that user's own program keeps its login.
    pub agent_login_file: PathBuf,
    /// The command that makes that program renew its login; empty where only the user does.
    pub agent_login_renew: Vec<String>,
    /// Tenants' secrets stand beneath it: `<secrets_root>/<tenant>/<name>`.
    pub secrets_root: PathBuf,
    /// Whether jobs may name repositories of this machine by `file://`.
    pub file_urls: bool,
    /// Largest clone, in bytes; 0 is the default.
    pub clone_limit: u64,
    /// How long one call to a git remote may take, in seconds; 0 is the default.
    pub git_timeout: u64,
    /// Largest log of one seat, in bytes.
    pub log_limit: u64,
}

impl Settings {
    /// Writes the settings where this data folder's runners look; replaces them whole.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        let next = data_dir.join("runner.json.next");
        std::fs::write(&next, text)?;
        std::fs::rename(next, data_dir.join(FILE))
    }

    /// Reads the settings of this data folder.
    ///
    /// # Errors
    /// They are not there or not readable.
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(data_dir.join(FILE))?;
        Ok(serde_json::from_slice(&text)?)
    }
}
