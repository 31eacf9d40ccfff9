//! The decision against a hostile world: clocks of different rates, reads that come late, writes that are done though
//! nobody hears of it, candidates that come back or come new, and a Lease that somebody removes again and again.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{Candidate, Decision, Moment, NOBODY, Record, Terms};

const SECOND: Duration = Duration::from_secs(1);

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
enum Step {
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

struct World {
    now: u64,
    stands: Record,
    versions: u64,
    peers: Vec<Peer>,
    reads: Vec<(usize, Record)>,
    flights: Vec<Flight>,
    led: BTreeMap<u32, String>,
    begun: usize,
    removed: usize,
    /// Who led last, and how often that was another after the Lease had been removed.
    last: Option<(String, u32)>,
    since: usize,
}

impl World {
    fn new(clocks: &[(u64, u64)]) -> Self {
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

    fn step(&mut self, step: &Step) {
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

    fn leaders(&self) -> Vec<(usize, u32)> {
        let peers = self.peers.iter().enumerate();
        peers
            .filter_map(|(i, p)| Some((i, p.candidate.leads(p.now(self.now))?)))
            .collect()
    }

    /// At most one leads; and a term is one candidate's, where nobody has removed what counts them.
    fn check(&mut self) -> Result<(), String> {
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

fn step() -> impl Strategy<Value = Step> {
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
fn rough_step() -> impl Strategy<Value = Step> {
    let any = 0..8_usize;
    prop_oneof![
        20 => step(),
        20 => any.clone().prop_map(Step::Turn),
        1 => Just(Step::Remove),
        1 => any.prop_map(Step::Begin),
    ]
}

/// Rates of which none is one and a half times another: as far apart as the promise allows.
fn clocks() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((820..=1200_u64, 0..1_000_000_u64), 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_do_two_lead_whatever_is_late_lost_or_done_unheard(
        clocks in clocks(),
        empty in any::<bool>(),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let held = played((&clocks, empty), &steps).map(|_| ());
        prop_assert!(held.is_ok(), "{held:?}");
    }

    #[test]
    fn never_do_two_lead_though_the_lease_is_removed_and_candidates_begin_at_any_time(
        clocks in clocks(),
        empty in any::<bool>(),
        steps in prop::collection::vec(rough_step(), 1..250),
    ) {
        let held = played((&clocks, empty), &steps).map(|_| ());
        prop_assert!(held.is_ok(), "{held:?}");
    }
}

/// What became of a world of these clocks, in which at first there was an empty Lease or none.
fn played((clocks, empty): (&[(u64, u64)], bool), steps: &[Step]) -> Result<World, String> {
    let mut world = if empty {
        with_an_empty_lease(clocks)
    } else {
        World::new(clocks)
    };
    for step in steps {
        world.step(step);
        world.check()?;
    }
    Ok(world)
}

/// A hundred worlds of such steps: in how many somebody led, in how many terms at the most, and in how many another led after
/// the Lease had been removed.
fn seen_leading(steps: impl Strategy<Value = Step>) -> [usize; 3] {
    let mut runner = TestRunner::deterministic();
    let worlds = (clocks(), prop::collection::vec(steps, 250));
    let [mut led, mut most, mut since] = [0; 3];
    for _ in 0..100 {
        let (clocks, steps) = worlds.new_tree(&mut runner).unwrap().current();
        let world = played((&clocks, true), &steps).unwrap();
        led += usize::from(!world.led.is_empty());
        most = most.max(world.led.len());
        since += usize::from(world.since > 0);
    }
    [led, most, since]
}

#[test]
fn in_these_worlds_leaders_do_follow_each_other() {
    let [led, most, _] = seen_leading(step());
    assert!(led > 80 && most > 3, "led in {led}, {most} times at most");
    let [led, most, since] = seen_leading(rough_step());
    assert!(
        led > 80 && most > 3 && since > 60,
        "led in {led}, {most} times at most, {since} after a removal"
    );
}

/// A world in which the Lease stands and nobody has it, as the chart makes it.
fn with_an_empty_lease(clocks: &[(u64, u64)]) -> World {
    let mut world = World::new(clocks);
    world.versions = 1;
    world.stands.version = Some("1".to_owned());
    world
}

/// What a candidate does where nothing is lost.
fn round(world: &mut World, by: usize) {
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

#[test]
fn the_first_leads_and_the_second_takes_over_after_the_lease_and_not_before() {
    let mut world = with_an_empty_lease(&[(1000, 5_000_000), (1000, 0)]);
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
    for _ in 0..14 {
        round(&mut world, 1);
        assert_ne!(world.leaders(), [(1, 2)]);
        world.step(&Step::Pass(1000));
    }
    world.step(&Step::Pass(1000));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 2)]);
}

#[test]
fn a_leader_that_cannot_renew_is_none_before_its_lease_is_over() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Pass(9999));
    assert_eq!(world.leaders(), [(0, 1)]);
    world.step(&Step::Pass(1));
    assert_eq!(world.leaders(), []);
    // It is named there still; but others may have acted meanwhile, so it is another term.
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 2)]);
}

#[test]
fn what_was_given_back_is_taken_at_once() {
    let mut world = with_an_empty_lease(&[(1000, 0), (1000, 0)]);
    round(&mut world, 0);
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(0, 1)]);
    for step in [Step::Release(0), Step::Arrive(0), Step::Answer(0)] {
        world.step(&step);
    }
    assert_eq!(world.leaders(), []);
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 2)]);
}

#[test]
fn with_clocks_further_apart_than_lease_to_renew_two_do_lead() {
    // The bound of the promise is where it is said to be: this world can find two leaders.
    let mut world = with_an_empty_lease(&[(600, 0), (1000, 0)]);
    round(&mut world, 0);
    round(&mut world, 1);
    world.step(&Step::Pass(15_500));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(0, 1), (1, 2)]);
}

#[test]
fn an_empty_lease_is_taken_at_once_and_one_that_is_missing_is_made_and_waited_for() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
    let mut world = World::new(&[(1000, 0)]);
    for _ in 0..15 {
        round(&mut world, 0);
        assert_eq!(world.leaders(), []);
        assert_eq!(world.stands.holder.as_deref(), Some(NOBODY));
        world.step(&Step::Pass(1000));
    }
    round(&mut world, 0);
    assert_eq!(world.leaders(), [(0, 1)]);
}

#[test]
fn who_begins_when_a_lease_is_removed_waits_for_the_leader_it_never_saw() {
    let mut world = with_an_empty_lease(&[(1000, 0), (1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Remove);
    for _ in 0..10 {
        assert_eq!(world.leaders(), [(0, 1)]);
        round(&mut world, 1);
        world.step(&Step::Pass(1000));
    }
    assert_eq!(world.leaders(), []);
    world.step(&Step::Pass(5000));
    round(&mut world, 1);
    assert_eq!(world.leaders(), [(1, 1)]);
}

#[test]
fn a_leader_whose_lease_is_removed_goes_on_when_it_has_made_and_renewed_another() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    world.step(&Step::Pass(2000));
    world.step(&Step::Remove);
    // Making it gives no time.
    round(&mut world, 0);
    world.step(&Step::Pass(7999));
    assert_eq!(world.leaders(), [(0, 1)]);
    round(&mut world, 0);
    world.step(&Step::Pass(9000));
    assert_eq!(world.leaders(), [(0, 1)]);
}

#[test]
fn who_sees_a_lease_removed_waits_as_long_as_its_holder_said_and_goes_on_counting() {
    let mut candidate = Candidate::new("b".to_owned(), Terms::default());
    let held = Record {
        holder: Some("a".to_owned()),
        lease: SECOND * 60,
        term: 7,
        version: Some("9".to_owned()),
    };
    candidate.saw(held, SECOND);
    candidate.saw(Record::default(), SECOND * 5);
    assert_eq!(candidate.decide(SECOND * 5), Some(Decision::Make));
    let made = candidate.written(Decision::Make).unwrap();
    assert_eq!(
        (made.holder.as_deref(), made.lease, made.version.as_deref()),
        (Some(NOBODY), SECOND * 60, None)
    );
    // Another was quicker, and knew of no term.
    let quicker = Record {
        term: 0,
        version: Some("20".to_owned()),
        ..made
    };
    candidate.saw(quicker, SECOND * 6);
    assert_eq!(
        candidate.decide(SECOND * 65),
        Some(Decision::Wait(SECOND * 66))
    );
    assert_eq!(candidate.decide(SECOND * 66), Some(Decision::Take(8)));
}

#[test]
fn who_sees_another_named_leads_no_more() {
    let mut world = with_an_empty_lease(&[(1000, 0)]);
    round(&mut world, 0);
    let usurped = Record {
        holder: Some("somebody".to_owned()),
        version: Some("77".to_owned()),
        ..world.stands.clone()
    };
    world.stands = usurped;
    world.step(&Step::Ask(0));
    world.step(&Step::Hear(0));
    assert_eq!(world.leaders(), []);
}

#[test]
fn times_that_leave_no_room_for_clocks_that_differ_are_refused() {
    let terms = |lease, renew, retry| Terms::new(SECOND * lease, SECOND * renew, SECOND * retry);
    assert_eq!(terms(15, 10, 2), Ok(Terms::default()));
    for (lease, renew, retry) in [(15, 11, 2), (15, 10, 5), (15, 10, 0), (3, 3, 1)] {
        assert!(
            terms(lease, renew, retry).is_err(),
            "{lease} {renew} {retry}"
        );
    }
    let fraction = Terms::new(SECOND * 3 / 2, SECOND / 2, SECOND / 10);
    assert!(fraction.unwrap_err().to_string().contains("whole seconds"));
}
