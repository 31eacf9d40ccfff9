//! Commands about one job: describe, cancel, retry, attach.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    api::Api,
    shown::{Output, document, out, text},
};
use crate::config::{ServeConfig, ServeFlags};

/// One job.
#[derive(clap::Args)]
pub struct Named {
    /// The job's id or name
    job: String,
    /// How to show it
    #[arg(short, long)]
    output: Option<Output>,
}

impl Named {
    /// Shows everything about the job and what happened to it.
    ///
    /// # Errors
    /// There is no such job, or the server cannot be asked.
    pub async fn describe(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api.get(&format!("/jobs/{id}?view=resource")).await?;
        document(&job, self.output)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Ends the job.
    ///
    /// # Errors
    /// As [`Named::describe`].
    pub async fn cancel(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api
            .post(&format!("/jobs/{id}/cancel"), &json!({}), &[])
            .await?;
        self.tell(&job, "is told to end")
    }

    /// Runs the finished job again.
    ///
    /// # Errors
    /// As [`Named::describe`]; also when the job is not over.
    pub async fn retry(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api
            .post(&format!("/jobs/{id}/retry"), &json!({}), &[])
            .await?;
        self.tell(&job, "tries it again")
    }

    fn tell(&self, job: &Value, what: &str) -> Result<ExitCode> {
        match self.output {
            None => out(&format!("job {} {what}", text(&job["job_id"]))),
            some => document(job, some)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The terminal of one job.
#[derive(clap::Args)]
pub struct Attach {
    /// The job's id or name
    job: String,
    /// Look only; keys do nothing
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    serve: ServeFlags,
}

impl Attach {
    /// Opens the terminal: the agents' when the job has any, else the runner's.
    ///
    /// # Errors
    /// The job does not run here, or tmux is missing.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let job = api.job(&self.job).await?;
        let data_dir = ServeConfig::resolve(&self.serve)?.data_dir;
        let (socket, target) = terminal(&data_dir, &job)?;
        let mut tmux = Command::new("tmux");
        tmux.arg("-S")
            .arg(&socket)
            .args(["attach-session", "-t", &target]);
        if self.read_only {
            tmux.arg("-r");
        }
        Err(tmux.exec()).context("started tmux")
    }
}

fn terminal(data_dir: &Path, job: &Value) -> Result<(PathBuf, String)> {
    let id = text(&job["job_id"]);
    if !job["outcome"].is_null() {
        bail!(
            "job {id} is over and has no terminal any more; `sandbox logs {id}` shows what it said"
        )
    }
    let attempt = text(&job["attempt"]);
    let seat = data_dir.join("seats").join(&id).join(&attempt);
    // A link where the data's path is too long for a socket; tmux wants the socket itself.
    if let Ok(agents) = seat.join("agents.sock").canonicalize() {
        return Ok((agents, "=farm".to_owned()));
    }
    let name = job["backend_ref"]["name"].as_str();
    let Some(name) = name else {
        bail!("job {id} has no terminal: it has not started yet")
    };
    Ok((
        crate::serve::sockets::folder(data_dir)?.join("tmux.sock"),
        format!("={name}"),
    ))
}
