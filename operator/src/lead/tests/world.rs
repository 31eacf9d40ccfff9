//! A hostile world for candidates: clocks of different rates, reads that come late, writes that are done though nobody hears
//! of it, candidates that come back or come new, and a Lease that somebody removes again and again.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::super::{Candidate, Moment, Record, Terms};

/// One candidate with its own clock.
struct Peer {
    candidate: Candidate,
    /// Thousandths of the world's time that its clock counts.
    rate: u64,
    since: u64,
}

impl Peer {
    fn now(&self, world: u64) -> Moment {
        Duration::from_millis(self.since + world * self.rate / 1000)
    }
}

/// What the server made of a write.
#[derive(PartialEq)]
enum Done {
    Not,
    Refused,
    Stands(Record),
}

/// A write on its way.
struct Flight {
    by: usize,
    sent: Moment,
    record: Record,
    done: Done,
    /// Whether its sender still waits for the answer.
    awaited: bool,
}

/// What a server and some candidates do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Pass(u64),
    Ask(usize),
    Hear(usize),
    Decide(usize),
    Arrive(usize),
    Answer(usize),
    Lose(usize),
    Release(usize),
    /// Somebody removes the Lease by hand.
    Remove,
    /// One is killed, and a new one begins that has seen nothing.
    Begin(usize),
    /// One looks, decides and writes, and nothing of that is late.
    Turn(usize),
}

pub(super) struct World {
    now: u64,
    pub(super) stands: Record,
    versions: u64,
    peers: Vec<Peer>,
    reads: Vec<(usize, Record)>,
    flights: Vec<Flight>,
    /// Who led first in each term.
    pub(super) led: BTreeMap<u32, String>,
    begun: usize,
    removed: usize,
    /// Who led last, and how often that was another after the Lease had been removed.
    last: Option<(String, u32)>,
    pub(super) since: usize,
}

impl World {
    pub(super) fn new(clocks: &[(u64, u64)]) -> Self {
        let peer = |(i, (rate, since)): (usize, &(u64, u64))| Peer {
            candidate: Candidate::new(format!("c{i}"), Terms::default()),
            rate: *rate,
            since: *since,
        };
        Self {
            now: 0,
            stands: Record::default(),
            versions: 0,
            peers: clocks.iter().enumerate().map(peer).collect(),
            reads: Vec::new(),
            flights: Vec::new(),
            led: BTreeMap::new(),
            begun: clocks.len(),
            removed: 0,
            last: None,
            since: 0,
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Pass(ms) => self.now += ms,
            Step::Ask(by) => self
                .reads
                .push((by % self.peers.len(), self.stands.clone())),
            Step::Hear(n) => self.hear(n),
            Step::Decide(by) => self.decide(by % self.peers.len()),
            Step::Arrive(n) => self.arrive(n),
            Step::Answer(n) => self.answer(n),
            Step::Lose(n) => {
                let all = self.flights.len();
                if all > 0 {
                    self.flights[n % all].awaited = false;
                }
            }
            Step::Release(by) => self.release(by % self.peers.len()),
            Step::Remove => {
                self.removed += usize::from(self.stands.version.is_some());
                self.stands = Record::default();
            }
            Step::Begin(by) => self.begin(by % self.peers.len()),
            Step::Turn(by) => self.turn(by % self.peers.len()),
        }
    }

    fn turn(&mut self, by: usize) {
        self.reads.push((by, self.stands.clone()));
        self.hear(self.reads.len() - 1);
        let before = self.flights.len();
        self.decide(by);
        if self.flights.len() > before {
            let open = |f: &&Flight| f.done == Done::Not;
            self.arrive(self.flights.iter().filter(open).count() - 1);
            let ready = |f: &&Flight| f.awaited && f.done != Done::Not;
            self.answer(self.flights.iter().filter(ready).count() - 1);
        }
    }

    /// What the one before had sent may still arrive; nobody hears of it.
    fn begin(&mut self, by: usize) {
        self.forget(by);
        self.reads.retain(|(of, _)| *of != by);
        let name = format!("c{}", self.begun);
        self.begun += 1;
        self.peers[by].candidate = Candidate::new(name, Terms::default());
    }

    fn hear(&mut self, n: usize) {
        if self.reads.is_empty() {
            return;
        }
        let (by, record) = self.reads.remove(n % self.reads.len());
        let peer = &mut self.peers[by];
        let now = peer.now(self.now);
        peer.candidate.saw(record, now);
    }

    fn decide(&mut self, by: usize) {
        let peer = &self.peers[by];
        let now = peer.now(self.now);
        let decision = peer.candidate.decide(now);
        if let Some(record) = decision.and_then(|d| peer.candidate.written(d)) {
            self.send(by, record);
        }
    }

    /// A candidate waits for one answer at a time.
    fn send(&mut self, by: usize, record: Record) {
        self.forget(by);
        let sent = self.peers[by].now(self.now);
        self.flights.push(Flight {
            by,
            sent,
            record,
            done: Done::Not,
            awaited: true,
        });
    }

    fn forget(&mut self, by: usize) {
        for flight in self.flights.iter_mut().filter(|f| f.by == by) {
            flight.awaited = false;
        }
    }

    fn arrive(&mut self, n: usize) {
        let open: Vec<usize> = (0..self.flights.len())
            .filter(|i| self.flights[*i].done == Done::Not)
            .collect();
        if open.is_empty() {
            return;
        }
        let flight = &mut self.flights[open[n % open.len()]];
        if flight.record.version != self.stands.version {
            flight.done = Done::Refused;
            return;
        }
        self.versions += 1;
        self.stands = Record {
            version: Some(self.versions.to_string()),
            ..flight.record.clone()
        };
        flight.done = Done::Stands(self.stands.clone());
    }

    fn answer(&mut self, n: usize) {
        let done = |f: &Flight| f.awaited && f.done != Done::Not;
        let ready: Vec<usize> = (0..self.flights.len())
            .filter(|i| done(&self.flights[*i]))
            .collect();
        if ready.is_empty() {
            return;
        }
        let flight = self.flights.remove(ready[n % ready.len()]);
        let peer = &mut self.peers[flight.by];
        let now = peer.now(self.now);
        if let Done::Stands(record) = flight.done {
            peer.candidate.wrote(record, flight.sent, now);
        }
    }

    fn release(&mut self, by: usize) {
        let candidate = &mut self.peers[by].candidate;
        candidate.resign();
        let seen = candidate.seen().cloned();
        let ours = seen.filter(|r| r.holder.as_deref() == Some(candidate.name()));
        self.forget(by);
        if let Some(seen) = ours {
            let free = Record {
                holder: None,
                lease: Duration::ZERO,
                ..seen
            };
            self.send(by, free);
        }
    }

    pub(super) fn leaders(&self) -> Vec<(usize, u32)> {
        let peers = self.peers.iter().enumerate();
        peers
            .filter_map(|(i, p)| Some((i, p.candidate.leads(p.now(self.now))?)))
            .collect()
    }

    /// At most one leads; and a term is one candidate's, where nobody has removed what counts them.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let leaders = self.leaders();
        if leaders.len() > 1 {
            return Err(format!("two lead: {leaders:?}"));
        }
        for (by, term) in leaders {
            let name = self.peers[by].candidate.name().to_owned();
            let first = self.led.entry(term).or_insert_with(|| name.clone());
            if *first != name && self.removed == 0 {
                return Err(format!("term {term} was {first}'s and is {name}'s"));
            }
            let now = Some((name, term));
            self.since += usize::from(self.removed > 0 && self.last != now);
            self.last = now;
        }
        Ok(())
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let any = 0..8_usize;
    prop_oneof![
        3 => (0..4000_u64).prop_map(Step::Pass),
        1 => (4000..16_000_u64).prop_map(Step::Pass),
        4 => any.clone().prop_map(Step::Ask),
        5 => any.clone().prop_map(Step::Hear),
        6 => any.clone().prop_map(Step::Decide),
        6 => any.clone().prop_map(Step::Arrive),
        6 => any.clone().prop_map(Step::Answer),
        1 => any.clone().prop_map(Step::Lose),
        1 => any.prop_map(Step::Release),
    ]
}

/// The same where the Lease is removed and candidates begin; some get on well, or nobody would lead for long enough.
pub(super) fn rough_step() -> impl Strategy<Value = Step> {
    let any = 0..8_usize;
    prop_oneof![
        20 => step(),
        20 => any.clone().prop_map(Step::Turn),
        1 => Just(Step::Remove),
        1 => any.prop_map(Step::Begin),
    ]
}

/// A world in which the Lease stands and nobody has it, as the chart makes it.
pub(super) fn with_an_empty_lease(clocks: &[(u64, u64)]) -> World {
    let mut world = World::new(clocks);
    world.versions = 1;
    world.stands.version = Some("1".to_owned());
    world
}

/// What a candidate does where nothing is lost.
pub(super) fn round(world: &mut World, by: usize) {
    for step in [
        Step::Ask(by),
        Step::Hear(0),
        Step::Decide(by),
        Step::Arrive(0),
        Step::Answer(0),
    ] {
        world.step(&step);
    }
}
