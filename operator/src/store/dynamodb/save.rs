//! What changes a job that is there: one conditional write of its item under the version that was read.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, AgentJobStatus, Uid,
    port::{Answer, PortError, Reservation},
    query::NewEvent,
    standing,
};
use sandbox_elf::store::dynamodb::{
    fault,
    keys::{Attributes, Key, number, read_number, read_text, text},
    table::Missed,
};

use super::{
    DynamoStore,
    calls::{self, Written},
    keys::{self, BY, GONE, VERSION},
    pools::Moves,
    record::{Found, Record, events as told},
};
use crate::store::rows::{Row, gone, outdated, summed, versioned};

/// How long the events of a job that was removed can be asked for, in seconds.
const EVENTS_AFTER_REMOVAL: i64 = 30 * 24 * 3600;
/// What holds of the version that was read.
const STANDS: &str = "v = :v AND attribute_not_exists(g)";

pub(super) async fn save(
    store: &DynamoStore,
    job: AgentJob,
    holds: Option<Vec<Reservation>>,
    events: Vec<NewEvent>,
) -> Answer<AgentJob> {
    let row = Row::of(&job)?;
    let stands = store.stands(&row.uid, row.version).await?;
    Row::of(&stands.job)?.stays(&row)?;
    let mut next = job;
    let before = stands.job.status().seat.clone();
    let status = next.status.get_or_insert_default();
    let seat = standing::kept(before.as_deref(), status);
    status.seat = seat;
    let moves = holds.map(|holds| {
        let wanted = summed(holds);
        Moves::new(&row.uid, &stands.holds, &wanted, row.version + 1)
    });
    let Some(mut moves) = moves else {
        return Box::pin(store.replace(stands, next, None, events)).await;
    };
    let mut taken = Box::pin(moves.take(store)).await?;
    let saved = Box::pin(store.replace(stands, next, Some(&moves), events)).await;
    match saved {
        Ok(_) => moves.give_back(store).await,
        // It may stand: then the holds are its own, and else they are seen to be nobody's.
        Err(PortError::Unknown(_)) => {}
        Err(_) => taken.undo(store, 0).await,
    }
    saved
}

pub(super) async fn status(
    store: &DynamoStore,
    job: &AgentJob,
    status: AgentJobStatus,
    events: Vec<NewEvent>,
) -> Answer<AgentJob> {
    let uid = Row::of(job)?.uid;
    let stands = store.stands(&uid, job.version()).await?;
    let next = AgentJob {
        status: Some(status),
        ..job.clone()
    };
    Box::pin(store.replace(stands, next, None, events)).await
}

pub(super) async fn forget_seat(store: &DynamoStore, uid: &Uid) -> Answer<()> {
    loop {
        let Found::Job(mut record) = store.read(uid).await? else {
            return Ok(());
        };
        let Some(status) = record.job.status.as_mut().filter(|s| s.seat.is_some()) else {
            return Ok(());
        };
        status.seat = None;
        let version = record.version();
        record.by = store.by();
        match store.write(&mut record, version).await {
            Err(PortError::Conflict(_)) => {}
            Ok(()) | Err(PortError::NotFound(_)) => {
                store.remember(uid, &record);
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
}

pub(super) async fn remove(
    store: &DynamoStore,
    uid: &Uid,
    version: u64,
    events: Vec<NewEvent>,
) -> Answer<AgentJob> {
    let mut record = store.stands(uid, version).await?;
    let row = Row::of(&record.job)?;
    let key = keys::job(uid, &row.tenant);
    let ticket = store.numbers(record.last(), events.len());
    let many = events.len();
    record.tell(&ticket, events);
    record.by = store.by();
    let until = Timestamp::now().as_second() + EVENTS_AFTER_REMOVAL;
    let item = record.tombstone(&key, until)?;
    let names = names(&record, &row);
    let values = [(":v", number(version))];
    if names.is_empty() {
        let written = calls::put(&store.table, &item, STANDS, &values).await?;
        store.judge_write(uid, &record.by, written)?;
    } else {
        with_names(store, uid, (item, &record.by, version), &names).await?;
    }
    let new = record.events.len().saturating_sub(many);
    ticket.land(told(uid, &row.tenant, &record.events[new..]));
    store.forget(uid);
    Moves::new(uid, &record.holds, &[], version + 1)
        .give_back(store)
        .await;
    if record.spec.is_some()
        && let Err(e) = store.large.discard(uid).await
    {
        tracing::warn!(job = %uid, error = %e, "could not remove what the job asked");
    }
    Ok(record.job)
}

/// The items that point at the job.
fn names(record: &Record, row: &Row) -> Vec<Key> {
    let made = keys::of_made_name(&row.name).is_some_and(|uid| uid == row.uid);
    let name = (!made).then(|| keys::name(&row.tenant, &row.name));
    let key = record.key.as_deref();
    let key = key.map(|key| keys::idempotency(&row.tenant, key));
    name.into_iter().chain(key).collect()
}

/// Writes what is left of a job, and removes what points at it.
async fn with_names(
    store: &DynamoStore,
    uid: &Uid,
    (item, by, version): (Attributes, &str, u64),
    names: &[Key],
) -> Answer<()> {
    let unbuilt = |e| calls::port(fault::unbuilt(&e));
    let put = Put::builder()
        .table_name(&store.table.name)
        .set_item(Some(item))
        .condition_expression(STANDS)
        .expression_attribute_values(":v", number(version))
        .build()
        .map_err(unbuilt)?;
    let mut all = vec![TransactWriteItem::builder().put(put).build()];
    for name in names {
        let gone = Delete::builder()
            .table_name(&store.table.name)
            .set_key(Some(name.attributes()))
            .condition_expression("attribute_not_exists(pk) OR u = :u")
            .expression_attribute_values(":u", text(uid.as_str()))
            .build()
            .map_err(unbuilt)?;
        all.push(TransactWriteItem::builder().delete(gone).build());
    }
    match store.table.transact(by, &all).await {
        Ok(()) => Ok(()),
        Err(Missed::Condition(_)) => match store.read(uid).await? {
            Found::Job(_) => Err(outdated(uid)),
            Found::Gone(_) | Found::Nothing => Err(gone(uid)),
        },
        Err(Missed::Unknown(e)) => Err(calls::port(e)),
    }
}

impl DynamoStore {
    /// The record in this version, as far as it is known; that it is not the newest is seen when it is written.
    async fn stands(&self, uid: &Uid, version: u64) -> Answer<Record> {
        if let Some(known) = self.remembered(uid, version) {
            return Ok(known);
        }
        match self.read(uid).await? {
            Found::Job(record) if record.version() == version => Ok(*record),
            Found::Job(_) => Err(outdated(uid)),
            Found::Gone(_) | Found::Nothing => Err(gone(uid)),
        }
    }

    /// Writes the next version of a job with what happened to it.
    async fn replace(
        &self,
        stands: Record,
        next: AgentJob,
        moves: Option<&Moves>,
        events: Vec<NewEvent>,
    ) -> Answer<AgentJob> {
        let row = Row::of(&next)?;
        let version = stands.version();
        let ticket = self.numbers(stands.last(), events.len());
        let many = events.len();
        let mut record = Record {
            job: versioned(next, version + 1),
            by: self.by(),
            ..stands
        };
        if let Some(moves) = moves {
            record.holds.clone_from(&moves.holds);
        }
        record.tell(&ticket, events);
        self.write(&mut record, version).await?;
        let new = record.events.len().saturating_sub(many);
        ticket.land(told(&row.uid, &row.tenant, &record.events[new..]));
        self.remember(&row.uid, &record);
        Ok(record.job)
    }

    /// Puts a record where this version stands.
    async fn write(&self, record: &mut Record, version: u64) -> Answer<()> {
        let mut row = Row::of(&record.job)?;
        // It stays where it is in lists, and is due since then.
        if let Some((at, _)) = keys::place(&record.listed) {
            row.submitted_at = at;
        }
        let item = record.item(&row, &self.large).await?;
        let values = [(":v", number(version))];
        let written = calls::put(&self.table, &item, STANDS, &values).await?;
        self.judge_write(&row.uid, &record.by, written)
    }

    /// The same job in a later version, so that nobody can write the ones before.
    pub(super) async fn raise(&self, record: Record, version: u64) -> Answer<()> {
        let stood = record.version();
        let mut record = Record {
            job: versioned(record.job, version),
            by: self.by(),
            ..record
        };
        self.write(&mut record, stood).await
    }

    /// What came of a write under this name.
    fn judge_write(&self, uid: &Uid, by: &str, written: Written) -> Answer<()> {
        let Written::Stands(item) = written else {
            return Ok(());
        };
        let item = item.unwrap_or_default();
        // The first try was done, and its answer lost.
        if read_text(&item, BY).as_deref() == Some(by) {
            return Ok(());
        }
        self.forget(uid);
        if item.contains_key(GONE) || read_number(&item, VERSION).is_none() {
            return Err(gone(uid));
        }
        Err(outdated(uid))
    }
}
