//! Jobs at a fixed rate, whoever waits for whom: how long each takes from its submission to its launch.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use kube::api::PostParams;
use sandbox_tests::figures::{Times, row};
use tokio::task::JoinSet;

use super::{
    jobs,
    nowhere::clock,
    plane::{NAMESPACE, Plane},
};

/// A rate that is measured.
#[derive(Clone, Copy)]
struct Pace {
    /// Jobs a second.
    rate: f64,
    /// Jobs, and how many of them are not counted.
    jobs: (usize, usize),
}

/// The one that is wanted, and one that an API server of a few hundred writes a second has room for.
const PACES: [Pace; 2] = [
    Pace {
        rate: 45.0,
        jobs: (1200, 200),
    },
    Pace {
        rate: 15.0,
        jobs: (500, 100),
    },
];

/// When each job was sent, by its id.
type Sent = Arc<Mutex<HashMap<String, (usize, i64)>>>;

/// Measures it, each rate on a control plane of its own.
pub async fn measure() -> Result<()> {
    for pace in PACES {
        at(pace).await?;
    }
    Ok(())
}

async fn at(pace: Pace) -> Result<()> {
    let plane = Plane::start().await?;
    let (operator, launches) = plane.nowhere(pace.jobs.0)?;
    operator.leads().await;
    let watch = jobs::all_of(plane.jobs(NAMESPACE), pace.jobs.0, jobs::stage);
    let sent = Sent::default();
    futures::try_join!(watch, send(&plane, &sent, pace))?;
    let times = waits(&launches, &sent, pace)?;
    let what = format!(
        "submission → launch at {} jobs/s, no-op back end",
        pace.rate
    );
    let figure = format!("{} [{}] (wanted 50 and 250)", times.shown(), times.count());
    row(&what, &figure);
    operator.stop();
    Ok(())
}

/// Sends jobs at random times, as many strangers would.
async fn send(plane: &Plane, sent: &Sent, pace: Pace) -> Result<()> {
    let (api, sent) = (plane.jobs(NAMESPACE), sent.clone());
    let driver = tokio::spawn(async move {
        let (mut dice, mut at, mut under_way) = (Dice(45), Instant::now(), JoinSet::new());
        for n in 0..pace.jobs.0 {
            at += Duration::from_secs_f64(-dice.throw().ln() / pace.rate);
            tokio::time::sleep_until(at.into()).await;
            let (api, sent, begun) = (api.clone(), sent.clone(), clock());
            under_way.spawn(async move {
                let job = jobs::echo(&format!("job-{n}"))?;
                let made = api.create(&PostParams::default(), &job).await?;
                let uid = made.metadata.uid.context("made a job without an id")?;
                let mut all = sent.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(uid, (n, begun));
                anyhow::Ok(())
            });
        }
        under_way.join_all().await.into_iter().collect()
    });
    driver.await.context("sent jobs")?
}

fn waits(launches: &Path, sent: &Sent, pace: Pace) -> Result<Times> {
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    let (text, mut times) = (std::fs::read_to_string(launches)?, Times::default());
    ensure!(
        text.lines().count() == sent.len(),
        "a job was launched twice or never"
    );
    for line in text.lines() {
        let (uid, at) = line.split_once(' ').context("read a launch")?;
        let (n, begun) = sent
            .get(uid)
            .context("a job was launched that nobody sent")?;
        let waited = at.parse::<i64>()? - begun;
        if *n >= pace.jobs.1 {
            times.note(Duration::from_nanos(waited.unsigned_abs()).as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// The same numbers every time (xorshift).
struct Dice(u64);

impl Dice {
    /// More than 0, at most 1.
    fn throw(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let low = u32::try_from(self.0 >> 32).unwrap_or_default();
        (f64::from(low) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}
