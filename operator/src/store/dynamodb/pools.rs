//! What is held of each pool: pages that name every holder. It is taken before the job is saved and given back after, each
//! by one conditional write, so that a pool never has less room than it should.
//!
//! A process that dies between the two leaves a hold of nobody. Each hold names the version of the job that it is for,
//! so anybody can see whether that version came to be; where it still may, the job's version is raised first, so that
//! it no longer can. A job that is begun again meanwhile takes over what was left where it sees it, and may else stand in
//! two pages for a while: its record says which of them it means.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_core::{
    Uid,
    port::{Answer, PortError, Reservation},
};
use sandbox_elf::store::dynamodb::keys::{PK, read_text, text};

use super::{
    DynamoStore,
    calls::{self, Range, Update, Written},
    keys::{self, PAUSED},
    pages::{Holder, Mark, Pages, Part, holder},
    record::{Found, Hold, Record},
};
use crate::store::rows::full;

/// How often a hold is tried for that somebody else changed meanwhile.
const TRIES: u32 = 5;
/// How often another page is looked for where one was full by the time that it was written.
const PAGES_TRIED: u32 = 20;
/// How often the holds of a pool are looked through by one process.
const LOOKED_THROUGH: Duration = Duration::from_mins(1);

/// What this process knows of pools.
#[derive(Default)]
pub(super) struct Known {
    /// When each was looked through last.
    looked: Mutex<HashMap<String, Instant>>,
    /// As each was read last: where there may be room, which the write finds out.
    read: Mutex<HashMap<String, Arc<Pages>>>,
}

impl Known {
    /// Whether it is time to look through it again.
    fn is_due(&self, pool: &str) -> bool {
        let mut all = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = all
            .get(pool)
            .is_none_or(|at| now.duration_since(*at) >= LOOKED_THROUGH);
        if due {
            all.insert(pool.to_owned(), now);
        }
        due
    }

    fn read(&self, pool: &str) -> Option<Arc<Pages>> {
        let all = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(pool).cloned()
    }

    fn keep(&self, pool: &str, pages: &Arc<Pages>) {
        let mut all = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(pool.to_owned(), Arc::clone(pages));
    }
}

/// Holds that were taken for a save that is not done yet.
#[derive(Default)]
pub(super) struct Taken(Vec<Swap>);

/// One change of one holder.
#[derive(Clone)]
struct Swap {
    pool: String,
    page: u8,
    uid: Uid,
    from: Option<String>,
    to: Option<String>,
}

/// What came of one.
enum Swapped {
    Done,
    Full,
    /// Something else stands there.
    Other(Option<String>),
}

/// What a job is to hold, and what has to be done for it: before it is saved, and after.
pub(super) struct Moves {
    uid: Uid,
    version: u64,
    pub(super) holds: Vec<Hold>,
    before: Vec<More>,
    after: Vec<Swap>,
}

/// What is taken of a pool besides what the job holds of it.
struct More {
    pool: String,
    units: u32,
    capacity: u32,
    own: Vec<Hold>,
}

impl Moves {
    /// From what the job holds to what it wants, in the version that is written.
    pub(super) fn new(uid: &Uid, held: &[Hold], wanted: &[Reservation], version: u64) -> Self {
        let mut moves = Self {
            uid: uid.clone(),
            version,
            holds: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        };
        for want in wanted {
            let own = held.iter().filter(|h| h.pool == want.pool);
            moves.want(own.cloned().collect(), want);
        }
        let left = held
            .iter()
            .filter(|h| wanted.iter().all(|w| w.pool != h.pool));
        for hold in left {
            moves.lessen(hold.clone(), 0);
        }
        moves
    }

    fn want(&mut self, own: Vec<Hold>, want: &Reservation) {
        let have = own.iter().map(|h| h.units).fold(0, u32::saturating_add);
        if want.units > have {
            self.before.push(More {
                pool: want.pool.clone(),
                units: want.units - have,
                capacity: want.capacity,
                own,
            });
            return;
        }
        let mut left = want.units;
        for hold in own {
            let kept = hold.units.min(left);
            left -= kept;
            self.lessen(hold, kept);
        }
    }

    /// Keeps so much of a hold.
    fn lessen(&mut self, hold: Hold, units: u32) {
        if units == hold.units {
            self.holds.push(hold);
            return;
        }
        let kept = (units > 0).then(|| Hold {
            units,
            mark: Mark::write(units, self.version),
            ..hold.clone()
        });
        self.after.push(Swap {
            pool: hold.pool,
            page: hold.page,
            uid: self.uid.clone(),
            from: Some(hold.mark),
            to: kept.as_ref().map(|h| h.mark.clone()),
        });
        self.holds.extend(kept);
    }

    /// Takes what is wanted more; all of it or nothing.
    pub(super) async fn take(&mut self, store: &DynamoStore) -> Answer<Taken> {
        let mut taken = Taken::default();
        for more in &self.before {
            let job = (&self.uid, self.version);
            match Box::pin(more.take(store, job, &mut taken)).await {
                Ok(holds) => self.holds.extend(holds),
                Err(e) => {
                    taken.undo(store, 0).await;
                    return Err(e);
                }
            }
        }
        Ok(taken)
    }

    /// Gives back what is wanted no more. What this fails at is seen later to be nobody's.
    pub(super) async fn give_back(&self, store: &DynamoStore) {
        for swap in &self.after {
            store.try_swap(swap).await;
        }
    }
}

impl More {
    /// Takes it where there is room; gives what the job holds of the pool then.
    async fn take(
        &self,
        store: &DynamoStore,
        job: (&Uid, u64),
        taken: &mut Taken,
    ) -> Answer<Vec<Hold>> {
        let mut known = store.pools.read(&self.pool);
        let mut looked = false;
        for _ in 0..PAGES_TRIED {
            let is_new = known.is_none();
            let pages = match known.take() {
                Some(pages) => pages,
                None => store.pages(&self.pool).await?,
            };
            let wanted = (self.units, self.capacity);
            if let Some(parts) = pages.choose(job.0, &self.own, wanted) {
                let before = taken.0.len();
                if let Some(holds) = self.take_parts(store, job, (&parts, taken)).await? {
                    return Ok(holds);
                }
                taken.undo(store, before).await;
            } else if is_new {
                if looked || !Box::pin(store.look_through(&self.pool, &pages)).await? {
                    return Err(full(&self.pool));
                }
                looked = true;
            }
        }
        Err(often(&self.pool))
    }

    /// Takes each part; nothing where one is full by now.
    async fn take_parts(
        &self,
        store: &DynamoStore,
        (uid, version): (&Uid, u64),
        (parts, taken): (&[Part], &mut Taken),
    ) -> Answer<Option<Vec<Hold>>> {
        let mut holds = self.own.clone();
        for part in parts {
            let own = holds.iter().position(|h| h.page == part.page);
            let own = own.map(|at| holds.swap_remove(at));
            let units = part.units + own.as_ref().map_or(0, |h| h.units);
            let mark = Mark::write(units, version);
            let swap = Swap {
                pool: self.pool.clone(),
                page: part.page,
                uid: uid.clone(),
                from: own.map(|h| h.mark),
                to: Some(mark.clone()),
            };
            let Some(swap) = Box::pin(take_one(store, swap, part.limit)).await? else {
                return Ok(None);
            };
            taken.0.push(swap);
            holds.push(Hold {
                pool: self.pool.clone(),
                page: part.page,
                units,
                mark,
            });
        }
        Ok(Some(holds))
    }
}

impl Taken {
    /// Gives back all but the first so many, for the save was definitely not done.
    pub(super) async fn undo(&mut self, store: &DynamoStore, but: usize) {
        for swap in self.0.drain(but..) {
            let back = Swap {
                from: swap.to,
                to: swap.from,
                ..swap
            };
            store.try_swap(&back).await;
        }
    }
}

/// Takes it in its page; nothing where that is full.
async fn take_one(store: &DynamoStore, mut swap: Swap, limit: u32) -> Answer<Option<Swap>> {
    for _ in 0..TRIES {
        match store.swap(&swap, Some(limit)).await? {
            Swapped::Done => return Ok(Some(swap)),
            // A hold that an earlier save of this job left.
            Swapped::Other(stands) => swap.from = stands,
            Swapped::Full => return Ok(None),
        }
    }
    Err(often(&swap.pool))
}

fn often(pool: &str) -> PortError {
    PortError::Unknown(format!(
        "reserved {pool}: it is being changed too often; ask again"
    ))
}

fn units(mark: Option<&String>) -> i64 {
    mark.map_or(0, |m| Mark::read(m).units).into()
}

fn signed(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The change of a page, which is to be no fuller than this.
fn asked<'a>(swap: &Swap, name: &'a str, limit: Option<u32>) -> Update<'a> {
    let more = units(swap.to.as_ref()) - units(swap.from.as_ref());
    let mut values = vec![(":more", signed(more))];
    let mut condition = match &swap.from {
        Some(from) => {
            values.push((":from", text(from)));
            "#u = :from".to_owned()
        }
        None => "attribute_not_exists(#u)".to_owned(),
    };
    if let Some(limit) = limit {
        let room = i64::from(limit) - more;
        values.push((":room", signed(room)));
        let empty = if room >= 0 {
            "attribute_not_exists(n) OR "
        } else {
            ""
        };
        condition =
            format!("{condition} AND ({empty}n <= :room) AND attribute_not_exists({PAUSED})");
    }
    let mut set = "REMOVE #u";
    if let Some(to) = &swap.to {
        values.push((":to", text(to)));
        set = "SET #u = :to";
    }
    Update {
        key: keys::pool(&swap.pool, swap.page),
        change: format!("{set} ADD n :more"),
        condition,
        name,
        values,
    }
}

impl DynamoStore {
    /// All pages of a pool, as they stand now.
    pub(super) async fn pages(&self, pool: &str) -> Answer<Arc<Pages>> {
        let range = Range {
            part: (PK, keys::pool_partition(pool)),
            ..Range::default()
        };
        let pages = Arc::new(Pages::of(calls::query_all(&self.table, &range).await?));
        self.pools.keep(pool, &pages);
        Ok(pages)
    }

    /// What all jobs hold of a pool; all that there could be where nothing is given of it.
    pub(super) async fn held(&self, pool: &str) -> Answer<u32> {
        let mut pages = self.pages(pool).await?;
        if pages.holders().iter().any(Holder::is_doubtful)
            && self.pools.is_due(pool)
            && Box::pin(self.look_through(pool, &pages)).await?
        {
            pages = self.pages(pool).await?;
        }
        Ok(if pages.is_closed() {
            u32::MAX
        } else {
            pages.held()
        })
    }

    async fn swap(&self, swap: &Swap, limit: Option<u32>) -> Answer<Swapped> {
        let name = holder(&swap.uid);
        let asked = asked(swap, &name, limit);
        let Written::Stands(item) = calls::update(&self.table, &asked).await? else {
            return Ok(Swapped::Done);
        };
        let stands = item.and_then(|item| read_text(&item, &name));
        Ok(if stands == swap.to {
            // The first try was done, and its answer lost.
            Swapped::Done
        } else if stands == swap.from {
            Swapped::Full
        } else {
            Swapped::Other(stands)
        })
    }

    async fn try_swap(&self, swap: &Swap) {
        if let Err(e) = self.swap(swap, None).await {
            tracing::warn!(job = %swap.uid, pool = swap.pool, error = %e, "could not give back what the job held; it is seen to be nobody's in a minute");
        }
    }

    /// Gives back what nobody holds though these pages say so; whether there was any.
    pub(super) async fn look_through(&self, pool: &str, pages: &Pages) -> Answer<bool> {
        let mut found = false;
        for holder in pages.holders() {
            if holder.is_doubtful() {
                found |= Box::pin(self.judge(pool, holder)).await?;
            }
        }
        Ok(found)
    }

    /// Sets one hold right; whether it was wrong.
    async fn judge(&self, pool: &str, holder: Holder) -> Answer<bool> {
        let Holder { page, uid, mark } = holder;
        let stands = match self.read(&uid).await? {
            Found::Job(record) => Box::pin(self.past(*record, Mark::read(&mark).version)).await?,
            Found::Gone(_) | Found::Nothing => None,
        };
        let mut own = stands.into_iter().flat_map(|r| r.holds);
        let right = own.find(|h| h.pool == pool && h.page == page);
        let right = right.map(|h| h.mark);
        if right.as_ref() == Some(&mark) {
            return Ok(false);
        }
        tracing::warn!(job = %uid, pool, "a hold was left by a process that ended in the middle of a save; it is given back");
        let swap = Swap {
            pool: pool.to_owned(),
            page,
            uid,
            from: Some(mark),
            to: right,
        };
        self.swap(&swap, None).await?;
        Ok(true)
    }

    /// The job in this version or a later one: where it is not there yet, nobody can write it any more.
    async fn past(&self, record: Record, version: u64) -> Answer<Option<Record>> {
        if record.version() >= version {
            return Ok(Some(record));
        }
        let uid = record
            .job
            .uid()
            .map_err(|e| PortError::Unknown(e.to_string()))?;
        match self.raise(record, version).await {
            Ok(()) | Err(PortError::Conflict(_) | PortError::NotFound(_)) => {}
            Err(e) => return Err(e),
        }
        match self.read(&uid).await? {
            Found::Job(record) => Ok(Some(*record)),
            Found::Gone(_) | Found::Nothing => Ok(None),
        }
    }
}
