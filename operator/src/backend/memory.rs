//! A back end in memory, for tests: a seat is a task of this process, or nothing but what the test
//! says of it. Keeps the promises of a back end, and can be made to break them.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sandbox_core::{
    Brief, Claim, Seat, Sighting,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
};
use tokio::task::AbortHandle;

/// How an instance ended: its exit code.
pub type Code = i32;
/// What an instance does: it is given its brief and its own name, and ends with a code.
pub type Work =
    Arc<dyn Fn(Brief, String) -> Pin<Box<dyn Future<Output = Code> + Send>> + Send + Sync>;

/// One place of this process.
pub struct MemoryBackend {
    name: BackendName,
    work: Work,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    places: BTreeMap<Seat, Place>,
    starts: Vec<Seat>,
    next_answer: Option<PortError>,
}

struct Place {
    instance: String,
    ended: Option<(Option<Code>, Option<i32>)>,
    task: AbortHandle,
    remains: u32,
    log: String,
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts = self.lock().starts.len();
        write!(f, "MemoryBackend({starts} starts)")
    }
}

impl MemoryBackend {
    /// A place where every launched seat does this work.
    pub fn new<F, W>(name: BackendName, work: F) -> Self
    where
        F: Fn(Brief, String) -> W + Send + Sync + 'static,
        W: Future<Output = Code> + Send + 'static,
    {
        Self {
            name,
            work: Arc::new(move |brief, instance| Box::pin(work(brief, instance))),
            state: Arc::default(),
        }
    }

    /// A place where a launched seat does nothing until the test says that it ended.
    #[must_use]
    pub fn idle(name: BackendName) -> Self {
        Self::new(name, |_, _| std::future::pending())
    }

    /// The seats that were really started, in order: one entry per start.
    #[must_use]
    pub fn starts(&self) -> Vec<Seat> {
        self.lock().starts.clone()
    }

    /// What the instance of this seat is called, once it was launched.
    #[must_use]
    pub fn instance(&self, seat: &Seat) -> Option<String> {
        self.lock().places.get(seat).map(|p| p.instance.clone())
    }

    /// The instance ends with this code, whatever it was doing.
    pub fn exit(&self, seat: &Seat, code: Code) {
        self.end(seat, (Some(code), None));
    }

    /// The instance is gone without a trace.
    pub fn vanish(&self, seat: &Seat) {
        if let Some(place) = self.lock().places.remove(seat) {
            place.task.abort();
        }
    }

    /// The instance leaves this many processes behind, until the seat is reaped.
    pub fn leave(&self, seat: &Seat, remains: u32) {
        if let Some(place) = self.lock().places.get_mut(seat) {
            place.remains = remains;
        }
    }

    /// The instance writes to its log.
    pub fn say(&self, seat: &Seat, text: &str) {
        if let Some(place) = self.lock().places.get_mut(seat) {
            place.log.push_str(text);
        }
    }

    /// The next launch, look, stop or reap answers this and does nothing.
    pub fn fail_next(&self, answer: PortError) {
        self.lock().next_answer = Some(answer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The state, unless the test wants another answer.
    fn answer(&self) -> Answer<MutexGuard<'_, State>> {
        let mut state = self.lock();
        match state.next_answer.take() {
            Some(answer) => Err(answer),
            None => Ok(state),
        }
    }

    fn end(&self, seat: &Seat, how: (Option<Code>, Option<i32>)) {
        if let Some(place) = self.lock().places.get_mut(seat) {
            place.ended.get_or_insert(how);
            place.task.abort();
        }
    }

    fn begin(&self, brief: &Brief, number: usize) -> Place {
        let instance = format!("memory:{number}");
        let work = (self.work)(brief.clone(), instance.clone());
        let (state, seat) = (self.state.clone(), brief.seat.clone());
        let task = tokio::spawn(async move {
            let code = work.await;
            if let Some(place) = lock(&state).places.get_mut(&seat) {
                place.ended.get_or_insert((Some(code), None));
            }
        });
        Place {
            instance,
            ended: None,
            task: task.abort_handle(),
            remains: 0,
            log: String::new(),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sighting(place: &Place) -> Sighting {
    let instance = place.instance.clone();
    match place.ended {
        None => Sighting::Alive { instance },
        Some((code, signal)) => Sighting::Exited {
            instance,
            code,
            signal,
            why: None,
        },
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (self.name, format!("memory-{}-{}", seat.uid, seat.attempt))
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let mut state = self.answer()?;
        if state.places.contains_key(&brief.seat) {
            return Ok(());
        }
        state.starts.push(brief.seat.clone());
        let place = self.begin(brief, state.starts.len());
        state.places.insert(brief.seat.clone(), place);
        Ok(())
    }

    async fn look(&self, seat: &Seat, _claim: Option<&Claim>) -> Answer<Look> {
        let state = self.answer()?;
        let place = state.places.get(seat);
        Ok(Look {
            sightings: place.map(sighting).into_iter().collect(),
            remains: place.map_or(0, |p| p.remains),
            ..Look::default()
        })
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        drop(self.answer()?);
        if keep.is_none() || self.instance(seat).as_deref() != keep {
            self.end(seat, (None, Some(15)));
        }
        Ok(())
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        drop(self.answer()?);
        self.vanish(seat);
        Ok(())
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let state = self.lock();
        let place = state.places.get(seat).filter(|p| !p.log.is_empty());
        let missing = || PortError::NotFound(format!("seat {seat} has no log yet"));
        let log = &place.ok_or_else(missing)?.log;
        let place = |at: u64| log.floor_char_boundary(usize::try_from(at).unwrap_or(usize::MAX));
        let (start, end) = (place(from), place(from.saturating_add(limit.into())));
        Ok(LogChunk {
            text: log[start..end].to_owned(),
            next: end as u64,
        })
    }
}
