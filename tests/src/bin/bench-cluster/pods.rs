//! Many jobs at once in pods on nodes that are not there, and as many batch jobs with their controller tuned, on the same
//! API server with the same scheduler, one after the other.

use std::time::Instant;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, ResourceExt};
use sandbox_tests::{
    cluster::beside::{Beside, make_nodes},
    figures::{peak, row},
};
use serde_json::json;

use super::{
    audit::{OPERATOR, rate},
    burst, floor, jobs,
    plane::Plane,
    runners::Runners,
};

/// Where batch jobs are.
const BATCH: &str = "batch";
/// Objects of the raw loop at most.
const FLOOR: usize = 2000;
/// Nodes that are not there.
const NODES: u32 = 10;
/// Jobs at work at a time.
const SLOTS: usize = 10_000;

/// Measures it.
pub async fn measure(jobs: usize, check: bool) -> Result<()> {
    let plane = Plane::start().await?;
    let floor = floor::measure(&plane, jobs.min(FLOOR)).await?;
    row(
        "floor: raw create and status patches",
        &format!("{floor:.0} writes/s"),
    );
    make_nodes(&plane.client, NODES, 2 * jobs).await?;
    let (_scheduler, _kwok) = (
        Beside::scheduler(&plane.cluster)?,
        Beside::kwok(&plane.cluster)?,
    );
    let ours = agent_jobs(&plane, (jobs, floor), check).await?;
    let theirs = batch_jobs(&plane, jobs).await?;
    let figure = format!("{:.2} ×", theirs / ours);
    row("batch/v1 Job's time by ours (wanted more than 1)", &figure);
    Ok(())
}

async fn agent_jobs(plane: &Plane, (jobs, floor): (usize, f64), check: bool) -> Result<f64> {
    let born = plane.audit.mark().await?;
    let operator = plane.operator("pods", SLOTS);
    operator.leads().await;
    let runners = tokio::spawn(Runners::new(plane.client.clone()).play());
    let from = plane.audit.mark().await?;
    let (finished, over) = burst::all(plane, jobs).await?;
    let to = plane.audit.mark().await?;
    let what = format!("{jobs} jobs at once, pods on kwok nodes");
    burst::told(&what, (jobs, floor), (finished, over));
    let counts = plane.audit.between(from, to)?;
    counts.show(OPERATOR, jobs);
    let looks = plane.audit.between(born, to)?.looks();
    burst::listed(&counts, looks);
    row(
        "  operator, RSS at the most",
        &burst::megabytes(peak(operator.pid())?),
    );
    runners.abort();
    operator.stop();
    if check {
        burst::judge((&counts, looks), jobs)?;
    }
    Ok(finished.as_secs_f64())
}

async fn batch_jobs(plane: &Plane, jobs: usize) -> Result<f64> {
    plane.make_namespace(BATCH).await?;
    let _controller = Beside::job_controller(&plane.cluster)?;
    // One before, so that the controller is up.
    let api: Api<Job> = Api::namespaced(plane.client.clone(), BATCH);
    let watch = jobs::all_of(api.clone(), 1, stage);
    futures::try_join!(watch, jobs::make(api.clone(), 1, |_| job("first")))?;
    let watch = jobs::all_of(api.clone(), jobs + 1, stage);
    let begun = Instant::now();
    let make = jobs::make(api, jobs, |n| job(&format!("job-{n}")));
    let ([finished, _], ()) = futures::try_join!(watch, make)?;
    let took = finished - begun;
    let figure = format!(
        "{:.1} s ({:.0} jobs/s)",
        took.as_secs_f64(),
        rate(jobs, took)
    );
    row(
        &format!("{jobs} batch/v1 Jobs at once, the same nodes"),
        &figure,
    );
    Ok(took.as_secs_f64())
}

fn job(name: &str) -> Result<Job> {
    let container = json!({"name": "runner", "image": "runner", "args": ["echo"],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}});
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    let spec = json!({"backoffLimit": 0, "template": {"spec": pod}});
    let job = json!({"metadata": {"name": name}, "spec": spec});
    Ok(serde_json::from_value(job)?)
}

/// A batch job is complete, and nothing of it is left by then.
fn stage(job: &Job) -> Result<usize> {
    let status = job.status.as_ref();
    let failed = status.and_then(|s| s.failed).unwrap_or(0);
    ensure!(failed == 0, "lost {}: {status:?}", job.name_any());
    let done = status.is_some_and(|s| s.completion_time.is_some());
    Ok(if done { 2 } else { 0 })
}
