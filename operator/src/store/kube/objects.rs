//! Every `AgentJob` of a scope in this process's memory: fed by a watch and by what this process writes itself. Of two
//! versions the newer one stays, whichever way it came.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use jiff::Timestamp;
use kube::{Api, Client};
use sandbox_core::{
    AgentJob, Heartbeat, Seat, Tenant, Uid,
    port::{Answer, PortError, Reservation},
    query::{Event, EventQuery, Kept, NewEvent},
    status::condition,
};
use tokio::sync::watch;

use super::{follow, object};
use crate::store::{
    log::Log,
    rows::{Row, gone, submitted},
    shelf::Shelf,
};

/// Whose jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the whole cluster.
    All,
    /// Those of these namespaces.
    Namespaces(Vec<String>),
}

/// Told of what happens to a job through this process, to write it where people look.
pub type Recorder = Arc<dyn Fn(&AgentJob, &NewEvent) + Send + Sync>;

/// Told which job others have changed.
pub type Told = Arc<dyn Fn(&Uid) + Send + Sync>;

/// Words of the condition `Succeeded` that come with an event of the same word and message.
const WITH_EVENTS: [&str; 3] = ["Starting", "Running", "BackingOff"];
/// Objects that are gone and remembered for a while: an answer that comes late must not bring one back.
const REMEMBER_GONE: usize = 10_000;

/// Jobs as objects.
pub struct Objects {
    pub(super) client: Client,
    pub(super) scope: Scope,
    inner: Mutex<Inner>,
    ready: watch::Sender<bool>,
    recorder: OnceLock<Recorder>,
}

struct Inner {
    shelf: Shelf,
    log: Log,
    gone: Gone,
    /// The last heartbeat of each seat that came through this process, and to which attempt.
    beats: HashMap<Uid, (u32, Heartbeat)>,
    /// Jobs whose seats are forgotten and whose objects still stand.
    discarded: HashSet<Uid>,
}

/// What came of an object that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It says what is known.
    Known,
    /// It is newer than what was known.
    Newer,
}

#[derive(Default)]
struct Gone {
    order: VecDeque<Uid>,
    uids: HashSet<Uid>,
}

impl Gone {
    fn note(&mut self, uid: &Uid) {
        if self.uids.insert(uid.clone()) {
            self.order.push_back(uid.clone());
        }
        if self.order.len() > REMEMBER_GONE
            && let Some(first) = self.order.pop_front()
        {
            self.uids.remove(&first);
        }
    }
}

impl Objects {
    /// Nothing is known yet; [`Self::follow`] changes that.
    #[must_use]
    pub fn new(client: Client, scope: Scope) -> Arc<Self> {
        let inner = Inner {
            shelf: Shelf::default(),
            log: Log::after(object::first_seq(Timestamp::now())),
            gone: Gone::default(),
            beats: HashMap::new(),
            discarded: HashSet::new(),
        };
        Arc::new(Self {
            client,
            scope,
            inner: Mutex::new(inner),
            ready: watch::Sender::new(false),
            recorder: OnceLock::new(),
        })
    }

    /// Has what happens to jobs through this process told to this, too. The first one stays.
    pub fn record_to(&self, recorder: Recorder) {
        let _ = self.recorder.set(recorder);
    }

    /// Follows the objects until it is dropped, and tells which ones others have changed, once all are known.
    ///
    /// # Errors
    /// The watch ended, which it does not by itself: a server that cannot be reached is asked again.
    pub async fn follow(self: Arc<Self>, told: Told) -> Answer<()> {
        follow::follow(&self, &told).await
    }

    /// Waits until every object is known.
    pub async fn ready(&self) {
        // It cannot fail while `self` has the sender.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Whether every object is known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Every job, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<AgentJob> {
        let inner = self.lock();
        inner.shelf.all().map(|k| k.job.clone()).collect()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().shelf.all().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// This job, as far as it is known here.
    #[must_use]
    pub fn get(&self, uid: &Uid) -> Option<AgentJob> {
        self.lock().shelf.get(uid).map(|k| k.job.clone())
    }

    /// Whether this job was here and is gone.
    #[must_use]
    pub fn was_here(&self, uid: &Uid) -> bool {
        self.lock().gone.uids.contains(uid)
    }

    pub(super) fn known(&self) -> Answer<()> {
        if self.is_ready() {
            return Ok(());
        }
        let text = "looked for jobs: the objects are not all read yet; ask again soon";
        Err(PortError::Unknown(text.to_owned()))
    }

    pub(super) fn is_known(&self) {
        self.ready.send_replace(true);
    }

    pub(super) fn api(&self, tenant: &str) -> Api<AgentJob> {
        Api::namespaced(self.client.clone(), tenant)
    }

    // Nothing below panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into what is known.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Shelf) -> T) -> T {
        look(&self.lock().shelf)
    }

    /// Takes in an object, as [`object::view`] shows it.
    pub(super) fn see(&self, job: &AgentJob) -> Seen {
        self.lock().see(job)
    }

    /// Takes in an object that others may have written, and notes what happened to it.
    pub(super) fn hear(&self, job: &AgentJob) -> Seen {
        let ready = self.is_ready();
        let mut inner = self.lock();
        let Ok(uid) = job.uid() else {
            return Seen::Known;
        };
        let before = inner.shelf.get(&uid).map(|k| word(&k.job));
        let seen = inner.see(job);
        if ready && seen == Seen::Newer && inner.shelf.get(&uid).is_some() {
            inner.note_change(job, before);
        }
        seen
    }

    /// Forgets an object that is gone; says whether it was here.
    pub(super) fn drop_one(&self, uid: &Uid) -> bool {
        self.lock().forget(uid)
    }

    /// The tenants and versions of all that is known.
    pub(super) fn versions(&self) -> Vec<(Uid, Tenant, u64)> {
        let inner = self.lock();
        let all = inner.shelf.all();
        all.map(|k| (k.row.uid.clone(), k.row.tenant.clone(), k.row.version))
            .collect()
    }

    /// Sets apart what a job is to hold beside what it holds, while that is being written down.
    pub(super) fn reserve(&self, uid: &Uid, wanted: &[Reservation]) -> Answer<()> {
        let mut inner = self.lock();
        inner.shelf.get(uid).ok_or_else(|| gone(uid))?;
        inner.shelf.fits(uid, wanted)?;
        let mut both = inner.shelf.holds(uid).to_vec();
        for r in wanted {
            match both.iter_mut().find(|b| b.pool == r.pool) {
                Some(b) => b.units = b.units.max(r.units),
                None => both.push(r.clone()),
            }
        }
        inner.shelf.hold(uid, both);
        Ok(())
    }

    /// A job holds what its object says, after all.
    pub(super) fn release(&self, uid: &Uid) {
        let mut inner = self.lock();
        if let Some(kept) = inner.shelf.get(uid) {
            let holds = object::reservations(&kept.job.status());
            inner.shelf.hold(uid, holds);
        }
    }

    /// Keeps events and has them written where people look.
    pub fn tell(&self, job: &AgentJob, events: Vec<NewEvent>) {
        if let Some(recorder) = self.recorder.get() {
            for event in &events {
                recorder(job, event);
            }
        }
        if let (Ok(tenant), Ok(uid)) = (job.tenant(), job.uid()) {
            self.lock().note(&tenant, &uid, events);
        }
    }

    pub(super) fn events(&self, query: &EventQuery) -> Vec<Event> {
        self.lock().log.events(query)
    }

    pub(super) fn kept(&self) -> Kept {
        self.lock().log.kept()
    }

    /// Keeps a heartbeat as long as the job is here.
    pub fn keep_beat(&self, seat: &Seat, beat: Heartbeat) {
        let mut inner = self.lock();
        if inner.shelf.get(&seat.uid).is_some() {
            inner.beats.insert(seat.uid.clone(), (seat.attempt, beat));
        }
    }

    /// The last heartbeat of this seat that came through this process.
    #[must_use]
    pub fn beat(&self, seat: &Seat) -> Option<Heartbeat> {
        let inner = self.lock();
        let (attempt, beat) = inner.beats.get(&seat.uid)?;
        (*attempt == seat.attempt).then(|| beat.clone())
    }

    /// Notes that the seats of this job are forgotten; they go with the object.
    pub fn discard(&self, uid: &Uid) {
        let mut inner = self.lock();
        inner.beats.remove(uid);
        if inner.shelf.get(uid).is_some() {
            inner.discarded.insert(uid.clone());
        }
    }

    /// Whether the seats of this job are forgotten.
    #[must_use]
    pub fn is_discarded(&self, uid: &Uid) -> bool {
        self.lock().discarded.contains(uid)
    }
}

impl Inner {
    fn see(&mut self, job: &AgentJob) -> Seen {
        let Ok(row) = Row::of(job) else {
            tracing::warn!(
                job = job.name(),
                "read an object that names no job; leaving it alone"
            );
            return Seen::Known;
        };
        let uid = row.uid.clone();
        let known = self.shelf.get(&uid).map(|k| k.row.version);
        if self.gone.uids.contains(&uid) || known.is_some_and(|v| v >= row.version) {
            return Seen::Known;
        }
        if object::is_gone(job) {
            self.forget(&uid);
            return Seen::Newer;
        }
        let holds = object::reservations(&job.status());
        self.shelf.put(job.clone(), row, object::key_of(job));
        self.shelf.hold(&uid, holds);
        Seen::Newer
    }

    fn forget(&mut self, uid: &Uid) -> bool {
        self.gone.note(uid);
        self.beats.remove(uid);
        self.discarded.remove(uid);
        self.shelf.remove(uid).is_some()
    }

    /// Keeps events but those that stand: the watch may tell of a write before its own answer comes.
    fn note(&mut self, tenant: &Tenant, uid: &Uid, mut events: Vec<NewEvent>) {
        events.retain(|e| !self.log.has(uid, e));
        self.log.tell(tenant, uid, events);
    }

    /// What others did to a job, as far as its conditions tell: an event like those of this process.
    fn note_change(&mut self, job: &AgentJob, before: Option<String>) {
        let (Ok(tenant), Ok(uid)) = (job.tenant(), job.uid()) else {
            return;
        };
        let event = match before {
            None => Some(submitted(job)),
            Some(before) if before != word(job) => changed(job),
            Some(_) => None,
        };
        self.note(&tenant, &uid, event.into_iter().collect());
    }
}

/// The word that says how a job stands; empty where none does.
fn word(job: &AgentJob) -> String {
    let status = job.status();
    let found = status.condition(condition::SUCCEEDED);
    found.map(|c| c.reason.clone()).unwrap_or_default()
}

/// The event that came with the condition, where one did.
fn changed(job: &AgentJob) -> Option<NewEvent> {
    let status = job.status();
    let found = status.condition(condition::SUCCEEDED)?;
    let reason = match status.outcome {
        Some(outcome) => outcome.word(),
        None => &found.reason,
    };
    let came = status.is_finished() || WITH_EVENTS.contains(&reason);
    came.then(|| NewEvent {
        reason: reason.to_owned(),
        message: found.message.clone(),
        at: status.updated_at.unwrap_or(found.last_transition_time.0),
    })
}
