//! `sandbox logs [-f] JOB`

use std::{io::Write, process::ExitCode};

use anyhow::{Context, Result};
use futures::StreamExt;

use reqwest::Response;

use super::api::{Api, UNREAD};

/// What a job's runner says.
#[derive(clap::Args)]
pub struct Logs {
    /// The job's id or name
    job: String,
    /// Go on until the job is over
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    /// Prints the log as it comes.
    ///
    /// # Errors
    /// There is no such job or log, or the server cannot be asked.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let answer = api
            .raw(&format!("/jobs/{id}/logs?follow={}", self.follow))
            .await?;
        print(answer).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes an answer to standard output as it comes.
///
/// # Errors
/// It broke off, or nobody reads.
pub async fn print(answer: Response) -> Result<()> {
    let mut pieces = answer.bytes_stream();
    let mut out = std::io::stdout().lock();
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece.context(UNREAD)?)?;
        out.flush()?;
    }
    Ok(())
}
