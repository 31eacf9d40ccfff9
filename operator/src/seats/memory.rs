//! Seats in memory, for tests and trials: the same promises as the others but surviving a crash.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Heartbeat, Register, Report, Seat, Uid,
    port::{Answer, SeatRecord, Seats},
};

use super::{HEARTBEAT_LIMIT, REPORT_LIMIT, admit, closed, encode};

/// Seats of one process; they end with it.
#[derive(Debug, Default)]
pub struct MemorySeats {
    seats: Mutex<HashMap<Seat, SeatRecord>>,
}

impl MemorySeats {
    fn lock(&self) -> MutexGuard<'_, HashMap<Seat, SeatRecord>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, seat: &Seat, register: Register) -> Register {
        let mut seats = self.lock();
        let record = seats.entry(seat.clone()).or_default();
        if record.register == Register::Open {
            record.register = register;
        }
        record.register.clone()
    }

    /// Changes what the claimant has said, if this is the claimant.
    fn said(&self, seat: &Seat, nonce: &str, change: impl FnOnce(&mut SeatRecord)) -> Answer<()> {
        let mut seats = self.lock();
        let record = seats.entry(seat.clone()).or_default();
        admit(seat, &record.register, nonce)?;
        change(record);
        Ok(())
    }
}

#[async_trait]
impl Seats for MemorySeats {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        Ok(self.lock().get(seat).cloned().unwrap_or_default())
    }

    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register> {
        Ok(self.put(seat, Register::Claimed(claim)))
    }

    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
        let stands = self.put(seat, Register::Closed(closed(reason, now)));
        if matches!(stands, Register::Claimed(_)) {
            let mut seats = self.lock();
            let record = seats.entry(seat.clone()).or_default();
            if record.report.is_none() {
                record.stopped.get_or_insert(closed(reason, now));
            }
        }
        Ok(stands)
    }

    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()> {
        encode(seat, "heartbeat", &beat, HEARTBEAT_LIMIT)?;
        self.said(seat, nonce, |record| record.heartbeat = Some(beat))
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        encode(seat, "report", &report, REPORT_LIMIT)?;
        self.said(seat, nonce, |record| {
            record.report.get_or_insert(report);
        })
    }

    async fn discard(&self, uid: &Uid) -> Answer<()> {
        self.lock().retain(|seat, _| seat.uid != *uid);
        Ok(())
    }
}
