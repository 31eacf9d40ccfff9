//! `sandbox artifacts JOB [PATH]`: the files that a job left, or one of them.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::{
    api::{Api, escaped},
    logs::print,
    shown::{Output, Row, show, text},
};

/// The files that a job left.
#[derive(clap::Args)]
pub struct Artifacts {
    /// The job's id or name
    job: String,
    /// Write this one to standard output; all are listed otherwise
    path: Option<String>,
    /// How to show the list
    #[arg(short, long, conflicts_with = "path")]
    output: Option<Output>,
}

const HEAD: &[&str] = &["PATH", "BYTES", "CHANGED"];

impl Artifacts {
    /// Lists the files, or writes one out.
    ///
    /// # Errors
    /// There is no such job or file, or the server cannot be asked.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let url = format!("/jobs/{id}/artifacts");
        if let Some(path) = &self.path {
            print(api.raw(&format!("{url}/{}", escaped(path)?)).await?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let found = api.get(&url).await?;
        let all = found["artifacts"].as_array().cloned().unwrap_or_default();
        let row: Row = |one: &Value| {
            vec![
                text(&one["path"]),
                text(&one["size"]),
                text(&one["modified_at"]),
            ]
        };
        show(&all, self.output, "path", (HEAD, row))?;
        Ok(ExitCode::SUCCESS)
    }
}
