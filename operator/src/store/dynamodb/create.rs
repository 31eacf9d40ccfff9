//! Writes a job for the first time. A name that somebody chose and an idempotency key have items of their own, written
//! in one transaction with the job; a name that follows from the uid needs none, and then it is one plain write.

use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use sandbox_core::{
    AgentJob, Tenant, Uid,
    port::{Answer, Created, PortError, Store},
};
use sandbox_elf::store::dynamodb::{
    fault,
    keys::{Attributes, Key, read_text, text},
    table::Missed,
};

use super::{
    DynamoStore,
    calls::{self, Written},
    keys::{self, BY, UID},
    record::Record,
};
use crate::store::rows::{Row, name_taken, submitted};

/// How often a key is asked for whose job is just being removed.
const TRIES: u32 = 3;
/// What holds of an item that nobody has written.
const ANEW: &str = "attribute_not_exists(pk)";

pub(super) async fn create(
    store: &DynamoStore,
    job: AgentJob,
    key: Option<&str>,
) -> Answer<Created> {
    let row = Row::of(&job)?;
    store.know(&row.tenant).await?;
    for _ in 0..TRIES {
        if let Some(known) = known(store, &row, key).await? {
            return Ok(Created::Existing(known));
        }
        match make(store, &job, &row, key).await? {
            Made::New(job) => return Ok(Created::New(*job)),
            Made::Taken => return Err(name_taken(&row.name)),
            Made::Known => {}
        }
    }
    Err(PortError::Unknown(
        "created the job: the one that came with the same key is just being removed; ask again"
            .to_owned(),
    ))
}

/// What came of a try.
enum Made {
    New(Box<AgentJob>),
    /// The name, or the uid, is somebody else's.
    Taken,
    /// Somebody else has come with this key.
    Known,
}

/// The job that came with this key.
async fn known(store: &DynamoStore, row: &Row, key: Option<&str>) -> Answer<Option<AgentJob>> {
    let Some(key) = key else { return Ok(None) };
    match store.pointed(&keys::idempotency(&row.tenant, key)).await? {
        Some(uid) => store.load(&uid).await,
        None => Ok(None),
    }
}

async fn make(store: &DynamoStore, job: &AgentJob, row: &Row, key: Option<&str>) -> Answer<Made> {
    let mut record = Record::new(job.clone(), row, key, store.by());
    let events = vec![submitted(job)];
    let ticket = store.numbers(0, events.len());
    record.tell(&ticket, events);
    let item = record.item(row, &store.large).await?;
    let locks = locks(row, key);
    let missed = if locks.is_empty() {
        alone(store, &item, &record.by).await?
    } else {
        together(store, (item, &record.by), &locks).await?
    };
    match missed[..] {
        [] => {}
        // Where the key is taken too, its job is the answer.
        [.., last] if key.is_some() && last == locks.len() => return Ok(Made::Known),
        _ => return Ok(Made::Taken),
    }
    ticket.land(super::record::events(&row.uid, &row.tenant, &record.events));
    store.remember(&row.uid, &record);
    Ok(Made::New(Box::new(record.job)))
}

/// Something that has to be so, besides that the job is new.
enum Lock {
    /// This item points at the job from now on, and at no other before.
    Own(Key),
    /// There is no such item.
    Free(Key),
}

/// For its name, where it was chosen, and last for the key.
fn locks(row: &Row, key: Option<&str>) -> Vec<Lock> {
    let name = match keys::of_made_name(&row.name) {
        Some(uid) if uid == row.uid => None,
        // It looks like the made name of another job, which has no item for it but itself.
        Some(uid) => Some(vec![
            Lock::Free(keys::job(&uid, &row.tenant)),
            Lock::Own(keys::name(&row.tenant, &row.name)),
        ]),
        None => Some(vec![Lock::Own(keys::name(&row.tenant, &row.name))]),
    };
    let key = key.map(|key| Lock::Own(keys::idempotency(&row.tenant, key)));
    name.into_iter().flatten().chain(key).collect()
}

/// Writes the job alone; which of one thing was not so.
async fn alone(store: &DynamoStore, item: &Attributes, by: &str) -> Answer<Vec<usize>> {
    match calls::put(&store.table, item, ANEW, &[]).await? {
        Written::Done => Ok(Vec::new()),
        // The first try was done, and its answer lost.
        Written::Stands(Some(stands)) if read_text(&stands, BY).as_deref() == Some(by) => {
            Ok(Vec::new())
        }
        Written::Stands(_) => Ok(vec![0]),
    }
}

/// Writes all of it; which of the conditions did not hold, the job's first.
async fn together(
    store: &DynamoStore,
    (item, by): (Attributes, &str),
    locks: &[Lock],
) -> Answer<Vec<usize>> {
    let pk = read_text(&item, sandbox_elf::store::dynamodb::keys::PK).unwrap_or_default();
    let uid = pk.strip_prefix("job#").unwrap_or_default().to_owned();
    let mut all = vec![put(store, item)?];
    for lock in locks {
        all.push(match lock {
            Lock::Own(key) => put(store, key.with([(UID, text(&uid))]))?,
            Lock::Free(key) => free(store, key)?,
        });
    }
    match store.table.transact(by, &all).await {
        Ok(()) => Ok(Vec::new()),
        Err(Missed::Condition(parts)) => Ok(parts),
        Err(Missed::Unknown(e)) => Err(calls::port(e)),
    }
}

fn put(store: &DynamoStore, item: Attributes) -> Answer<TransactWriteItem> {
    let put = Put::builder()
        .table_name(&store.table.name)
        .set_item(Some(item))
        .condition_expression(ANEW)
        .build();
    let put = put.map_err(|e| calls::port(fault::unbuilt(&e)))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn free(store: &DynamoStore, key: &Key) -> Answer<TransactWriteItem> {
    let check = ConditionCheck::builder()
        .table_name(&store.table.name)
        .set_key(Some(key.attributes()))
        .condition_expression(ANEW)
        .build();
    let check = check.map_err(|e| calls::port(fault::unbuilt(&e)))?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

impl DynamoStore {
    /// The job that an item of a name or a key points at.
    pub(super) async fn pointed(&self, key: &Key) -> Answer<Option<Uid>> {
        let item = self.table.get(key).await.map_err(calls::port)?;
        Ok(item.and_then(|item| read_text(&item, UID)?.parse().ok()))
    }

    /// Sees to it that the tenant is found by those who look at all of them, before it has a job.
    async fn know(&self, tenant: &Tenant) -> Answer<()> {
        let known = || {
            self.tenants
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if known().contains(tenant) {
            return Ok(());
        }
        let key = keys::tenant(tenant);
        let stands = self.table.get(&key).await.map_err(calls::port)?;
        if stands.is_none() {
            calls::put(&self.table, &key.attributes(), ANEW, &[]).await?;
        }
        known().insert(tenant.clone());
        Ok(())
    }
}
