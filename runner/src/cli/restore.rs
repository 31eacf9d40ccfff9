//! `sandbox restore FILE`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::{backup::data_of, shown::out};
use crate::backup::{self, Asked};

/// A data folder of a backup.
#[derive(clap::Args)]
pub struct Restore {
    /// The backup
    file: PathBuf,
    /// The data folder [default: $XDG_DATA_HOME/sandbox]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Put the data folder that is there aside; nothing is deleted
    #[arg(long)]
    replace: bool,
}

impl Restore {
    /// Restores it, and says what came of it.
    ///
    /// # Errors
    /// The backup is not whole, or the data folder is in use or not empty. Nothing was changed then.
    pub async fn run(self) -> Result<ExitCode> {
        let config = data_of(self.data_dir)?;
        let asked = Asked {
            file: &self.file,
            data: &config.data_dir,
            replace: self.replace,
        };
        let restored = backup::restore(&asked).await.map_err(backup::told)?;
        let (head, revived) = (&restored.head, restored.revived);
        out(&format!(
            "{}: {} jobs and {} rules of {}",
            config.data_dir.display(),
            head.jobs,
            head.rules,
            head.at.strftime("%Y-%m-%d %H:%M:%S UTC")
        ));
        if revived.suspended > 0 {
            out(&format!(
                "{} jobs were not over and wait suspended; look whether they went on elsewhere, then `sandbox resume JOB`",
                revived.suspended
            ));
        }
        if revived.reported > 0 {
            out(&format!(
                "{} jobs were done but for their last note; `sandbox serve` sees to them",
                revived.reported
            ));
        }
        if let Some(aside) = &restored.aside {
            out(&format!(
                "the old data folder stands at {}",
                aside.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
