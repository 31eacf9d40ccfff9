//! The seats that are there: their leases, and the end of those that nobody acknowledges. What a runner said counts from
//! the moment at which it came here, once the control plane has answered it.

use std::{sync::Arc, time::Duration};

use sandbox_core::{Claim, Register, Seat, Uid, port::Answer};
use tokio::sync::mpsc;

use super::{Machine, mailbox::Answered, record::Record, wire::Reply};
use crate::{lead::now, seats::files::sync};

/// How often leases are looked at: no timer runs while the machine sleeps.
const CHECK: Duration = Duration::from_secs(1);
/// The verbs from whose answer a lease runs: what the control plane counts from, too.
const RENEW: [&str; 2] = ["claim", "heartbeat"];

/// Runs until nobody wakes any more.
pub(super) async fn run(machine: &Arc<Machine>, mut calls: mpsc::UnboundedReceiver<Uid>) {
    machine.watch_all();
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            called = calls.recv() => match called {
                Some(uid) => machine.changed(&uid),
                None => return,
            },
            _ = check.tick() => machine.end_lost().await,
        }
    }
}

impl Machine {
    /// Watches the runners that were at work before this process came.
    fn watch_all(&self) {
        let seats: Vec<Seat> = self.kept().keys().cloned().collect();
        for seat in seats {
            if let Ok(Register::Claimed(claim)) = sync::register(&self.conf.seats, &seat) {
                self.watches.watch(&seat.uid, &claim.instance);
            }
        }
    }

    /// Tells the owners of a job's seats that something changed.
    fn changed(&self, uid: &Uid) {
        let kept = self.kept();
        let owners = kept.iter().filter(|(seat, _)| seat.uid == *uid);
        let owners: Vec<String> = owners.map(|(_, r)| r.owner.clone()).collect();
        drop(kept);
        for owner in owners {
            self.mailbox.note(&owner, uid);
        }
    }

    /// Passes an answer on to the runner that waits for it. One that was heard by the control plane has its lease anew.
    pub(super) fn answered(&self, owner: &str, reply: Reply) {
        let done = reply.status == 200;
        let Some(Answered { asked, came }) = self.mailbox.answer(owner, reply) else {
            return;
        };
        if !done || !RENEW.contains(&asked.verb.as_str()) {
            return;
        }
        if asked.verb == "claim"
            && let Ok(claim) = serde_json::from_value::<Claim>(asked.body)
        {
            self.watches.watch(&asked.seat.uid, &claim.instance);
        }
        if let Err(e) = self.renew(&asked.seat, came) {
            tracing::warn!(seat = %asked.seat, error = %e, "could not write down that a seat was acknowledged");
        }
    }

    fn renew(&self, seat: &Seat, came: crate::lead::Moment) -> Answer<()> {
        let mut kept = self.kept();
        let Some(record) = kept.get_mut(seat).filter(|r| !r.over) else {
            return Ok(());
        };
        record.heard(came);
        let record = record.clone();
        drop(kept);
        record.put(&self.conf.seats, seat)
    }

    /// Ends every seat that nobody has acknowledged for its lease.
    async fn end_lost(&self) {
        let seats: Vec<Seat> = self.kept().keys().cloned().collect();
        let lost = seats.into_iter().filter(|seat| self.lost(seat).is_some());
        futures::future::join_all(lost.map(|seat| self.end(seat))).await;
    }

    /// What is kept of this seat, where it goes on and nobody has acknowledged it for its lease.
    fn lost(&self, seat: &Seat) -> Option<Record> {
        let kept = self.kept();
        let record = kept.get(seat).filter(|r| !r.over && r.is_lost(now()));
        record.cloned()
    }

    /// Ends everything that was begun for a seat. Its log stays until the control plane has fetched it.
    async fn end(&self, seat: Seat) {
        let _turn = self.turn(&seat).await;
        // The control plane may have acknowledged it, or had it removed, while we waited.
        let Some(mut record) = self.lost(&seat) else {
            return;
        };
        self.tickets().revoke(&seat);
        let ended = async {
            self.place(record.backend)?.reap(&seat).await?;
            record.over = true;
            record.put(&self.conf.seats, &seat)
        };
        match ended.await {
            Ok(()) => {
                tracing::warn!(%seat, "ended: nobody acknowledged it for its lease");
                self.kept().insert(seat.clone(), record);
                self.changed(&seat.uid);
            }
            Err(e) => {
                tracing::warn!(%seat, error = %e, "could not end a seat that nobody acknowledges; trying again");
            }
        }
    }
}
