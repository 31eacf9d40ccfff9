//! Runners that are played in the tasks of the double, over the real way in, and a register of who was at work when: two
//! at once for one job, or two that were given one seat, are a double start.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use sandbox_core::{Seat, Uid};
use sandbox_tests::{
    ecs::{Launched, Player},
    figures::row,
    lambda::trouble::Trouble,
    visit::{Visit, door},
};
use serde_json::json;
use tokio::sync::OnceCell;

/// How long a runner asks a door that does not answer, as the real one does.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a task has to leave by itself when its work is reported, as `lambda` has it: nothing ends it before.
const TO_LEAVE: Duration = Duration::from_secs(30);
/// The exit code of one whose seat is another's.
const NOT_MINE: i32 = 75;
/// That of one that was killed.
const KILLED: i32 = 137;

/// Who was at work.
#[derive(Default)]
pub struct Starts(Mutex<Known>);

#[derive(Default)]
struct Known {
    at_work: HashMap<Uid, String>,
    claimed: HashMap<Seat, String>,
    done: HashSet<Uid>,
    doubles: Vec<String>,
    turned_away: usize,
    killed: usize,
    failed: Vec<String>,
    sweeps: Vec<Instant>,
    orphans: usize,
    stays: Vec<Stay>,
}

/// How long a task stayed whose work was over, and how many whole sweeps that went well there were when it had to be gone.
struct Stay {
    time: Duration,
    sweeps: usize,
}

/// A runner at work; it ends with this value, however that ends.
struct AtWork(Arc<Starts>, Uid);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.lock().at_work.remove(&self.1);
    }
}

/// A task that stays when its work is reported; somebody must end it.
struct Orphan(Arc<Starts>, Instant);

impl Orphan {
    fn of(starts: &Arc<Starts>) -> Self {
        starts.lock().orphans += 1;
        Self(starts.clone(), Instant::now())
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let mut known = self.0.lock();
        let due = self.1 + TO_LEAVE;
        let whole = known.sweeps.iter().filter(|begun| **begun >= due);
        let (time, sweeps) = (self.1.elapsed(), whole.count());
        known.orphans -= 1;
        known.stays.push(Stay { time, sweeps });
    }
}

impl Starts {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, seat: &Seat, task: &str) -> AtWork {
        let mut known = self.lock();
        if let Some(other) = known.claimed.insert(seat.clone(), task.to_owned()) {
            let double = format!("{seat} was given to {other} and to {task}");
            known.doubles.push(double);
        }
        if let Some(other) = known.at_work.insert(seat.uid.clone(), task.to_owned()) {
            let double = format!("{seat} was begun by {task} while {other} was at work");
            known.doubles.push(double);
        }
        AtWork(self.clone(), seat.uid.clone())
    }

    /// Every double start.
    pub fn doubles(&self) -> Vec<String> {
        self.lock().doubles.clone()
    }

    /// How many jobs have reported.
    pub fn done(&self) -> usize {
        self.lock().done.len()
    }

    /// How many of these jobs have reported.
    pub fn reported(&self, ids: &HashSet<Uid>) -> usize {
        self.lock().done.intersection(ids).count()
    }

    /// A sweep went well that was begun then.
    pub fn swept(&self, begun: Instant) {
        self.lock().sweeps.push(begun);
    }

    /// How many tasks stay whose work is over.
    pub fn orphans(&self) -> usize {
        self.lock().orphans
    }

    /// The most whole sweeps that a task outlasted whose work was over.
    pub fn outlasted(&self) -> usize {
        let known = self.lock();
        known.stays.iter().map(|s| s.sweeps).max().unwrap_or(0)
    }

    /// Prints it.
    pub fn show(&self) {
        let known = self.lock();
        row(
            "runners that were given a seat",
            &known.claimed.len().to_string(),
        );
        row(
            "runners that were turned away",
            &known.turned_away.to_string(),
        );
        row("runners that died at work", &known.killed.to_string());
        row(
            "runners that could not report",
            &known.failed.len().to_string(),
        );
        for text in known.failed.iter().take(3) {
            println!("  {text}");
        }
        row("double starts (wanted 0)", &known.doubles.len().to_string());
        let longest = known.stays.iter().map(|s| s.time).max();
        if let Some(longest) = longest {
            let ended = format!(
                "{}, within {:.1} s",
                known.stays.len(),
                longest.as_secs_f64()
            );
            row(
                "orphans: tasks that stayed after their report, all ended",
                &ended,
            );
        }
    }
}

/// Plays the runner of each task.
pub fn player(starts: Arc<Starts>, trouble: Arc<Trouble>) -> Player {
    let client = Arc::<OnceCell<reqwest::Client>>::default();
    Arc::new(move |launched| {
        let (starts, trouble, client) = (starts.clone(), trouble.clone(), client.clone());
        Box::pin(async move {
            match play(&launched, (&starts, &trouble), &client).await {
                Ok(code) => code,
                Err(e) => {
                    starts
                        .lock()
                        .failed
                        .push(format!("{}: {e:#}", launched.arn));
                    1
                }
            }
        })
    })
}

async fn play(
    launched: &Launched,
    (starts, trouble): (&Arc<Starts>, &Trouble),
    client: &OnceCell<reqwest::Client>,
) -> Result<i32> {
    let mut words = launched.words.iter().skip_while(|w| *w != "--seat");
    let seat: Seat = words.nth(1).context("a task of no seat")?.parse()?;
    let token = launched.variables.get("SANDBOX_SEAT_TOKEN");
    let visit = Visit {
        client: client.get_or_try_init(async || open(launched)).await?,
        door: door(&launched.words)?,
        seat: &seat,
        token: token.context("a task without a token")?.clone(),
        patience: PATIENCE,
    };
    let Some(claim) = visit.claim(format!("task:{}", launched.arn)).await? else {
        starts.lock().turned_away += 1;
        return Ok(NOT_MINE);
    };
    let at_work = starts.begin(&seat, &launched.arn);
    visit.brief(&claim).await?;
    if trouble.happens() {
        starts.lock().killed += 1;
        return Ok(KILLED);
    }
    visit
        .work(&claim, json!({"echoed_message": "hello"}))
        .await?;
    drop(at_work);
    let orphan = trouble.happens().then(|| Orphan::of(starts));
    starts.lock().done.insert(seat.uid.clone());
    if orphan.is_some() {
        std::future::pending::<()>().await;
    }
    Ok(0)
}

/// A client that trusts whom the task trusts.
fn open(launched: &Launched) -> Result<reqwest::Client> {
    let file = launched.variables.get("SSL_CERT_FILE");
    let pem = std::fs::read(file.context("a task that trusts nobody")?)?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem)?;
    Ok(reqwest::Client::builder().tls_certs_only(roots).build()?)
}
