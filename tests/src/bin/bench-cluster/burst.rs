//! Many jobs at once on a back end that does nothing, beside the floor; then a restart over all of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sandbox_tests::{
    figures::{peak, row, rss},
    operator::Operator,
};

use super::{
    audit::{Counts, OPERATOR, count, rate},
    floor, jobs,
    plane::{NAMESPACE, Plane},
    resync,
};

/// Objects of the raw loop at most: what it does in a second does not hang on how long it does it.
const FLOOR: usize = 2000;
/// Most writes of its status that a job may take which is shorter than one heartbeat.
const STATUS_WRITES: u64 = 3;

/// Measures it.
pub async fn measure(jobs: usize, check: bool) -> Result<()> {
    let plane = Plane::start().await?;
    let floor = floor::measure(&plane, jobs.min(FLOOR)).await?;
    row(
        "floor: raw create and status patches",
        &format!("{floor:.0} writes/s"),
    );
    let born = plane.audit.mark().await?;
    // More slots than jobs, so that none waits for one: those that are looked at count as before others.
    let (operator, _) = plane.nowhere(2 * jobs)?;
    operator.leads().await;
    row("operator, idle, RSS", &megabytes(rss(operator.pid())?));
    let from = plane.audit.mark().await?;
    let (finished, over) = all(&plane, jobs).await?;
    let to = plane.audit.mark().await?;
    let what = format!("{jobs} jobs at once, no-op back end");
    told(&what, (jobs, floor), (finished, over));
    held(&operator, jobs)?;
    let counts = plane.audit.between(from, to)?;
    counts.show(OPERATOR, jobs);
    let looks = plane.audit.between(born, to)?.looks();
    listed(&counts, looks);
    if check {
        judge((&counts, looks), jobs)?;
    }
    operator.stop();
    resync::measure(&plane, jobs, check).await
}

/// Makes so many jobs; gives how long all took to be finished, and to be over.
pub async fn all(plane: &Plane, jobs: usize) -> Result<(Duration, Duration)> {
    let api = plane.jobs(NAMESPACE);
    let watch = jobs::all_of(api.clone(), jobs, jobs::stage);
    let begun = Instant::now();
    let make = jobs::make(api, jobs, |n| jobs::echo(&format!("job-{n}")));
    let ([finished, over], ()) = futures::try_join!(watch, make)?;
    Ok((finished - begun, over - begun))
}

/// Says how long all took, beside the floor.
pub fn told(what: &str, (jobs, floor): (usize, f64), (finished, over): (Duration, Duration)) {
    let least = count(jobs * floor::WRITES) / floor;
    let figure = format!(
        "{:.1} s ({:.0} jobs/s)",
        finished.as_secs_f64(),
        rate(jobs, finished)
    );
    row(&format!("{what}: to all Finished"), &figure);
    let share = least / finished.as_secs_f64();
    row(
        "  efficiency: the floor's time by that (wanted 0.5)",
        &format!("{share:.2}"),
    );
    row(
        "  to all over, with nothing left of any",
        &format!("{:.1} s", over.as_secs_f64()),
    );
}

fn held(operator: &Operator, jobs: usize) -> Result<()> {
    let pid = operator.pid();
    let most = format!("{}, now {}", megabytes(peak(pid)?), megabytes(rss(pid)?));
    row(
        &format!("  operator, RSS at the most with {jobs} jobs (wanted 150 MB)"),
        &most,
    );
    Ok(())
}

pub fn megabytes(figure: f64) -> String {
    format!("{figure:.0} MB")
}

/// Prints how often it was listed.
pub fn listed(counts: &Counts, looks: u64) {
    let lists = counts.lists().to_string();
    row("  lists after the start (wanted 0)", &lists);
    let looks = looks.to_string();
    row(
        "  lists of jobs in all (wanted 1: it took the lead)",
        &looks,
    );
}

/// What is promised of the requests of short jobs, and of the looks at jobs of the operator's whole life.
pub fn judge((counts, looks): (&Counts, u64), jobs: usize) -> Result<()> {
    let (writes, lists) = (counts.status_writes(), counts.lists());
    let most = STATUS_WRITES * u64::try_from(jobs)?;
    ensure!(
        writes <= most,
        "{writes} status writes for {jobs} jobs, wanted {most}"
    );
    ensure!(lists == 0, "{lists} lists after the start");
    ensure!(looks == 1, "{looks} lists of jobs, wanted one");
    Ok(())
}
