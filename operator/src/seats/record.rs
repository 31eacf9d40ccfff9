//! What stands at a seat, where that is a part of the job's own record: what each call writes, in one conditional write
//! with the record. Knows no store; asks nobody.

use std::time::Duration;

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, AgentJobStatus, Claim, Heartbeat, Register, Seat,
    plan::{begun, progressed},
    port::{Answer, PortError, SeatRecord},
    query::NewEvent,
    seat::Closed,
    standing::{self, Beat, Reported, Standing},
};

use super::{admit, closed, results::Results};

/// How often a write is tried again that lost to another one.
pub(super) const TRIES: u32 = 64;
/// The longest pause before that, in milliseconds.
const PAUSE: u64 = 50;

/// What is to be written at a seat, and what to tell of it; nothing where it stands so already.
pub(super) type Wanted = Option<Said>;
pub(super) type Said = (AgentJobStatus, Vec<NewEvent>);

/// Whether a heartbeat is worth a write: a third of the lease has passed since the claim or the last one that was.
fn is_due(record: &SeatRecord, beat: &Heartbeat, lease: Duration) -> bool {
    let written = record.heartbeat.as_ref().map(|b| b.at);
    let before = written.or_else(|| claimed_at(&record.register));
    before.is_none_or(|at| third(at, lease) <= beat.at)
}

/// The newest heartbeat of those that were written and told to this process, heard at the latest time at which one may
/// have been answered: for a third of the lease after one that was written, none is, whether it came to another process
/// or to this one before it was started anew.
pub(super) fn newest(
    job: &AgentJob,
    written: Option<Heartbeat>,
    told: Option<Heartbeat>,
    lease: Duration,
) -> Option<Heartbeat> {
    let written = written.or_else(|| vanished(job));
    let latest = written
        .as_ref()
        .map(|w| third(w.at, lease).min(Timestamp::now()).max(w.at));
    let mut newest = told.into_iter().chain(written).max_by_key(|b| b.at)?;
    newest.at = newest.at.max(latest.unwrap_or(newest.at));
    Some(newest)
}

/// The end of the time after this in which no heartbeat is written down.
fn third(at: Timestamp, lease: Duration) -> Timestamp {
    at.checked_add(lease / 3).unwrap_or(at)
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
pub(super) fn stands(seat: &Seat, written: Answer<AgentJob>) -> Answer<Register> {
    match written {
        Ok(job) => Ok(standing::read(&job, seat.attempt).0.register),
        Err(PortError::NotFound(_)) => Ok(Register::Closed(gone())),
        Err(e) => Err(e),
    }
}

/// A sender whose job is gone is stale and must stop.
pub(super) fn admitted(seat: &Seat, written: Answer<AgentJob>) -> Answer<AgentJob> {
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
pub(super) async fn pause(turn: u32) {
    let most = (1_u64 << turn.min(10)).min(PAUSE);
    let part = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    tokio::time::sleep(Duration::from_millis(most * part / 255)).await;
}

/// The claim, and with it what the reconciler would write next: that the work has begun.
pub(super) fn claimed(job: &AgentJob, seat: &Seat, claim: &Claim) -> Wanted {
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

/// The heartbeat of the claimant, where it is worth a write.
pub(super) fn beaten(
    job: &AgentJob,
    seat: &Seat,
    (nonce, beat): (&str, &Heartbeat),
    lease: Duration,
) -> Answer<Wanted> {
    let (record, _) = standing::read(job, seat.attempt);
    admit(seat, &record.register, nonce)?;
    let due = is_due(&record, beat, lease);
    Ok(due.then(|| (heard(job, seat, beat), Vec::new())))
}

/// Whether the claimant, and nobody else, may report: that it has not is to be seen in the record.
pub(super) fn may_report(job: &AgentJob, seat: &Seat, nonce: &str) -> Answer<bool> {
    let (record, _) = standing::read(job, seat.attempt);
    admit(seat, &record.register, nonce)?;
    Ok(record.report.is_none())
}

/// The report of the claimant, unless one stands; and whether its whole stands in the artifact store.
pub(super) fn reported(
    job: &AgentJob,
    seat: &Seat,
    nonce: &str,
    (short, stored): (&Reported, bool),
) -> Answer<Wanted> {
    let write = || {
        standing::changed(job, seat.attempt, |s| {
            s.report = Some(short.clone());
            s.stored |= stored;
        })
    };
    let first = may_report(job, seat, nonce)?;
    Ok(first.then(|| (write(), Vec::new())))
}

/// What a job says of its seat, with the whole of its report.
pub(super) async fn whole(job: &AgentJob, seat: &Seat, results: &Results) -> Answer<SeatRecord> {
    let (mut record, elsewhere) = standing::read(job, seat.attempt);
    if let Some(reference) = elsewhere
        && let Some(report) = results.get(&reference).await?
    {
        record.report = Some(report);
    }
    Ok(record)
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

/// The end of a seat: shut where nobody has it, stopped where somebody has it and has not reported.
pub(super) fn shut(job: &AgentJob, seat: &Seat, why: &Closed) -> Option<AgentJobStatus> {
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
