//! Seat registers in the jobs' own objects: what stands at a seat is a part of the object's status, written on condition
//! that nobody has written the object meanwhile. So any replica may write it, and a decision of the reconciler that does
//! not know of it loses.
//!
//! A heartbeat is written down when a third of the lease has passed since the claim or the last one that was; the others
//! stay in this process. A report that is too large for an object stands in the artifact store, under a name made from what it says.

mod results;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use object_store::ObjectStore;
use sandbox_core::{
    AgentJob, AgentJobStatus, Claim, Heartbeat, Register, Report, Seat, Uid,
    plan::{begun, progressed, reported},
    port::{Answer, PortError, SeatRecord, Seats},
    query::NewEvent,
    seat::Closed,
    standing::{self, Beat, Reported, Standing},
};

use super::{HEARTBEAT_LIMIT, REPORT_LIMIT, admit, closed, encode};
use crate::store::kube::{Objects, SEAT};
use results::Results;

/// How often a write is tried again that lost to another one.
const TRIES: u32 = 64;
/// The longest pause before that, in milliseconds.
const PAUSE: u64 = 50;

/// Seats of jobs that are objects.
pub struct KubeSeats {
    objects: Arc<Objects>,
    lease: Duration,
    results: Results,
    /// Whether a seat is believed to be open by what this process has heard.
    trusts: bool,
}

/// What is to be written at a seat, and what to tell of it; nothing where it stands so already.
type Wanted = Option<Said>;
type Said = (AgentJobStatus, Vec<NewEvent>);

impl KubeSeats {
    /// Seats over these objects. A runner may work for a lease after a heartbeat; large reports go to this store.
    #[must_use]
    pub fn new(objects: Arc<Objects>, lease: Duration, results: Arc<dyn ObjectStore>) -> Self {
        Self {
            objects,
            lease,
            results: Results::new(results),
            trusts: false,
        }
    }

    /// The same for a reader whose every decision is a conditional write, such as the reconciler: it takes a seat for open by
    /// what this process has heard. Others ask the API server first, for a runner whose claim came to another replica must
    /// not be told that it has no seat.
    #[must_use]
    pub fn trusting_memory(self) -> Self {
        Self {
            trusts: true,
            ..self
        }
    }

    /// Writes what is wanted of the job as it stands, again and again until nobody wrote in between. Nobody is refused for
    /// what this process has not heard yet.
    fn change<'a>(
        &'a self,
        seat: &'a Seat,
        wanted: impl Fn(&AgentJob) -> Answer<Wanted> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Answer<AgentJob>> {
        Box::pin(async move {
            let mut fresh = false;
            for turn in 0..TRIES {
                let job = self.job(seat)?;
                let (status, events) = match wanted(&job) {
                    Ok(Some(wanted)) => wanted,
                    Ok(None) => return Ok(job),
                    Err(PortError::Refused(_)) if !fresh => {
                        self.objects.refresh(&job).await?;
                        fresh = true;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                match self.objects.put_status(&job, &status, SEAT).await {
                    Ok(saved) => {
                        self.objects.tell(&saved, events);
                        return Ok(saved);
                    }
                    Err(PortError::Conflict(_)) => pause(turn).await,
                    Err(e) => return Err(e),
                }
            }
            let text =
                format!("wrote at seat {seat}: the job is being changed too often; ask again");
            Err(PortError::Unknown(text))
        })
    }

    /// The job as it is known here, asked for where the seat would be taken for open.
    async fn seen(&self, seat: &Seat) -> Answer<Option<AgentJob>> {
        if self.trusts || self.is_over(&seat.uid) {
            let known = self.objects.get(&seat.uid);
            return Ok(known.filter(|_| !self.is_over(&seat.uid)));
        }
        let job = self.job(seat)?;
        if standing::read(&job, seat.attempt).0.register == Register::Open {
            return self.objects.refresh(&job).await;
        }
        Ok(Some(job))
    }

    fn job(&self, seat: &Seat) -> Answer<AgentJob> {
        let known = self.objects.get(&seat.uid);
        known
            .filter(|_| !self.objects.is_discarded(&seat.uid))
            .ok_or_else(|| {
                let text = format!("looked for the job of seat {seat}: it is not known here");
                if self.is_over(&seat.uid) {
                    PortError::NotFound(text)
                } else {
                    PortError::Unknown(format!("{text} yet; ask again"))
                }
            })
    }

    /// Whether nobody will ever have a seat of this job any more.
    fn is_over(&self, uid: &Uid) -> bool {
        self.objects.was_here(uid) || self.objects.is_discarded(uid)
    }

    /// The newest heartbeat, heard at the latest time at which one may have been answered: for a third of the lease after
    /// one that was written, none is, whether it came to another process or to this one before it was started anew.
    fn newest(&self, seat: &Seat, job: &AgentJob, written: Option<Heartbeat>) -> Option<Heartbeat> {
        let written = written.or_else(|| vanished(job));
        let latest = written
            .as_ref()
            .map(|w| self.third(w.at).min(Timestamp::now()).max(w.at));
        let told = self.objects.beat(seat);
        let mut newest = told.into_iter().chain(written).max_by_key(|b| b.at)?;
        newest.at = newest.at.max(latest.unwrap_or(newest.at));
        Some(newest)
    }

    /// The end of the time after this in which no heartbeat is written down.
    fn third(&self, at: Timestamp) -> Timestamp {
        at.checked_add(self.lease / 3).unwrap_or(at)
    }
}

/// The claim as the first heartbeat, where it is asked how long a runner that is not to be seen may go on.
fn vanished(job: &AgentJob) -> Option<Heartbeat> {
    let status = job.status();
    let intent = status.intent.as_ref().filter(|i| i.vanished_at.is_some())?;
    Some(Heartbeat {
        at: intent.claim.as_ref()?.at,
        ..Heartbeat::default()
    })
}

/// What comes of a register that should have been written; a seat whose job is gone is shut.
fn stands(seat: &Seat, written: Answer<AgentJob>) -> Answer<Register> {
    match written {
        Ok(job) => Ok(standing::read(&job, seat.attempt).0.register),
        Err(PortError::NotFound(_)) => Ok(Register::Closed(gone())),
        Err(e) => Err(e),
    }
}

/// A sender whose job is gone is stale and must stop.
fn admitted(seat: &Seat, written: Answer<AgentJob>) -> Answer<AgentJob> {
    if let Err(PortError::NotFound(_)) = &written {
        admit(seat, &Register::Closed(gone()), "")?;
    }
    written
}

fn gone() -> Closed {
    closed("the job is gone", Timestamp::UNIX_EPOCH)
}

const fn claimed_at(register: &Register) -> Option<Timestamp> {
    match register {
        Register::Claimed(claim) => Some(claim.at),
        Register::Open | Register::Closed(_) => None,
    }
}

/// Those who lost at the same time do not come back at the same time.
async fn pause(turn: u32) {
    let most = (1_u64 << turn.min(10)).min(PAUSE);
    let part = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    tokio::time::sleep(Duration::from_millis(most * part / 255)).await;
}

/// The claim, and with it what the reconciler would write next: that the work has begun.
fn claimed(job: &AgentJob, seat: &Seat, claim: &Claim) -> Wanted {
    let (record, _) = standing::read(job, seat.attempt);
    if record.register != Register::Open {
        return None;
    }
    let mut status = standing::changed(job, seat.attempt, |s| s.claimed = Some(claim.clone()));
    let begins = status.intent.is_some() && status.attempt == seat.attempt && status.stop.is_none();
    let event = begins.then(|| NewEvent {
        reason: "Running".to_owned(),
        message: begun(&mut status, claim, claim.at),
        at: claim.at,
    });
    status.updated_at = Some(claim.at);
    Some((status, event.into_iter().collect()))
}

/// The heartbeat, and with it what the reconciler would write next: how far the work is.
fn heard(job: &AgentJob, seat: &Seat, beat: &Heartbeat) -> AgentJobStatus {
    let write = |s: &mut Standing| s.heartbeat = Some(Beat::from(beat));
    let mut status = standing::changed(job, seat.attempt, write);
    let goes_on = status.intent.is_some() && !status.is_finished();
    if goes_on && status.attempt == seat.attempt && progressed(&mut status, beat) {
        status.updated_at = Some(beat.at);
    }
    status
}

/// The report, and with it what the reconciler would write next: that the work is done, where that is all of it.
fn told(job: &AgentJob, seat: &Seat, (short, stored): (&Reported, bool)) -> Said {
    let mut status = standing::changed(job, seat.attempt, |s| {
        s.report = Some(short.clone());
        s.stored |= stored;
    });
    let decides = !stored
        && status.attempt == seat.attempt
        && status.seat.as_ref().is_some_and(|s| s.stopped.is_none());
    let ended = decides
        .then(|| reported(&mut status, &short.report()))
        .flatten();
    let event = ended.map(|message| {
        status.observed_generation = job.metadata.generation;
        status.seat = standing::kept(status.seat.as_deref(), &status);
        NewEvent {
            reason: short.outcome.word().to_owned(),
            message,
            at: status.finished_at.unwrap_or(short.finished_at),
        }
    });
    (status, event.into_iter().collect())
}

/// The end of a seat: shut where nobody has it, stopped where somebody has it and has not reported.
fn shut(job: &AgentJob, seat: &Seat, why: &Closed) -> Option<AgentJobStatus> {
    let (record, _) = standing::read(job, seat.attempt);
    let why = Some(why.clone());
    match record.register {
        Register::Open => Some(standing::changed(job, seat.attempt, |s| s.closed = why)),
        Register::Claimed(_) if record.report.is_none() && record.stopped.is_none() => {
            Some(standing::changed(job, seat.attempt, |s| s.stopped = why))
        }
        Register::Claimed(_) | Register::Closed(_) => None,
    }
}

#[async_trait]
impl Seats for KubeSeats {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        let Some(job) = self.seen(seat).await? else {
            return Ok(SeatRecord::default());
        };
        let (mut record, elsewhere) = standing::read(&job, seat.attempt);
        if matches!(record.register, Register::Claimed(_)) {
            record.heartbeat = self.newest(seat, &job, record.heartbeat);
        }
        if let Some(reference) = elsewhere
            && let Some(report) = self.results.get(&reference).await?
        {
            record.report = Some(report);
        }
        Ok(record)
    }

    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register> {
        let written = self
            .change(seat, |job| Ok(claimed(job, seat, &claim)))
            .await;
        stands(seat, written)
    }

    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
        let why = closed(reason, now);
        let wanted = |job: &AgentJob| Ok(shut(job, seat, &why).map(|s| (s, Vec::new())));
        let written = self.change(seat, wanted).await;
        stands(seat, written)
    }

    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()> {
        encode(seat, "heartbeat", &beat, HEARTBEAT_LIMIT)?;
        let wanted = |job: &AgentJob| {
            let (record, _) = standing::read(job, seat.attempt);
            admit(seat, &record.register, nonce)?;
            let before = record
                .heartbeat
                .map(|b| b.at)
                .or_else(|| claimed_at(&record.register));
            let due = before.is_none_or(|at| self.third(at) <= beat.at);
            Ok(due.then(|| (heard(job, seat, &beat), Vec::new())))
        };
        admitted(seat, self.change(seat, wanted).await)?;
        self.objects.keep_beat(seat, beat);
        Ok(())
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        let whole = encode(seat, "report", &report, REPORT_LIMIT)?;
        let known = |job: &AgentJob| {
            let (record, _) = standing::read(job, seat.attempt);
            admit(seat, &record.register, nonce).map(|()| None)
        };
        let job = admitted(seat, self.change(seat, known).await)?;
        if standing::read(&job, seat.attempt).0.report.is_some() {
            return Ok(());
        }
        let (short, stored) = self.results.put(seat, &report, whole).await?;
        let wanted = |job: &AgentJob| {
            let (record, _) = standing::read(job, seat.attempt);
            admit(seat, &record.register, nonce)?;
            let first = record.report.is_none();
            Ok(first.then(|| told(job, seat, (&short, stored))))
        };
        admitted(seat, self.change(seat, wanted).await)?;
        Ok(())
    }

    async fn discard(&self, uid: &Uid) -> Answer<()> {
        self.results.discard(uid).await?;
        self.objects.discard(uid);
        Ok(())
    }
}
