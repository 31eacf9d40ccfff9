//! Ending what runs for a seat: asking its instances first, and ending everything at last. A
//! process is held by a handle and looked at again before it is signalled, so that no stranger
//! that got its id is hit.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Signal, pidfd_send_signal},
    time::{ClockId, clock_gettime},
};
use sandbox_core::{
    Claim, Register, Seat,
    port::{Answer, PortError},
};

use super::{
    VpsBackend,
    instance::{self, ended, hold},
    look::{self, unreadable},
    remains::Process,
};
use crate::seats::files::{disk, sync};

/// How often what runs is looked for and ended before it is given up for now.
const ROUNDS: u32 = 8;
/// How long remains may take to end after they were asked to; their runner is over already.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest record of who was asked to end.
const ASKED_LIMIT: usize = 64 << 10;

impl VpsBackend {
    /// Asks every instance but one to end; one that was asked longer ago than its grace is ended.
    /// When it was asked stands in the seat's folder, so that our own restart does not ask anew.
    pub(super) async fn stop_seat(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        let claim = self.claim_of(seat).await?;
        let mut instances = BTreeSet::from_iter(look::claimant(claim.as_ref())?);
        // A tmux that does not answer must not keep the claimant from being asked.
        let in_panes = self.looker.in_panes(&self.tmux, seat).await;
        instances.extend(in_panes.iter().flatten());
        self.ask_all(seat, instances, keep).await?;
        in_panes.map(drop)
    }

    async fn ask_all(&self, seat: &Seat, all: BTreeSet<Process>, keep: Option<&str>) -> Answer<()> {
        let file = self.stop_file(seat).await?;
        let mut asked = file.clone();
        for process in all {
            let name = instance::name(process.pid, process.start).map_err(|e| unreadable(&e))?;
            let name = name.to_string();
            if keep != Some(name.as_str()) {
                self.ask(process, name, &mut asked)?;
            }
        }
        if asked == file {
            return Ok(());
        }
        self.put_stop_file(seat, asked).await
    }

    fn ask(&self, process: Process, name: String, asked: &mut BTreeMap<String, u64>) -> Answer<()> {
        let now = since_boot();
        match asked.get(&name) {
            None => {
                send(process, Signal::TERM)?;
                asked.insert(name, now);
            }
            Some(at) if u128::from(now.saturating_sub(*at)) >= self.config.grace.as_millis() => {
                send(process, Signal::KILL)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Ends everything that was begun for the seat, and its session.
    pub(super) async fn reap_seat(&self, seat: &Seat) -> Answer<()> {
        let claim = self.claim_of(seat).await?;
        for round in 0..ROUNDS {
            let all = self
                .looker
                .everything(&self.tmux, seat, claim.as_ref())
                .await?;
            if all.is_empty() {
                let ended = self.doomed.kill(&self.tmux, seat).await;
                return ended.map_err(|e| PortError::Unknown(e.to_string()));
            }
            let signal = if round == 0 {
                Signal::TERM
            } else {
                Signal::KILL
            };
            end(&all, signal).await?;
        }
        Err(PortError::Unknown(format!(
            "end what was begun for seat {seat}: something still runs after {ROUNDS} rounds; look \
             for processes with {}={seat}",
            super::SEAT_VARIABLE
        )))
    }

    async fn claim_of(&self, seat: &Seat) -> Answer<Option<Claim>> {
        let register = self.on_disk(seat, sync::register).await?;
        Ok(match register {
            Register::Claimed(claim) => Some(claim),
            Register::Open | Register::Closed(_) => None,
        })
    }

    async fn stop_file(&self, seat: &Seat) -> Answer<BTreeMap<String, u64>> {
        self.on_disk(seat, |root, seat| {
            let bytes = disk::read(&sync::folder(root, seat).join("stop"), ASKED_LIMIT);
            // A record that cannot be read is an older one's or damaged: asking anew is harmless.
            let bytes = bytes.unwrap_or_default().unwrap_or_default();
            Ok(serde_json::from_slice(&bytes).unwrap_or_default())
        })
        .await
    }

    async fn put_stop_file(&self, seat: &Seat, asked: BTreeMap<String, u64>) -> Answer<()> {
        self.on_disk(seat, move |root, seat| put_stop(root, seat, &asked))
            .await
    }
}

fn put_stop(root: &Path, seat: &Seat, asked: &BTreeMap<String, u64>) -> Answer<()> {
    let failed = |e| PortError::Unknown(format!("write down that seat {seat} was stopped: {e}"));
    let bytes = serde_json::to_vec(asked).map_err(|e| failed(io::Error::other(e)))?;
    disk::replace(&sync::folder(root, seat), "stop", &bytes).map_err(failed)
}

/// Milliseconds since the boot, time asleep included; an instance's name says which boot.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
    seconds.saturating_mul(1000).saturating_add(millis)
}

/// Signals a process unless it is over.
fn send(process: Process, signal: Signal) -> Answer<()> {
    let held = hold(process.pid, process.start).map_err(|e| unreadable(&e))?;
    let Some(held) = held else { return Ok(()) };
    match pidfd_send_signal(held, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(e) => Err(PortError::Unknown(format!(
            "signal process {}: {e}",
            process.pid
        ))),
    }
}

/// Signals processes and waits for their ends, but not for ever.
async fn end(all: &BTreeSet<Process>, signal: Signal) -> Answer<()> {
    let until = tokio::time::Instant::from_std(Instant::now() + PATIENCE);
    for process in all {
        send(*process, signal)?;
    }
    for process in all {
        let held = hold(process.pid, process.start).map_err(|e| unreadable(&e))?;
        let Some(held) = held else { continue };
        if tokio::time::timeout_at(until, ended(held)).await.is_err() {
            break;
        }
    }
    Ok(())
}
