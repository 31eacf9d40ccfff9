//! `sandbox import`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use sandbox_core::Tenant;

use super::{backup::data_of, shown::out};
use crate::{
    backup::told,
    import::{self, Asked},
};

/// What the Python ancestor has kept.
#[derive(clap::Args)]
pub struct Import {
    /// A jobs.db, memory.db or clients.json, or a folder around such files; may be given again
    #[arg(long, value_name = "PATH", required = true)]
    from: Vec<PathBuf>,
    /// Write it into the data folder, while nobody serves it
    #[arg(long)]
    apply: bool,
    /// Whose all of it is to be [default: each client's own]
    #[arg(long)]
    tenant: Option<Tenant>,
    /// The data folder [default: $XDG_DATA_HOME/sandbox]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Import {
    /// Imports, or says what an import would do. The ancestor's files stay as they are.
    ///
    /// # Errors
    /// A server has the data folder, it cannot be written, or nothing was found.
    pub async fn run(self) -> Result<ExitCode> {
        let config = data_of(self.data_dir)?;
        let asked = Asked {
            from: &self.from,
            data: &config.data_dir,
            workspace: &config.workspace_root,
            tenant: self.tenant,
            apply: self.apply,
        };
        let seen = import::import(&asked).await.map_err(told)?;
        out(seen.to_string().trim_end());
        out(if self.apply {
            "all of this was imported; a second time adds nothing"
        } else {
            "nothing was written; --apply imports it while no `sandbox serve` has the data folder"
        });
        Ok(ExitCode::SUCCESS)
    }
}
