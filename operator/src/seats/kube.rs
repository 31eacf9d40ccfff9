//! Seat registers in the jobs' own objects: what stands at a seat is a part of the object's status, written on condition
//! that nobody has written the object meanwhile. So any replica may write it, and a decision of the reconciler that does
//! not know of it loses.
//!
//! A heartbeat is written down when a third of the lease has passed since the claim or the last one that was; the others
//! stay in this process. A report that is too large for an object stands in the artifact store, under a name made from what it says.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use object_store::ObjectStore;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Register, Report, Seat, Uid,
    plan::reported,
    port::{Answer, PortError, SeatRecord, Seats},
    query::NewEvent,
    standing::{self, Reported},
};

use super::{
    HEARTBEAT_LIMIT, REPORT_LIMIT, closed, encode,
    record::{
        Said, TRIES, Wanted, admitted, beaten, claimed, may_report, newest, pause, shut, stands,
        whole,
    },
    results::Results,
};
use crate::store::kube::{Objects, SEAT};

/// Seats of jobs that are objects.
pub struct KubeSeats {
    objects: Arc<Objects>,
    lease: Duration,
    results: Results,
    /// Whether a seat is believed to be open by what this process has heard.
    trusts: bool,
}

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

#[async_trait]
impl Seats for KubeSeats {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        let Some(job) = self.seen(seat).await? else {
            return Ok(SeatRecord::default());
        };
        let mut record = whole(&job, seat, &self.results).await?;
        if matches!(record.register, Register::Claimed(_)) {
            let told = self.objects.beat(seat);
            record.heartbeat = newest(&job, record.heartbeat, told, self.lease);
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
        let wanted = |job: &AgentJob| beaten(job, seat, (nonce, &beat), self.lease);
        admitted(seat, self.change(seat, wanted).await)?;
        self.objects.keep_beat(seat, beat);
        Ok(())
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        let whole = encode(seat, "report", &report, REPORT_LIMIT)?;
        let known = |job: &AgentJob| may_report(job, seat, nonce).map(|_| None);
        let job = admitted(seat, self.change(seat, known).await)?;
        if standing::read(&job, seat.attempt).0.report.is_some() {
            return Ok(());
        }
        let (short, stored) = self.results.put(seat, &report, whole).await?;
        let wanted = |job: &AgentJob| {
            Ok(may_report(job, seat, nonce)?.then(|| told(job, seat, (&short, stored))))
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
