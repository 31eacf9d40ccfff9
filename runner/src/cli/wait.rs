//! `sandbox wait JOB`: the exit code says how it ended.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use anyhow::Result;
use indicatif::ProgressBar;
use serde_json::Value;

use super::{
    api::Api,
    shown::{Output, document, out, text},
};

/// How often the server is asked.
const ASK: Duration = Duration::from_millis(300);

/// The end of a job. Exit codes: 0 succeeded, 1 failed, 3 cancelled, 4 timed out, 124 not over in time.
#[derive(clap::Args)]
pub struct Wait {
    /// The job's id or name
    job: String,
    /// Wait no longer than this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// How to show the job at the end
    #[arg(short, long)]
    output: Option<Output>,
}

impl Wait {
    /// Waits.
    ///
    /// # Errors
    /// There is no such job, or the server cannot be asked.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        wait_for(api, &id, self.timeout, self.output).await
    }
}

/// Waits for the job of this id, and says how it ended.
///
/// # Errors
/// As [`Wait::run`].
pub async fn wait_for(
    api: &Api,
    id: &str,
    timeout: Option<u64>,
    output: Option<Output>,
) -> Result<ExitCode> {
    if let Some(job) = over(api, id, timeout).await? {
        return ended(&job, output);
    }
    let job = api.get(&format!("/jobs/{id}")).await?;
    eprintln!("job {id} is not over yet: {}", doing(&job));
    Ok(ExitCode::from(124))
}

/// The job of this id once it is over; nothing when it is not within so many seconds. Shows progress on a
/// terminal only.
///
/// # Errors
/// As [`Wait::run`].
pub async fn over(api: &Api, id: &str, timeout: Option<u64>) -> Result<Option<Value>> {
    let until = tokio::time::Instant::now()
        + Duration::from_secs(timeout.unwrap_or(u64::MAX / 4).min(1 << 32));
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    loop {
        let job = api.get(&format!("/jobs/{id}")).await?;
        let is_over = !job["outcome"].is_null();
        if is_over || tokio::time::Instant::now() >= until {
            bar.finish_and_clear();
            return Ok(is_over.then_some(job));
        }
        bar.set_message(doing(&job));
        bar.tick();
        tokio::time::sleep(ASK).await;
    }
}

fn doing(job: &Value) -> String {
    match &job["queued_reason"] {
        Value::Null => format!(
            "{} (attempt {})",
            text(&job["status"]),
            text(&job["attempt"])
        ),
        reason => text(reason),
    }
}

fn ended(job: &Value, output: Option<Output>) -> Result<ExitCode> {
    let outcome = text(&job["outcome"]);
    if output.is_some() {
        document(job, output)?;
    } else {
        out(&format!("job {} {}", text(&job["job_id"]), outcome));
        if !job["failure"].is_null() {
            out(&format!(
                "{}: {}",
                text(&job["failure"]["class"]),
                text(&job["failure"]["message"])
            ));
        }
    }
    Ok(ExitCode::from(match outcome.as_str() {
        "Succeeded" => 0,
        "Cancelled" => 3,
        "TimedOut" => 4,
        _ => 1,
    }))
}
