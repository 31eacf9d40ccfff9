//! A process that dies at a chosen port call, before or after the call was done; or lives on, and
//! only that answer is lost.
//!
//! Once it is dead every further call of it fails. The world behind the ports lives on; a new
//! [`Life`] over the same world is the restart.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Brief, Claim, Heartbeat, Register, Report, Seat, Tenant, Uid,
    port::{
        Admission, Answer, AttemptOutcome, Backend, Change, Created, LogChunk, Look, Memory,
        PortError, RecallQuery, Receipt, SeatRecord, Seats, Store,
    },
    query::{Event, EventQuery, Kept, ListQuery, Page},
    spec::{AgentJobSpec, BackendName},
    status::Launch,
    validate::Invalid,
};

/// On which side of a call it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The call is not done.
    Before,
    /// The call is done, and its answer is lost.
    After,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The process dies.
    Dies,
    /// The process lives on without an answer.
    NoAnswer,
}

/// What happens where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The number of the call, from 0, counted over all lives.
    pub call: usize,
    /// On which side of it.
    pub side: Side,
    /// What happens there.
    pub blow: Blow,
}

/// What happens to the processes of one run: which calls they made, and where they die.
#[derive(Debug, Default)]
pub struct Fate {
    kills: Vec<Kill>,
    passed: Mutex<Vec<&'static str>>,
}

impl Fate {
    /// Meets these blows.
    #[must_use]
    pub fn new(kills: Vec<Kill>) -> Arc<Self> {
        let passed = Mutex::default();
        Arc::new(Self { kills, passed })
    }

    /// The calls that were made, in order, as `port.method`.
    #[must_use]
    pub fn passed(&self) -> Vec<&'static str> {
        self.passed.lock().unwrap().clone()
    }

    fn number(&self, call: &'static str) -> usize {
        let mut passed = self.passed.lock().unwrap();
        passed.push(call);
        passed.len() - 1
    }
}

/// One process, from its start to its death.
#[derive(Debug)]
pub struct Life {
    fate: Arc<Fate>,
    dead: AtomicBool,
}

impl Life {
    /// A process that starts now.
    #[must_use]
    pub fn new(fate: &Arc<Fate>) -> Arc<Self> {
        let fate = Arc::clone(fate);
        let dead = AtomicBool::new(false);
        Arc::new(Self { fate, dead })
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    async fn pass<T>(
        &self,
        call: &'static str,
        done: impl Future<Output = Answer<T>> + Send,
    ) -> Answer<T> {
        if self.is_over() {
            return killed();
        }
        let number = self.fate.number(call);
        self.survive(number, Side::Before)?;
        let answer = done.await;
        self.survive(number, Side::After)?;
        answer
    }

    fn survive(&self, call: usize, side: Side) -> Answer<()> {
        let mut kills = self.fate.kills.iter();
        match kills.find(|k| k.call == call && k.side == side) {
            None => Ok(()),
            Some(kill) => {
                let dies = kill.blow == Blow::Dies;
                self.dead.store(dies, Ordering::SeqCst);
                killed()
            }
        }
    }
}

fn killed<T>() -> Answer<T> {
    Err(PortError::Unknown("killed".to_owned()))
}

/// A port as one process reaches it.
#[derive(Debug)]
pub struct Killed<T: ?Sized> {
    inner: Arc<T>,
    life: Arc<Life>,
}

impl<T: ?Sized> Killed<T> {
    /// This port, reached by this process.
    #[must_use]
    pub fn new(inner: Arc<T>, life: &Arc<Life>) -> Arc<Self> {
        let life = Arc::clone(life);
        Arc::new(Self { inner, life })
    }
}

/// A kill point around each of these calls, named by port and method.
macro_rules! pass {
    ($self:ident, $port:literal, $method:ident($($arg:expr),*)) => {
        $self
            .life
            .pass(concat!($port, ".", stringify!($method)), $self.inner.$method($($arg),*))
            .await
    };
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Killed<dyn Store> {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        pass!(self, "store", create(job, key))
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        pass!(self, "store", load(uid))
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        pass!(self, "store", list(query))
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        pass!(self, "store", commit(change))
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        pass!(self, "store", events(query))
    }

    async fn kept(&self) -> Answer<Kept> {
        pass!(self, "store", kept())
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        pass!(self, "store", admission(pool, job))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Seats for Killed<dyn Seats> {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        pass!(self, "seats", read(seat))
    }

    async fn read_in(&self, job: &AgentJob, seat: &Seat) -> Answer<Option<SeatRecord>> {
        pass!(self, "seats", read_in(job, seat))
    }

    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register> {
        pass!(self, "seats", claim(seat, claim))
    }

    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
        pass!(self, "seats", close(seat, reason, now))
    }

    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()> {
        pass!(self, "seats", beat(seat, nonce, beat))
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        pass!(self, "seats", report(seat, nonce, report))
    }

    async fn discard(&self, uid: &Uid) -> Answer<()> {
        pass!(self, "seats", discard(uid))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Killed<dyn Backend> {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        self.inner.name_of(seat)
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        pass!(self, "backend", launch(brief))
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        pass!(self, "backend", look(seat, claim))
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        pass!(self, "backend", stop(seat, keep))
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        pass!(self, "backend", reap(seat))
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        pass!(self, "backend", logs(seat, from, limit))
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        self.inner.refuses(spec)
    }

    fn freeze(&self, spec: &AgentJobSpec) -> Option<Launch> {
        self.inner.freeze(spec)
    }

    fn lease(&self) -> Option<Duration> {
        self.inner.lease()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Memory for Killed<dyn Memory> {
    async fn recall(&self, seat: &Seat, tenant: &Tenant, query: &RecallQuery) -> Answer<Receipt> {
        pass!(self, "memory", recall(seat, tenant, query))
    }

    async fn record(&self, seat: &Seat, outcome: &AttemptOutcome) -> Answer<()> {
        pass!(self, "memory", record(seat, outcome))
    }
}
