//! Runs one story to its rest: people ask, the node reconciles, runners work, the clock moves, and
//! a node that died is started again after a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::Router;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Seat,
    plan::{Hosts, Limits, REMOVE_WITHIN, Reason, Sites},
    port::{Answer, Backend, Change, Created, Memory, Seats, Store, Write},
    query::{EventQuery, ListQuery},
    reconcile::{Ports, Rest, Round, reconcile},
    spec::BackendName,
};
use sandbox_operator::{
    control::Waker,
    face::seat::{SeatDoor, router},
};
use serde_json::json;

use super::{
    killed::{Fate, Kill, Killed, Life},
    runner::Crew,
    story::{Ask, Ends, Story, When},
    world::{UID, World},
};

/// Turns after which a story counts as one that never rests.
const TURNS: u32 = 2000;
/// Seconds from a death to the next start.
const OUTAGE: u64 = 7;
/// A job that is not over is looked at this often, as the control loop does.
const LOOK_ANYWAY: Duration = Duration::from_mins(1);
/// How soon the control loop looks again after a look that failed.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// How the story ended.
    pub ends: Ends,
    /// What is wrong although it ended so.
    pub wrong: Vec<String>,
    /// The calls that were made.
    pub passed: Vec<&'static str>,
    /// How often the node died.
    pub deaths: u32,
}

/// Plays a story in which the node dies at these calls.
pub async fn play(story: &Story, kills: Vec<Kill>) -> Run {
    play_in(story, kills, World::new(story)).await
}

/// The same in this world, in which nothing has happened.
pub async fn play_in(story: &Story, kills: Vec<Kill>, world: World) -> Run {
    let fate = Fate::new(kills);
    let mut drive = Drive::new(story, &world, fate);
    loop {
        drive.settle().await;
        if drive.look_back().await.is_ok() {
            break;
        }
    }
    Run {
        ends: world.ends().await,
        wrong: world.wrong().await,
        passed: drive.fate.passed(),
        deaths: drive.deaths,
    }
}

/// One process of the node.
struct Node {
    life: Arc<Life>,
    ports: Ports,
    door: Router,
}

impl Node {
    fn start(world: &World, fate: &Arc<Fate>) -> Self {
        let life = Life::new(fate);
        let store: Arc<dyn Store> = Killed::new(world.store(), &life);
        let seats: Arc<dyn Seats> = Killed::new(world.seats(), &life);
        let place: Arc<dyn Backend> = Arc::clone(&world.place) as Arc<dyn Backend>;
        let place: Arc<dyn Backend> = Killed::new(place, &life);
        let memory: Arc<dyn Memory> = Arc::clone(&world.ledger) as Arc<dyn Memory>;
        let memory: Arc<dyn Memory> = Killed::new(memory, &life);
        let door = SeatDoor {
            deadline: Duration::from_hours(1),
            store: Arc::clone(&store),
            seats: Arc::clone(&seats),
            memory: Arc::clone(&memory),
            tools: None,
            waker: Waker::new().0,
            claimed: Arc::new(|_, _| {}),
            may_claim: true,
            artifacts: None,
            passes: None,
            lease: None,
            checks: Arc::default(),
            secrets: None,
        };
        let backends = Arc::new(BTreeMap::from([(BackendName::Vps, place)]));
        Self {
            life,
            door: router(door),
            ports: Ports {
                store,
                seats,
                backends,
                memory,
            },
        }
    }
}

struct Drive<'a> {
    story: &'a Story,
    world: &'a World,
    fate: Arc<Fate>,
    node: Node,
    crew: Crew,
    /// When the job is looked at next.
    due: Option<Timestamp>,
    asked: usize,
    deaths: u32,
}

impl<'a> Drive<'a> {
    fn new(story: &'a Story, world: &'a World, fate: Arc<Fate>) -> Self {
        Self {
            node: Node::start(world, &fate),
            story,
            world,
            fate,
            crew: Crew::default(),
            due: None,
            asked: 0,
            deaths: 0,
        }
    }

    async fn settle(&mut self) {
        for _ in 0..TURNS {
            if self.node.life.is_over() {
                self.restart().await;
            } else if !self.turn().await {
                return;
            }
        }
        panic!("does not come to rest: {:?}", self.world.job().await);
    }

    /// One thing happens; false when nothing does any more.
    async fn turn(&mut self) -> bool {
        self.ask().await || self.reconcile().await || self.work().await || self.wait()
    }

    /// The node is away for a while and takes up what is open; runners go on meanwhile.
    async fn restart(&mut self) {
        self.deaths += 1;
        self.due = None;
        for _ in 0..OUTAGE {
            self.world.wait_until(self.world.now());
            self.work().await;
        }
        self.world.reopen().await;
        self.node = Node::start(self.world, &self.fate);
        let query = ListQuery {
            open_only: true,
            limit: 10,
            ..ListQuery::default()
        };
        let open = self.node.ports.store.list(&query).await;
        let open = open.is_ok_and(|page| !page.jobs.is_empty());
        self.due = open.then(|| self.world.now());
    }

    /// Asks what is to be asked now; what failed is asked again.
    async fn ask(&mut self) -> bool {
        let Some((when, ask)) = self.story.asks.get(self.asked).copied() else {
            return false;
        };
        if !self.is(when).await {
            return false;
        }
        let answer = match ask {
            Ask::Submit => self.submit().await,
            Ask::Cancel => self.change(|job| job.spec.cancel = true).await,
            Ask::Suspend(is) => self.change(|job| job.spec.suspend = is).await,
        };
        if answer.is_ok() {
            self.asked += 1;
            self.due = Some(self.world.now());
        }
        true
    }

    async fn is(&mut self, when: When) -> bool {
        let job = self.world.job().await;
        let status = job.map(|j| j.status().into_owned()).unwrap_or_default();
        match when {
            When::AtOnce => true,
            When::Waiting => status.queued_reason.is_some(),
            When::Launched => {
                self.crew.hire(self.world, self.story);
                self.crew.has_unclaimed()
            }
            When::AtWork => !self.world.began.lock().unwrap().is_empty(),
            When::HeldBack => status.attempt > 0 && status.intent.is_none(),
        }
    }

    async fn submit(&self) -> Answer<()> {
        let job = job_of(self.story, self.world.now());
        let made = self.node.ports.store.create(job, Some("key")).await?;
        match made {
            Created::New(job) | Created::Existing(job) => {
                self.world.is_called(job.uid().unwrap());
                Ok(())
            }
        }
    }

    async fn change(&self, change: impl Fn(&mut AgentJob) + Send) -> Answer<()> {
        let store = &self.node.ports.store;
        let Some(mut job) = store.load(&self.world.uid()).await? else {
            return Ok(());
        };
        change(&mut job);
        let write = Write::Put(Box::new(job));
        let (holds, events) = (None, Vec::new());
        let change = Change {
            write,
            holds,
            events,
        };
        store.commit(change).await.map(|_| ())
    }

    async fn reconcile(&mut self) -> bool {
        if self.due.is_none_or(|at| at > self.world.now()) {
            return false;
        }
        let clock = self.world.clock();
        let limits = limits(self.story);
        let round = Round {
            clock: &*clock,
            limits: &limits,
        };
        let rest = reconcile(&self.node.ports, &self.world.uid(), &round).await;
        let now = self.world.now();
        self.due = match rest {
            Ok(rest) => look_again(&rest, now),
            Err(_) => Some(now + TRY_AGAIN),
        };
        true
    }

    /// Runners do what they can now; what they say calls the node.
    async fn work(&mut self) -> bool {
        let door = self.node.door.clone();
        let any = self.crew.step(self.world, self.story, &door).await;
        if any && self.world.job().await.is_some() {
            self.due = Some(self.world.now());
        }
        any
    }

    /// Moves the clock to what comes next; false when nothing does.
    fn wait(&self) -> bool {
        let next = self.due.into_iter().chain(self.crew.next()).min();
        if let Some(next) = next {
            self.world.wait_until(next);
        }
        next.is_some()
    }

    /// A person reads what happened.
    async fn look_back(&self) -> Answer<()> {
        let ports = &self.node.ports;
        let events = EventQuery {
            limit: 100,
            ..EventQuery::default()
        };
        ports.store.events(&events).await?;
        ports.store.kept().await?;
        ports.store.list(&ListQuery::default()).await?;
        let place = &ports.backends[&BackendName::Vps];
        match place.logs(&Seat::new(self.world.uid(), 1), 0, 100).await {
            Err(e) if self.node.life.is_over() => Err(e),
            _ => Ok(()),
        }
    }
}

/// When the control loop looks again after this rest.
fn look_again(rest: &Rest, now: Timestamp) -> Option<Timestamp> {
    let anyway = now + LOOK_ANYWAY;
    match &rest.reason {
        None => None,
        Some(Reason::Finished) => rest.wake,
        Some(_) => Some(rest.wake.map_or(anyway, |wake| wake.min(anyway))),
    }
}

/// The job of a story, as a face writes it down.
#[must_use]
pub fn job_of(story: &Story, now: Timestamp) -> AgentJob {
    let mut spec = json!({"type": "echo", "echo": {"message": "hi"}});
    let more = story.spec.as_object().into_iter().flatten();
    for (key, value) in more {
        spec[key] = value.clone();
    }
    let metadata = json!({
        "name": "j", "namespace": "team-a", "uid": UID, "creationTimestamp": now.to_string(),
    });
    let job = json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata,
        "spec": spec,
    });
    sandbox_core::validate::parse(job).unwrap()
}

/// The bounds of a story's node.
#[must_use]
pub fn limits(story: &Story) -> Limits {
    Limits {
        backend: BackendName::Vps,
        slots: story.slots,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: Duration::from_mins(1),
        vanish_grace: Duration::from_secs(30),
        lease: None,
        deadline: Duration::from_hours(1),
        record_within: Duration::from_mins(10),
        ttl: None,
        remove_within: REMOVE_WITHIN,
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}
