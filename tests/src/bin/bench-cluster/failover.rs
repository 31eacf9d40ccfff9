//! Two replicas, of which the one that leads ends in good order or is killed: how soon a job begins that is made at that
//! moment.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::api::{PostParams, WatchEvent, WatchParams};
use rustix::process::Signal;
use sandbox_tests::{
    figures::{Times, row},
    operator::Operator,
};

use super::{
    jobs,
    plane::{NAMESPACE, Plane},
};

/// How often each way is tried.
const ROUNDS: (usize, usize) = (5, 3);
/// The lease, as the operator has it by default.
const LEASE: u32 = 15;

/// Measures it.
pub async fn measure() -> Result<()> {
    let plane = Plane::start().await?;
    let mut leader = plane.operator("first", 1000);
    leader.leads().await;
    let killed = LEASE + 2;
    for (signal, how, rounds, wanted) in [
        (Signal::TERM, "ends", ROUNDS.0, 2),
        (Signal::KILL, "is-killed", ROUNDS.1, killed),
    ] {
        let mut times = Times::default();
        for round in 0..rounds {
            let name = format!("{how}-{round}");
            let next = plane.operator(&name, 1000);
            next.ready().await;
            let took = followed(&plane, &leader, (signal, &name)).await?;
            times.note(took.as_secs_f64() * 1e3);
            leader = next;
        }
        let (least, most) = (times.within(0), times.within(100));
        let what = format!("a leader {how}: to the next job's start (wanted {wanted} s)");
        row(&what, &format!("{least:.0} … {most:.0} ms [{rounds}]"));
    }
    leader.stop();
    Ok(())
}

/// Sends the leader this signal, and a job; gives how long it took until the job's intent was written.
async fn followed(
    plane: &Plane,
    leader: &Operator,
    (signal, name): (Signal, &str),
) -> Result<Duration> {
    let api = plane.jobs(NAMESPACE);
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut told = Box::pin(api.watch(&only, "0").await?);
    let begun = Instant::now();
    leader.signal(signal);
    let made = api.create(&PostParams::default(), &jobs::echo(name)?).await;
    made.context("made a job")?;
    while let Some(event) = told.next().await {
        if let WatchEvent::Modified(job) = event?
            && job.status().attempt > 0
        {
            return Ok(begun.elapsed());
        }
    }
    bail!("{name} was not begun")
}
