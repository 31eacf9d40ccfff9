//! What is seen of a seat: its instances by tmux and by `/proc`, and what remains of it. Changes
//! nothing.

use std::{collections::BTreeSet, io, time::Duration};

use sandbox_core::{
    Claim, Seat, Sighting,
    port::{Answer, Look, PortError},
};

use super::{
    instance::{self, Instance, Stat, stat},
    panes::{self, Pane, Panes},
    remains::{self, Found, Process},
    rounds::Rounds,
    session,
    tmux::Tmux,
};

/// How old an answer may be while the claimant is known to run: it is looked at for a second
/// instance only, which does no work.
const RECENT: Duration = Duration::from_secs(2);

/// How often tmux is asked again for an exit code.
const ASK_AGAIN: u32 = 3;

/// The shared look-ups.
#[derive(Debug)]
pub(super) struct Looker {
    panes: Rounds<Answer<Panes>>,
    found: Rounds<Answer<Found>>,
}

impl Looker {
    pub(super) fn new() -> Self {
        Self {
            panes: Rounds::new(),
            found: Rounds::new(),
        }
    }

    /// Sees the seat. `/proc` decides about a claimant; tmux is asked for others and for codes.
    pub(super) async fn look(
        &self,
        tmux: &Tmux,
        seat: &Seat,
        claim: Option<&Claim>,
    ) -> Answer<Look> {
        let claimant = claim.map(|c| c.instance.as_str());
        let alive = if runs(claim)? { claimant } else { None };
        let age = alive.map_or(Duration::ZERO, |_| RECENT);
        let (panes, found) = tokio::join!(self.panes(tmux, seat, age), self.found(age));
        // A claimant that runs is seen although nobody can be asked about others beside it.
        let (panes, found) = match alive {
            Some(_) => (panes.unwrap_or_default(), found.unwrap_or_default()),
            None => (panes?, found?),
        };
        let mut sightings = Vec::new();
        for pane in &panes {
            sightings.push(sighting(pane, seat, claimant).map_err(|e| unreadable(&e))?);
        }
        if let Some(named) = claimant.filter(|i| !sightings.iter().any(|s| is_of(s, i))) {
            sightings.insert(0, without_pane(named, alive.is_some()));
        }
        let remains = remains(&found, seat, &sightings);
        Ok(Look {
            sightings,
            remains,
            ..Look::default()
        })
    }

    /// The panes of a seat. Where a process ended and tmux has not told how, it is asked again:
    /// it learns of an end a moment later than we do.
    pub(super) async fn panes(&self, tmux: &Tmux, seat: &Seat, age: Duration) -> Answer<Vec<Pane>> {
        let name = session::name(seat);
        let mut all = self
            .panes
            .recent(age, async || panes::read(tmux).await)
            .await?;
        for _ in 0..ASK_AGAIN {
            let mine = all.get(&name).into_iter().flatten();
            let untold: Vec<u32> = mine.filter(|p| !p.ended()).map(|p| p.pid).collect();
            if untold.iter().all(|pid| is_there(*pid)) {
                break;
            }
            untold.into_iter().for_each(panes::remind);
            all = self.panes.fresh(async || panes::read(tmux).await).await?;
        }
        Ok(all.get(&name).cloned().unwrap_or_default())
    }

    /// The processes of all seats.
    pub(super) async fn found(&self, age: Duration) -> Answer<Found> {
        self.found.recent(age, async || scan().await).await
    }

    /// Everything that runs for a seat, now: what carries its variable, what runs in its panes,
    /// and its claimant.
    pub(super) async fn everything(
        &self,
        tmux: &Tmux,
        seat: &Seat,
        claim: Option<&Claim>,
    ) -> Answer<BTreeSet<Process>> {
        let found = self.found(Duration::ZERO).await?;
        let mut all = found.get(&seat.to_string()).cloned().unwrap_or_default();
        all.extend(self.in_panes(tmux, seat).await?);
        all.extend(claimant(claim)?);
        Ok(all)
    }

    /// The processes that run in the panes of a seat now.
    pub(super) async fn in_panes(&self, tmux: &Tmux, seat: &Seat) -> Answer<Vec<Process>> {
        let mut all = Vec::new();
        for pane in self.panes(tmux, seat, Duration::ZERO).await? {
            let running = alive(&pane, seat).map_err(|e| unreadable(&e))?;
            let start = running.map(|s| s.start);
            all.extend(start.map(|start| Process {
                pid: pane.pid,
                start,
            }));
        }
        Ok(all)
    }
}

/// The claimant's process, if it runs.
pub(super) fn claimant(claim: Option<&Claim>) -> Answer<Option<Process>> {
    if !runs(claim)? {
        return Ok(None);
    }
    let parsed = claim.and_then(|c| c.instance.parse::<Instance>().ok());
    Ok(parsed.map(|Instance { pid, start, .. }| Process { pid, start }))
}

/// Whether there is a claimant and it runs.
fn runs(claim: Option<&Claim>) -> Answer<bool> {
    let Some(claim) = claim else { return Ok(false) };
    instance::is_alive(&claim.instance).map_err(|e| unreadable(&e))
}

/// Whether a process of this id runs. One that cannot be read is left to be judged later.
fn is_there(pid: u32) -> bool {
    stat(pid).is_ok_and(|s| s.is_some_and(|s| s.running))
}

fn is_of(sighting: &Sighting, wanted: &str) -> bool {
    match sighting {
        Sighting::Alive { instance } | Sighting::Exited { instance, .. } => instance == wanted,
        Sighting::Unknown { .. } => false,
    }
}

pub(super) fn unreadable(e: &io::Error) -> PortError {
    PortError::Unknown(format!("look at the processes of this machine: {e}"))
}

async fn scan() -> Answer<Found> {
    match tokio::task::spawn_blocking(remains::scan).await {
        Ok(found) => found.map_err(|e| unreadable(&e)),
        Err(e) => Err(PortError::Unknown(format!("look at the processes: {e}"))),
    }
}

/// The process of a pane, if it runs. Once the terminal is closed tmux may have taken note of the
/// end, and the id may be another's: the seat's mark decides then.
fn alive(pane: &Pane, seat: &Seat) -> io::Result<Option<Stat>> {
    let running = stat(pane.pid)?.filter(|s| s.running && !pane.ended());
    if running.is_none() || !pane.closed {
        return Ok(running);
    }
    let marked = remains::seat_of(pane.pid)? == Some(seat.to_string());
    Ok(running.filter(|_| marked))
}

fn sighting(pane: &Pane, seat: &Seat, claimant: Option<&str>) -> io::Result<Sighting> {
    Ok(match alive(pane, seat)? {
        Some(running) => Sighting::Alive {
            instance: instance::name(pane.pid, running.start)?.to_string(),
        },
        None => Sighting::Exited {
            instance: name_of_the_dead(pane.pid, claimant)?,
            code: pane.code,
            signal: pane.signal,
            why: None,
        },
    })
}

/// A claimant that has no pane: its process decides. Process id, start time and boot id together
/// prove that it is over, only not how it ended.
fn without_pane(instance: &str, runs: bool) -> Sighting {
    let instance = instance.to_owned();
    if runs {
        return Sighting::Alive { instance };
    }
    Sighting::Exited {
        instance,
        code: None,
        signal: None,
        why: None,
    }
}

/// A process that is over has taken its start time along. In the pane of the claimant's seat, an
/// equal process id of this boot is the claimant's.
fn name_of_the_dead(pid: u32, claimant: Option<&str>) -> io::Result<String> {
    let unseen = instance::name(pid, 0)?;
    let same = |i: &Instance| i.pid == pid && i.boot == unseen.boot;
    let parsed = claimant.and_then(|c| c.parse::<Instance>().ok());
    Ok(parsed.filter(same).unwrap_or(unseen).to_string())
}

fn remains(found: &Found, seat: &Seat, sightings: &[Sighting]) -> u32 {
    let names = sightings.iter().filter_map(|s| match s {
        Sighting::Alive { instance } => instance.parse::<Instance>().ok(),
        _ => None,
    });
    let instances: Vec<u32> = names.map(|i| i.pid).collect();
    let all = found.get(&seat.to_string());
    let others = all
        .iter()
        .flat_map(|all| all.iter())
        .filter(|p| !instances.contains(&p.pid));
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}
