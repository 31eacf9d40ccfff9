//! `sandbox logs [-f] JOB`

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use futures::StreamExt;
use reqwest::{Response, header::HeaderMap};

use super::api::{Api, UNREAD};

/// How soon the next piece is asked for where the server holds no stream open.
const AGAIN: Duration = Duration::from_secs(2);

/// What a job's runner says.
#[derive(clap::Args)]
pub struct Logs {
    /// The job's id or name
    job: String,
    /// Go on until the job is over
    #[arg(short, long)]
    follow: bool,
}

/// Where the next piece of a log begins, as a server says it that gives pieces alone.
#[derive(Clone, Copy)]
struct Next {
    attempt: u64,
    cursor: u64,
}

impl Next {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
        Some(Self {
            attempt: number("x-attempt")?,
            cursor: number("x-next-cursor")?,
        })
    }
}

impl Logs {
    /// Prints the log as it comes.
    ///
    /// # Errors
    /// There is no such job or log, or the server cannot be asked.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let path = format!("/jobs/{id}/logs?follow={}", self.follow);
        let answer = api.raw(&path).await?;
        let next = Next::read(answer.headers()).filter(|_| self.follow);
        print(answer).await?;
        if let Some(next) = next {
            pieces(api, &id, next).await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks for one piece after the other until the job is over and has said all.
async fn pieces(api: &Api, id: &str, mut next: Next) -> Result<()> {
    loop {
        // Read first: what the log of a job lacks that is over will not come.
        let job = api.get(&format!("/jobs/{id}")).await?;
        let Next { attempt, cursor } = next;
        let path = format!("/jobs/{id}/logs?follow=true&attempt={attempt}&cursor={cursor}");
        let answer = api.raw(&path).await?;
        let told = Next::read(answer.headers()).context("read where the log goes on")?;
        if print(answer).await? {
            next = told;
        } else if job["attempt"].as_u64() > Some(attempt) {
            next = Next {
                attempt: attempt + 1,
                cursor: 0,
            };
        } else if job["outcome"].is_null() {
            tokio::time::sleep(AGAIN).await;
        } else {
            return Ok(());
        }
    }
}

/// Writes an answer to standard output as it comes; says whether there was anything.
///
/// # Errors
/// It broke off, or nobody reads.
pub async fn print(answer: Response) -> Result<bool> {
    let mut pieces = answer.bytes_stream();
    let mut out = std::io::stdout().lock();
    let mut any = false;
    while let Some(piece) = pieces.next().await {
        let piece = piece.context(UNREAD)?;
        any |= !piece.is_empty();
        out.write_all(&piece)?;
        out.flush()?;
    }
    Ok(any)
}
