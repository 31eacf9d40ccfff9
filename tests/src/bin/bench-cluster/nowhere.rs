//! An operator whose back end does nothing: a launched seat claims, reports and is gone, as a task of its process. All else
//! is the operator as it is, and every write of a job is real.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    future::ready,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use clap::Parser;
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use sandbox_core::{
    Brief, Claim, Outcome, Register, Report, Seat, Sighting, Usage,
    port::{Answer, Backend, LogChunk, Look, PortError, Seats},
    spec::BackendName,
};
use sandbox_operator::{
    cluster::{self, settings::Settings},
    control::Waker,
};
use serde_json::json;

#[derive(Parser)]
struct Words {
    /// Where launches are noted.
    noted_in: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

/// Is the operator that these words ask for.
pub fn operator(words: impl Iterator<Item = String>) -> Result<()> {
    let words = Words::parse_from(words);
    let launches = File::create(&words.noted_in).context("made the file of launches")?;
    cluster::main(words.settings, |site| {
        let place: Arc<dyn Backend> = Arc::new(Nowhere {
            seats: site.seats.clone(),
            waker: site.waker.clone(),
            launched: Arc::default(),
            launches: Mutex::new(launches),
        });
        let places = BTreeMap::from([(BackendName::Pod, place)]);
        Box::pin(ready(Ok(places)))
    })
}

/// Nanoseconds of a clock that all processes of a machine read alike.
pub fn clock() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The seats that were launched, and whether each is over.
type Launched = Arc<Mutex<HashMap<Seat, bool>>>;

struct Nowhere {
    seats: Arc<dyn Seats>,
    waker: Waker,
    launched: Launched,
    launches: Mutex<File>,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn instance(seat: &Seat) -> String {
    format!("nowhere:{seat}")
}

/// What a runner does whose work takes no time.
async fn work(seats: &dyn Seats, brief: &Brief) -> Answer<()> {
    let (seat, now) = (&brief.seat, Timestamp::now());
    let claim = Claim {
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        instance: instance(seat),
        at: now,
    };
    let stands = seats.claim(seat, claim.clone()).await?;
    if stands != Register::Claimed(claim.clone()) {
        return Err(PortError::Conflict(format!("claimed {seat}: {stands:?}")));
    }
    let message = brief.spec.echo.as_ref().map(|e| e.message.clone());
    let report = Report {
        outcome: Outcome::Succeeded,
        failure: None,
        result: json!({"echoed_message": message}),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: now,
        finished_at: Timestamp::now(),
    };
    seats.report(seat, &claim.nonce, report).await
}

#[async_trait]
impl Backend for Nowhere {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Pod, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let line = format!("{} {}\n", brief.seat.uid, clock());
        if lock(&self.launched)
            .insert(brief.seat.clone(), false)
            .is_some()
        {
            return Err(PortError::Conflict(format!("{} was launched", brief.seat)));
        }
        let noted = lock(&self.launches).write_all(line.as_bytes());
        noted.map_err(|e| PortError::Unknown(format!("noted a launch: {e}")))?;
        let (seats, waker) = (self.seats.clone(), self.waker.clone());
        let (launched, brief) = (self.launched.clone(), brief.clone());
        tokio::spawn(async move {
            if let Err(e) = work(&*seats, &brief).await {
                eprintln!("seat {}: {e}", brief.seat);
            }
            lock(&launched).insert(brief.seat.clone(), true);
            waker.wake(&brief.seat.uid);
        });
        Ok(())
    }

    async fn look(&self, seat: &Seat, _claim: Option<&Claim>) -> Answer<Look> {
        let instance = instance(seat);
        let is_over = lock(&self.launched).get(seat).copied();
        let seen = is_over.map(|is_over| {
            if is_over {
                Sighting::Exited {
                    instance,
                    code: Some(0),
                    signal: None,
                    why: None,
                }
            } else {
                Sighting::Alive { instance }
            }
        });
        Ok(Look {
            sightings: seen.into_iter().collect(),
            ..Look::default()
        })
    }

    async fn stop(&self, _seat: &Seat, _keep: Option<&str>) -> Answer<()> {
        Ok(())
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        lock(&self.launched).remove(seat);
        Ok(())
    }

    async fn logs(&self, seat: &Seat, _from: u64, _limit: u32) -> Answer<LogChunk> {
        Err(PortError::NotFound(format!("seat {seat} has no log")))
    }
}
