//! What is held of each pool: one item that names every holder. It is taken before the job is saved and given back
//! after, each by one conditional write, so that a pool never has less room than it should.
//!
//! A process that dies between the two leaves a hold of nobody. Each hold names the version of the job that it is for,
//! so anybody can see whether that version came to be; where it still may, the job's version is raised first, so that
//! it no longer can.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sandbox_core::{
    Uid,
    port::{Answer, PortError, Reservation},
};
use sandbox_elf::store::dynamodb::keys::{Attributes, read_number, read_text, text};
use uuid::Uuid;

use super::{
    DynamoStore,
    calls::{self, Update, Written},
    keys::{self, HELD, PAUSED},
    paused,
    record::{Found, Hold, Record},
};
use crate::store::rows::full;

/// How often a hold is tried for that somebody else changed meanwhile.
const TRIES: u32 = 5;
/// A hold that is younger may be one whose job is being saved.
const YOUNG: i64 = 60;
/// How often the holds of a pool are looked through by one process.
const LOOKED_THROUGH: Duration = Duration::from_mins(1);
/// What the attribute of a holder begins with.
const HOLDER: char = 'h';

/// When this process has last looked through each pool.
#[derive(Default)]
pub(super) struct Looked(Mutex<HashMap<String, Instant>>);

impl Looked {
    /// Whether it is time to look again.
    fn is_due(&self, pool: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = all
            .get(pool)
            .is_none_or(|at| now.duration_since(*at) >= LOOKED_THROUGH);
        if due {
            all.insert(pool.to_owned(), now);
        }
        due
    }
}

/// What a pool's item says of one holder: units, version of its job, time in seconds, and which write it was.
#[derive(Clone, Copy)]
struct Mark {
    units: u32,
    version: u64,
    at: i64,
}

impl Mark {
    fn write(units: u32, version: u64) -> String {
        let at = Timestamp::now().as_second();
        let by = Uuid::new_v4().as_fields().0;
        format!("{units}.{version}.{at}.{by:x}")
    }

    fn read(mark: &str) -> Self {
        let mut parts = mark.split('.');
        let mut next = || parts.next().unwrap_or_default();
        Self {
            units: next().parse().unwrap_or_default(),
            version: next().parse().unwrap_or_default(),
            at: next().parse().unwrap_or_default(),
        }
    }
}

/// Holds that were taken for a save that is not done yet.
#[derive(Default)]
pub(super) struct Taken(Vec<Swap>);

/// One change of one holder.
#[derive(Clone)]
struct Swap {
    pool: String,
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
    pub(super) holds: Vec<Hold>,
    before: Vec<(Swap, u32)>,
    after: Vec<Swap>,
}

impl Moves {
    /// From what the job holds to what it wants, in the version that is written.
    pub(super) fn new(uid: &Uid, held: &[Hold], wanted: &[Reservation], version: u64) -> Self {
        let mut moves = Self {
            holds: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        };
        for want in wanted.iter().filter(|w| w.units > 0) {
            let own = held.iter().find(|h| h.pool == want.pool);
            moves.want(uid, own, (want, version));
        }
        let left = held
            .iter()
            .filter(|h| !moves.holds.iter().any(|n| n.pool == h.pool));
        let gone = left.map(|h| Swap {
            pool: h.pool.clone(),
            uid: uid.clone(),
            from: Some(h.mark.clone()),
            to: None,
        });
        moves.after.extend(gone.collect::<Vec<_>>());
        moves
    }

    fn want(&mut self, uid: &Uid, own: Option<&Hold>, (want, version): (&Reservation, u64)) {
        if let Some(own) = own.filter(|own| own.units == want.units) {
            self.holds.push(own.clone());
            return;
        }
        let mark = Mark::write(want.units, version);
        let swap = Swap {
            pool: want.pool.clone(),
            uid: uid.clone(),
            from: own.map(|h| h.mark.clone()),
            to: Some(mark.clone()),
        };
        self.holds.push(Hold {
            pool: want.pool.clone(),
            units: want.units,
            mark,
        });
        if want.units > own.map_or(0, |h| h.units) {
            self.before.push((swap, want.capacity));
        } else {
            self.after.push(swap);
        }
    }

    /// Takes what is wanted more; all of it or nothing.
    pub(super) async fn take(&self, store: &DynamoStore) -> Answer<Taken> {
        let mut taken = Taken::default();
        for (swap, capacity) in &self.before {
            match Box::pin(take_one(store, swap.clone(), *capacity)).await {
                Ok(swap) => taken.0.push(swap),
                Err(e) => {
                    taken.undo(store).await;
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

impl Taken {
    /// Gives them back, for the save was definitely not done.
    pub(super) async fn undo(self, store: &DynamoStore) {
        for swap in self.0 {
            let back = Swap {
                from: swap.to,
                to: swap.from,
                ..swap
            };
            store.try_swap(&back).await;
        }
    }
}

async fn take_one(store: &DynamoStore, mut swap: Swap, capacity: u32) -> Answer<Swap> {
    let mut looked = false;
    for _ in 0..TRIES {
        match store.swap(&swap, Some(capacity)).await? {
            Swapped::Done => return Ok(swap),
            // A hold that an earlier save of this job left.
            Swapped::Other(stands) => swap.from = stands,
            Swapped::Full if looked => return Err(full(&swap.pool)),
            Swapped::Full => {
                looked = true;
                if !Box::pin(store.look_through(&swap.pool)).await? {
                    return Err(full(&swap.pool));
                }
            }
        }
    }
    Err(PortError::Unknown(format!(
        "reserved {}: it is being changed too often; ask again",
        swap.pool
    )))
}

/// The attribute of a holder.
fn holder(uid: &Uid) -> String {
    let bytes = Uuid::parse_str(uid.as_str())
        .unwrap_or_default()
        .into_bytes();
    format!("{HOLDER}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn of_holder(name: &str) -> Option<Uid> {
    let bytes = URL_SAFE_NO_PAD.decode(name.strip_prefix(HOLDER)?).ok()?;
    let uuid = Uuid::from_slice(&bytes).ok()?;
    uuid.to_string().parse().ok()
}

/// Every holder of a pool with its mark.
pub(super) fn holders(item: &Attributes) -> Vec<(Uid, String)> {
    let mark = |name: &String| Some((of_holder(name)?, read_text(item, name)?));
    item.keys().filter_map(mark).collect()
}

fn units(mark: Option<&String>) -> i64 {
    mark.map_or(0, |m| Mark::read(m).units).into()
}

fn signed(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The change of a pool's item, where there is room for it.
fn asked<'a>(swap: &Swap, name: &'a str, capacity: Option<u32>) -> Update<'a> {
    let more = units(swap.to.as_ref()) - units(swap.from.as_ref());
    let mut values = vec![(":more", signed(more))];
    let mut condition = match &swap.from {
        Some(from) => {
            values.push((":from", text(from)));
            "#u = :from".to_owned()
        }
        None => "attribute_not_exists(#u)".to_owned(),
    };
    if let Some(capacity) = capacity {
        let room = i64::from(capacity) - more;
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
        key: keys::pool(&swap.pool),
        change: format!("{set} ADD n :more"),
        condition,
        name,
        values,
    }
}

impl DynamoStore {
    /// What all jobs hold of a pool; all that there could be where nothing is given of it.
    pub(super) async fn held(&self, pool: &str) -> Answer<u32> {
        let item = self
            .table
            .get(&keys::pool(pool))
            .await
            .map_err(calls::port)?;
        let Some(mut item) = item else {
            return Ok(0);
        };
        if is_doubtful(&item)
            && self.looked.is_due(pool)
            && Box::pin(self.look_through(pool)).await?
        {
            let again = self.table.get(&keys::pool(pool)).await;
            item = again.map_err(calls::port)?.unwrap_or_default();
        }
        if paused::is_closed(&item) {
            return Ok(u32::MAX);
        }
        let held = read_number(&item, HELD).unwrap_or_default();
        Ok(u32::try_from(held).unwrap_or(u32::MAX))
    }

    async fn swap(&self, swap: &Swap, capacity: Option<u32>) -> Answer<Swapped> {
        let name = holder(&swap.uid);
        let asked = asked(swap, &name, capacity);
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

    /// Gives back what nobody holds though the pool says so; whether there was any.
    pub(super) async fn look_through(&self, pool: &str) -> Answer<bool> {
        let item = self
            .table
            .get(&keys::pool(pool))
            .await
            .map_err(calls::port)?;
        let now = Timestamp::now().as_second();
        let mut found = false;
        for (uid, mark) in holders(&item.unwrap_or_default()) {
            if Mark::read(&mark).at + YOUNG <= now {
                found |= Box::pin(self.judge(pool, uid, mark)).await?;
            }
        }
        Ok(found)
    }

    /// Sets one hold right; whether it was wrong.
    async fn judge(&self, pool: &str, uid: Uid, mark: String) -> Answer<bool> {
        let stands = match self.read(&uid).await? {
            Found::Job(record) => Box::pin(self.past(*record, Mark::read(&mark).version)).await?,
            Found::Gone(_) | Found::Nothing => None,
        };
        let own = stands.and_then(|r| r.holds.into_iter().find(|h| h.pool == pool));
        let right = own.map(|h| h.mark);
        if right.as_ref() == Some(&mark) {
            return Ok(false);
        }
        tracing::warn!(job = %uid, pool, "a hold was left by a process that ended in the middle of a save; it is given back");
        let swap = Swap {
            pool: pool.to_owned(),
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

/// Whether one of the holds is old enough to be one of nobody.
fn is_doubtful(item: &Attributes) -> bool {
    let now = Timestamp::now().as_second();
    holders(item)
        .iter()
        .any(|(_, mark)| Mark::read(mark).at + YOUNG <= now)
}
