//! Seat registers in the jobs' own items of a DynamoDB table: each call is one conditional write of the item, under the
//! version that was read. So any process may make it, and a decision of the reconciler that does not know of it loses.
//!
//! A heartbeat is written down when a third of the lease has passed since the claim or the last one that was; the others
//! stay in this process. A report that is too large for an item stands in the store of objects.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Register, Report, Seat, Uid,
    port::{Answer, PortError, SeatRecord, Seats, Store},
};

use super::{
    HEARTBEAT_LIMIT, REPORT_LIMIT, closed, encode,
    record::{
        TRIES, Wanted, admitted, beaten, claimed, may_report, newest, pause, reported, shut,
        stands, whole,
    },
    results::Results,
};
use crate::store::dynamodb::DynamoStore;

/// Heartbeats that are remembered.
const REMEMBERED: usize = 4096;

/// Seats of jobs in a DynamoDB table.
pub struct DynamoSeats {
    jobs: Arc<DynamoStore>,
    lease: Duration,
    results: Results,
    beats: Mutex<HashMap<Seat, Heartbeat>>,
}

impl DynamoSeats {
    /// Seats of these jobs. A runner may work for a lease after a heartbeat.
    #[must_use]
    pub fn new(jobs: Arc<DynamoStore>, lease: Duration) -> Self {
        let results = Results::new(jobs.objects());
        Self {
            jobs,
            lease,
            results,
            beats: Mutex::default(),
        }
    }

    /// Writes what is wanted of the job as it stands, again and again until nobody wrote in between.
    async fn change(
        &self,
        seat: &Seat,
        wanted: impl Fn(&AgentJob) -> Answer<Wanted> + Send + Sync,
    ) -> Answer<AgentJob> {
        let job = self.job(seat).await?;
        self.change_of(job, seat, wanted).await
    }

    /// The same, beginning with the job as it was read before.
    async fn change_of(
        &self,
        mut job: AgentJob,
        seat: &Seat,
        wanted: impl Fn(&AgentJob) -> Answer<Wanted> + Send + Sync,
    ) -> Answer<AgentJob> {
        for turn in 0..TRIES {
            let Some((status, events)) = wanted(&job)? else {
                return Ok(job);
            };
            match Box::pin(self.jobs.put_status(&job, status, events)).await {
                Err(PortError::Conflict(_)) => pause(turn).await,
                written => return written,
            }
            job = self.job(seat).await?;
        }
        let text = format!("wrote at seat {seat}: the job is being changed too often; ask again");
        Err(PortError::Unknown(text))
    }

    async fn job(&self, seat: &Seat) -> Answer<AgentJob> {
        let gone = || PortError::NotFound(format!("looked for the job of seat {seat}: it is gone"));
        self.jobs.load(&seat.uid).await?.ok_or_else(gone)
    }

    async fn record(&self, job: &AgentJob, seat: &Seat) -> Answer<SeatRecord> {
        let mut record = whole(job, seat, &self.results).await?;
        if matches!(record.register, Register::Claimed(_)) {
            let told = self.beats().get(seat).cloned();
            record.heartbeat = newest(job, record.heartbeat, told, self.lease);
        }
        Ok(record)
    }

    // Nothing that holds it panics between two changes, so what a poisoned lock guards is whole.
    fn beats(&self) -> MutexGuard<'_, HashMap<Seat, Heartbeat>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Seats for DynamoSeats {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        match self.jobs.load(&seat.uid).await? {
            Some(job) => self.record(&job, seat).await,
            None => Ok(SeatRecord::default()),
        }
    }

    async fn read_in(&self, job: &AgentJob, seat: &Seat) -> Answer<Option<SeatRecord>> {
        self.record(job, seat).await.map(Some)
    }

    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register> {
        let wanted = |job: &AgentJob| Ok(claimed(job, seat, &claim));
        stands(seat, Box::pin(self.change(seat, wanted)).await)
    }

    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
        let why = closed(reason, now);
        let wanted = |job: &AgentJob| Ok(shut(job, seat, &why).map(|s| (s, Vec::new())));
        stands(seat, Box::pin(self.change(seat, wanted)).await)
    }

    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()> {
        encode(seat, "heartbeat", &beat, HEARTBEAT_LIMIT)?;
        let wanted = |job: &AgentJob| beaten(job, seat, (nonce, &beat), self.lease);
        admitted(seat, Box::pin(self.change(seat, wanted)).await)?;
        let mut beats = self.beats();
        if beats.len() >= REMEMBERED && !beats.contains_key(seat) {
            beats.clear();
        }
        beats.insert(seat.clone(), beat);
        Ok(())
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        let all = encode(seat, "report", &report, REPORT_LIMIT)?;
        let job = admitted(seat, self.job(seat).await)?;
        if !may_report(&job, seat, nonce)? {
            return Ok(());
        }
        let (short, stored) = self.results.put(seat, &report, all).await?;
        let wanted = |job: &AgentJob| reported(job, seat, nonce, (&short, stored));
        admitted(seat, Box::pin(self.change_of(job, seat, wanted)).await)?;
        Ok(())
    }

    async fn discard(&self, uid: &Uid) -> Answer<()> {
        // Logs of tasks stand beside reports, also where no report does.
        self.results.discard(uid).await?;
        self.jobs.forget_seat(uid).await?;
        self.beats().retain(|seat, _| seat.uid != *uid);
        Ok(())
    }
}
