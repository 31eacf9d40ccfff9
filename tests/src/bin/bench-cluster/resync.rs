//! A restart over jobs that are all over: what the real operator asks then, and what it holds.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sandbox_tests::figures::{row, rss};

use super::{audit::OPERATOR, burst::megabytes, plane::Plane};

/// How long it is listened to when it leads and knows all jobs.
const QUIET: Duration = Duration::from_secs(5);

/// Measures it.
pub async fn measure(plane: &Plane, jobs: usize, check: bool) -> Result<()> {
    let from = plane.audit.mark().await?;
    let begun = Instant::now();
    let operator = plane.operator("again", jobs);
    operator.ready().await;
    operator.leads().await;
    let took = begun.elapsed().as_secs_f64();
    row(
        &format!("restart over {jobs} jobs that are over: to ready and leading"),
        &format!("{took:.2} s"),
    );
    tokio::time::sleep(QUIET).await;
    let to = plane.audit.mark().await?;
    let counts = plane.audit.between(from, to)?;
    let asked = counts.of(OPERATOR, |what| {
        let of_jobs = what.contains("agentjobs") || what.contains("pods");
        of_jobs && !what.starts_with("watch ") && !what.starts_with("list ")
    });
    row(
        "  requests for jobs after its first look (wanted 0)",
        &asked.to_string(),
    );
    let looks = counts.looks();
    row(
        "  lists of the jobs at work (wanted 1: it took the lead)",
        &looks.to_string(),
    );
    counts.show(OPERATOR, jobs);
    row(
        "  RSS of the real operator (wanted 150 MB)",
        &megabytes(rss(operator.pid())?),
    );
    operator.stop();
    ensure!(
        !check || asked == 0,
        "{asked} requests for jobs that are over"
    );
    ensure!(!check || looks == 1, "{looks} lists of jobs, wanted one");
    Ok(())
}
