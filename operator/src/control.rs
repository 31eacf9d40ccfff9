//! The control loop of a single node: which job is looked at when.
//!
//! It decides nothing about jobs. It sees to it that one job is reconciled by one task at a time,
//! that a call during a reconcile is not lost, and that a freed slot reaches the first that waits.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sandbox_core::{
    Uid,
    plan::{Hosts, Limits, Reason, Sites},
    port::{Answer, Store},
    query::{ListQuery, MAX_PAGE},
    reconcile::{Place, Ports, ReconcileError, Rest, Round, reconcile},
};
use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinSet},
};

use crate::{counts::Reconciles, sweep};

/// A job that is not over is looked at this often even if nothing calls.
const LOOK_ANYWAY: Duration = Duration::from_mins(1);
/// How soon a reconcile that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Calls for a job to be looked at. Cheap to clone; never blocks.
#[derive(Clone, Debug)]
pub struct Waker {
    calls: mpsc::UnboundedSender<Uid>,
}

impl Waker {
    /// A waker and what it wakes.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Uid>) {
        let (calls, called) = mpsc::unbounded_channel();
        (Self { calls }, called)
    }

    /// Has this job looked at soon.
    pub fn wake(&self, uid: &Uid) {
        // A closed loop is shutting down: what it does not see now, the next start looks at.
        let _ = self.calls.send(uid.clone());
    }
}

/// Told after each reconcile that came to rest.
pub type AtRest = Arc<dyn Fn(&Uid, &Rest) + Send + Sync>;

/// What the loop works with.
pub struct Control {
    /// The doors.
    pub ports: Ports,
    /// The bounds.
    pub limits: Limits,
    /// Who else has the store, as it is known now.
    pub sites: watch::Receiver<Sites>,
    /// Machines elsewhere, as they are known now.
    pub hosts: watch::Receiver<Hosts>,
    /// Says what time it is.
    pub clock: fn() -> Timestamp,
    /// Most reconciles at a time of jobs whose work is not over, and at most half as many of those whose is.
    pub concurrency: usize,
    /// Told after each reconcile.
    pub at_rest: AtRest,
    /// Counts them.
    pub counts: Arc<Reconciles>,
}

#[derive(Default)]
struct State {
    running: bool,
    called: bool,
    leaves: bool,
}

/// Jobs whose work is over are put away after the others: what they leave may take its time to end, and nobody waits for it
/// but whoever waits for their slots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// The work of these is to begin or goes on.
    Working,
    /// That of these is over.
    Leaving,
}

/// What came of a look at a job.
type Looked = (Uid, Result<Rest, ReconcileError>);

/// Everything the loop remembers; all of it can be found again in the store.
struct Desk {
    control: Arc<Control>,
    jobs: HashMap<Uid, State>,
    ready: [VecDeque<Uid>; 2],
    /// The lane of each reconcile under way.
    at_it: HashMap<task::Id, Lane>,
    timers: BTreeSet<(Timestamp, Uid)>,
    due: HashMap<Uid, Timestamp>,
    /// Who waits: for a slot, and for a machine elsewhere.
    waiting: [BTreeSet<Place>; 2],
    waiting_at: HashMap<Uid, (usize, Place)>,
    tasks: JoinSet<Looked>,
    spread: RandomState,
}

/// Runs until `stop` resolves; reconciles under way are finished first.
///
/// # Errors
/// The jobs that are not over could not be read at the start.
pub async fn run(
    control: Control,
    mut calls: mpsc::UnboundedReceiver<Uid>,
    stop: impl Future<Output = ()> + Send,
) -> Answer<()> {
    let mut desk = Desk::new(control);
    desk.take_up_open_jobs().await?;
    tokio::pin!(stop);
    loop {
        desk.begin_ready();
        let timer = tokio::time::sleep(desk.until_timer());
        tokio::select! {
            () = &mut stop => break,
            Some(uid) = calls.recv() => desk.call(uid),
            Some(done) = desk.tasks.join_next_with_id(), if !desk.tasks.is_empty() => desk.done(done),
            () = timer => desk.ring(),
        }
    }
    while desk.tasks.join_next().await.is_some() {}
    Ok(())
}

/// The jobs that are not over, oldest first.
///
/// # Errors
/// The store cannot be read.
pub async fn open_jobs(store: &dyn Store) -> Answer<Vec<Uid>> {
    let mut query = ListQuery {
        open_only: true,
        limit: MAX_PAGE,
        ..ListQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = store.list(&query).await?;
        found.extend(page.jobs.iter().filter_map(|j| j.uid().ok()));
        query.after = page.next;
        if query.after.is_none() {
            found.reverse();
            return Ok(found);
        }
    }
}

impl Desk {
    fn new(control: Control) -> Self {
        Self {
            control: Arc::new(control),
            jobs: HashMap::new(),
            ready: <[VecDeque<Uid>; 2]>::default(),
            at_it: HashMap::new(),
            timers: BTreeSet::new(),
            due: HashMap::new(),
            waiting: <[BTreeSet<Place>; 2]>::default(),
            waiting_at: HashMap::new(),
            tasks: JoinSet::new(),
            spread: RandomState::new(),
        }
    }

    async fn take_up_open_jobs(&mut self) -> Answer<()> {
        let found = open_jobs(&*self.control.ports.store).await?;
        for uid in found {
            self.call(uid);
        }
        Ok(())
    }

    /// Notes that a job is to be looked at; once more after the reconcile under way, if there is one.
    fn call(&mut self, uid: Uid) {
        let state = self.jobs.entry(uid.clone()).or_default();
        if state.called {
            return;
        }
        state.called = true;
        if !state.running {
            self.enqueue(uid);
        }
    }

    fn enqueue(&mut self, uid: Uid) {
        let lane = match self.jobs.get(&uid) {
            Some(state) if state.leaves => Lane::Leaving,
            _ => Lane::Working,
        };
        self.ready[lane as usize].push_back(uid);
    }

    fn begin_ready(&mut self) {
        for lane in [Lane::Working, Lane::Leaving] {
            while self.under_way(lane) < self.most(lane)
                && let Some(uid) = self.ready[lane as usize].pop_front()
            {
                self.begin(uid, lane);
            }
        }
        let ready = self.ready.iter().map(VecDeque::len).sum();
        self.control.counts.waiting(ready);
    }

    /// Most reconciles of a lane at a time: those that leave have half of what the others do not need, and one at least.
    fn most(&self, lane: Lane) -> usize {
        let all = self.control.concurrency;
        match lane {
            Lane::Working => all,
            Lane::Leaving => (all.saturating_sub(self.under_way(Lane::Working)) / 2).max(1),
        }
    }

    fn under_way(&self, lane: Lane) -> usize {
        self.at_it.values().filter(|l| **l == lane).count()
    }

    fn begin(&mut self, uid: Uid, lane: Lane) {
        let state = self.jobs.entry(uid.clone()).or_default();
        state.called = false;
        state.running = true;
        let control = Arc::clone(&self.control);
        let task = self.tasks.spawn(async move {
            let limits = Limits {
                sites: control.sites.borrow().clone(),
                hosts: control.hosts.borrow().clone(),
                ..control.limits.clone()
            };
            let round = Round {
                clock: &control.clock,
                limits: &limits,
            };
            let begun = Instant::now();
            let rest = reconcile(&control.ports, &uid, &round).await;
            control.counts.done(rest.is_ok(), begun.elapsed());
            (uid, rest)
        });
        self.at_it.insert(task.id(), lane);
    }

    fn done(&mut self, joined: Result<(task::Id, Looked), task::JoinError>) {
        let id = joined
            .as_ref()
            .map_or_else(task::JoinError::id, |(id, _)| *id);
        self.at_it.remove(&id);
        let (uid, rest) = match joined {
            Ok((_, done)) => done,
            Err(e) => {
                tracing::error!(error = %e, "a reconcile ended by panicking; the next start looks at its job");
                return;
            }
        };
        let state = self.jobs.entry(uid.clone()).or_default();
        state.running = false;
        if let Ok(rest) = &rest {
            state.leaves = rest.leaving;
        }
        if state.called {
            self.enqueue(uid.clone());
        }
        match rest {
            Ok(rest) => self.rested(&uid, &rest),
            Err(e) => {
                tracing::warn!(job = %uid, error = %e, "could not look at the job; trying again");
                let again = self.about(&uid, TRY_AGAIN);
                self.set_timer(&uid, again);
            }
        }
    }

    fn rested(&mut self, uid: &Uid, rest: &Rest) {
        tracing::debug!(job = %uid, reason = ?rest.reason, wake = ?rest.wake, "at rest");
        self.note_waiting(uid, rest);
        let now = (self.control.clock)();
        let (anyway, far) = (self.about(uid, LOOK_ANYWAY), now + sweep::EVERY);
        match (&rest.reason, rest.wake) {
            (None, _) | (Some(Reason::Finished), None) => self.forget(uid),
            // The sweep calls for it in its time.
            (Some(Reason::Finished), Some(wake)) if wake > far => self.forget(uid),
            (
                Some(
                    Reason::Finished
                    | Reason::WaitingForSlot { .. }
                    | Reason::WaitingForHost { .. },
                ),
                Some(wake),
            ) => {
                self.set_timer(uid, wake);
            }
            // It came to no rest in a whole round, so what it does is undone by somebody, perhaps.
            (Some(Reason::Acting), _) => {
                let again = self.about(uid, TRY_AGAIN);
                self.set_timer(uid, again);
            }
            (Some(_), wake) => self.set_timer(uid, wake.map_or(anyway, |w| w.min(anyway))),
        }
        (self.control.at_rest)(uid, rest);
    }

    fn forget(&mut self, uid: &Uid) {
        if self.jobs.get(uid).is_some_and(|s| !s.called && !s.running) {
            self.jobs.remove(uid);
        }
        self.clear_timer(uid);
    }

    /// Keeps those that wait for a slot in order; anything else that rests may have freed or left
    /// one, so the first that waits looks again.
    fn note_waiting(&mut self, uid: &Uid, rest: &Rest) {
        if let Some((line, place)) = self.waiting_at.remove(uid) {
            self.waiting[line].remove(&place);
        }
        if let Some(line) = rest.reason.as_ref().and_then(line_of) {
            self.waiting[line].insert(rest.place.clone());
            self.waiting_at
                .insert(uid.clone(), (line, rest.place.clone()));
            return;
        }
        let first = self
            .waiting
            .iter()
            .filter_map(|line| line.first()?.2.clone());
        for uid in first.collect::<Vec<_>>() {
            self.call(uid);
        }
    }

    /// In about this time, for each job a little later than for others: what was called together, as at a start, is
    /// not looked at together for ever.
    fn about(&self, uid: &Uid, time: Duration) -> Timestamp {
        let thousandths = u32::try_from(self.spread.hash_one(uid) % 250).unwrap_or_default();
        (self.control.clock)() + time + time * thousandths / 1000
    }

    fn set_timer(&mut self, uid: &Uid, at: Timestamp) {
        self.clear_timer(uid);
        self.timers.insert((at, uid.clone()));
        self.due.insert(uid.clone(), at);
    }

    fn clear_timer(&mut self, uid: &Uid) {
        if let Some(at) = self.due.remove(uid) {
            self.timers.remove(&(at, uid.clone()));
        }
    }

    fn until_timer(&self) -> Duration {
        let now = (self.control.clock)();
        let first = self.timers.first().map(|(at, _)| *at);
        let left = first.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        left.unwrap_or(LOOK_ANYWAY)
    }

    fn ring(&mut self) {
        let now = (self.control.clock)();
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                return;
            }
            let Some((_, uid)) = self.timers.pop_first() else {
                return;
            };
            self.due.remove(&uid);
            self.call(uid);
        }
    }
}

/// The line in which a job waits for this reason.
const fn line_of(reason: &Reason) -> Option<usize> {
    match reason {
        Reason::WaitingForSlot { .. } => Some(0),
        Reason::WaitingForHost { .. } => Some(1),
        _ => None,
    }
}
