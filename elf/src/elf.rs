//! Memory over a ledger: holds a picture of each tenant, decides on it, and makes what was decided
//! durable before it answers. The only file that knows how the picture and the log stay in step.

use std::{
    collections::HashMap,
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use sandbox_core::Tenant;
use tokio::sync::{MappedMutexGuard, Mutex as AsyncMutex, MutexGuard, Semaphore};

use crate::{
    ElfError,
    entry::{Entry, Row},
    live::{self, Live, gap},
    rows,
    state::State,
    store::{
        Kept, Ledger, LedgerError, known,
        sqlite::{OpenError, SqliteLedger},
    },
};

/// How often a decision is made anew because another node wrote first.
const TRIES: u32 = 16;
/// Most commits that are on their way at a time; more callers wait.
const MAX_ON_THE_WAY: usize = 4_096;
/// Entries that are read from the log at a time.
const LOG_PAGE: u32 = 1_000;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// A new random key.
pub type NewKey = Arc<dyn Fn() -> String + Send + Sync>;

/// The shared memory.
#[derive(Clone)]
pub struct Elf {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    new_key: NewKey,
    rooms: Mutex<HashMap<Tenant, Room>>,
    generations: AtomicU64,
    permits: Semaphore,
}

/// A tenant's picture; empty before it is first needed and after a commit that failed.
type Room = Arc<AsyncMutex<Option<Live>>>;
type Held<'a> = MappedMutexGuard<'a, Live>;

impl Elf {
    /// Memory in one SQLite file.
    ///
    /// # Errors
    /// The file is no memory of ours, is damaged, comes from a newer release, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self::new(Arc::new(SqliteLedger::open(path)?)))
    }

    /// Memory over this ledger.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        let key = || {
            format!(
                "{}{}",
                uuid::Uuid::new_v4().simple(),
                uuid::Uuid::new_v4().simple()
            )
        };
        Self::with(ledger, Arc::new(Timestamp::now), Arc::new(key))
    }

    /// Memory over this ledger, with a clock and a source of keys of the caller's.
    #[must_use]
    pub fn with(ledger: Arc<dyn Ledger>, clock: Clock, new_key: NewKey) -> Self {
        let inner = Inner {
            ledger,
            clock,
            new_key,
            rooms: Mutex::default(),
            generations: AtomicU64::default(),
            permits: Semaphore::new(MAX_ON_THE_WAY),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.inner.ledger
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Reads the tenant's picture. It may show what is still on its way to the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        read: impl FnOnce(&Live) -> T + Send + 'static,
    ) -> Result<T, ElfError> {
        let (inner, tenant) = (Arc::clone(&self.inner), tenant.clone());
        apart(async move {
            let room = inner.room(&tenant);
            Ok(read(&*inner.enter(&room, &tenant).await?))
        })
        .await
    }

    /// Decides on the tenant's picture and writes down what was decided. When the answer comes, all
    /// that the decision saw is durable, also where it decided to write nothing.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        decide: impl Fn(&Live, Timestamp) -> Result<(Vec<Entry>, T), ElfError> + Send + Sync + 'static,
    ) -> Result<T, ElfError> {
        self.commit(tenant, move |live, now| {
            let (entries, answer) = decide(live, now)?;
            Ok((live.rows(entries, now), answer))
        })
        .await
    }

    /// The same of entries that have their place and time already.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        decide: impl Fn(&Live, Timestamp) -> Result<(Vec<Row>, T), ElfError> + Send + Sync + 'static,
    ) -> Result<T, ElfError> {
        let (inner, tenant) = (Arc::clone(&self.inner), tenant.clone());
        apart(async move { inner.write(&tenant, decide).await }).await
    }
}

/// Runs to the end also when the caller gives up: a picture that is half read would be read again
/// and again by callers in a hurry, and a commit must be settled once it is on its way.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, ElfError>> + Send + 'static,
) -> Result<T, ElfError> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|e| Err(LedgerError::Unavailable(format!("asked memory: {e}")).into()))
}

impl Inner {
    async fn write<T>(
        &self,
        tenant: &Tenant,
        decide: impl Fn(&Live, Timestamp) -> Result<(Vec<Row>, T), ElfError> + Sync,
    ) -> Result<T, ElfError> {
        let _permit = self.permits.acquire().await;
        let room = self.room(tenant);
        for _ in 0..TRIES {
            let mut live = self.enter(&room, tenant).await?;
            let now = (self.clock)();
            let (rows, answer) = decide(&live, now)?;
            if rows.is_empty() && live.on_the_way == 0 {
                return Ok(answer);
            }
            let generation = live.generation;
            let commit = live.take(rows)?;
            live.on_the_way += 1;
            // Handed over before the picture is let go, so that commits follow each other in the
            // order of the decisions; waited for after, so that they reach the disk together.
            let appending = self.ledger.append(tenant, commit);
            drop(live);
            match settle(&room, generation, appending.await).await {
                Ok(()) => return Ok(answer),
                Err(LedgerError::Conflict) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }

    fn room(&self, tenant: &Tenant) -> Room {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rooms.entry(tenant.clone()).or_default())
    }

    /// The picture, in step with the log.
    async fn enter<'a>(&self, room: &'a Room, tenant: &Tenant) -> Result<Held<'a>, ElfError> {
        let mut held = room.lock().await;
        match held.as_mut() {
            // What is on its way is not in the log yet; its own commit says whether it fits.
            Some(live) if live.on_the_way > 0 => {}
            Some(live) => {
                if let Err(e) = self.catch_up(live, tenant).await {
                    *held = None;
                    return Err(e.into());
                }
            }
            None => {
                *held = Some(self.load(tenant).await?);
                tokio::spawn(prepare(Arc::clone(room)));
            }
        }
        let lost = |_| LedgerError::Unavailable("asked memory: its picture is gone".to_owned());
        Ok(MutexGuard::try_map(held, Option::as_mut).map_err(lost)?)
    }

    /// What other nodes have written.
    async fn catch_up(&self, live: &mut Live, tenant: &Tenant) -> Kept<()> {
        loop {
            let rows = self.ledger.log(tenant, live.state.head, LOG_PAGE).await?;
            rows.iter().try_for_each(|row| known(row.v))?;
            live.follow(&rows)?;
            if rows.len() < LOG_PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn load(&self, tenant: &Tenant) -> Kept<Live> {
        let pieces = Arc::new(rows::Pieces::default());
        let taking = Arc::clone(&pieces);
        let take = Arc::new(move |items| taking.take(items));
        let head = self.ledger.pieces(tenant, take).await?;
        // Items do not tell who wrote them; the log's last entry does.
        if let Some(before) = head.checked_sub(1) {
            let last = self.ledger.log(tenant, before, 1).await?;
            last.iter().try_for_each(|row| known(row.v))?;
        }
        let taken = pieces.taken();
        let saved = live::key(&taken.others);
        let state = match taken.state(head) {
            Ok(state) => state,
            // The log is the truth; items are only its sum.
            Err(_) => self.replay(tenant).await?,
        };
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        Ok(Live::new(state, saved, generation, || (self.new_key)()))
    }

    async fn replay(&self, tenant: &Tenant) -> Kept<State> {
        let mut state = State::default();
        loop {
            let rows = self.ledger.log(tenant, state.head, LOG_PAGE).await?;
            for row in &rows {
                known(row.v)?;
                if row.seq != state.head + 1 {
                    return Err(gap(state.head, row.seq));
                }
                crate::fold::apply(&mut state, row);
            }
            if rows.len() < LOG_PAGE as usize {
                return Ok(state);
            }
        }
    }
}

/// Makes ready what nobody who asks has to wait for, a little at a time, so that whoever comes meanwhile
/// waits for little.
async fn prepare(room: Room) {
    loop {
        let next = room.lock().await.as_ref().and_then(Live::prepare);
        let Some(work) = next else { return };
        if tokio::task::spawn_blocking(work).await.is_err() {
            return;
        }
    }
}

/// Notes that a commit has arrived. One that has not makes the picture wrong, for it shows what the
/// log will never have; the next caller reads it anew.
async fn settle(room: &Room, generation: u64, done: Kept<()>) -> Kept<()> {
    let mut held = room.lock().await;
    if let Some(live) = held.as_mut().filter(|live| live.generation == generation) {
        live.on_the_way = live.on_the_way.saturating_sub(1);
        if done.is_err() {
            *held = None;
        }
    }
    done
}
