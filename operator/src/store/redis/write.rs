//! What changes the store: one script each.

use sandbox_core::{
    AgentJob, FailureClass, Uid,
    port::{Answer, Change, Created, PortError, Reservation, Write},
    query::NewEvent,
};

use super::{NAME, RedisStore, job, port};
use crate::store::{
    KEEP_EVENTS,
    rows::{Row, full, gone, name_taken, outdated, submitted, summed, versioned},
};

/// How long the events of a job that was removed can be asked for by its uid, in seconds.
const EVENTS_AFTER_REMOVAL: u32 = 30 * 24 * 3600;

/// The arguments of a script.
#[derive(Default)]
struct Args(Vec<Vec<u8>>);

impl Args {
    fn text(mut self, text: impl std::fmt::Display) -> Self {
        self.0.push(text.to_string().into_bytes());
        self
    }

    fn flag(self, is: bool) -> Self {
        self.text(u8::from(is))
    }

    /// The job and what lists and queues need of it.
    fn row(self, body: &str, row: &Row) -> Self {
        self.text(body)
            .text(row.job_type)
            .text(row.phase.word())
            .flag(row.open)
            .flag(row.waiting)
            .text(&row.pool)
            .text(row.priority)
            .text(row.units)
    }

    fn holds(self, holds: Option<Vec<Reservation>>) -> Self {
        let Some(holds) = holds.map(summed) else {
            return self.text("");
        };
        let counted = self.text(holds.len());
        holds.iter().fold(counted, |args, r| {
            args.text(&r.pool).text(r.units).text(r.capacity)
        })
    }

    fn events(self, store: &RedisStore, events: &[NewEvent]) -> Self {
        let bounded = self.text(KEEP_EVENTS).text(&store.by);
        events.iter().fold(bounded, |args, e| {
            args.text(&e.reason).text(&e.message).text(e.at)
        })
    }
}

fn body(job: &AgentJob) -> Answer<String> {
    serde_json::to_string(job).map_err(|e| {
        let text = format!("wrote the job as JSON: {e}");
        PortError::refused(FailureClass::InvalidSpec, text)
    })
}

/// A time as scripts compare it: digits of one length.
pub(super) fn stamp(micros: i64) -> String {
    format!("{:016}", micros.max(0))
}

pub(super) async fn create(
    store: &RedisStore,
    job: AgentJob,
    key: Option<&str>,
) -> Answer<Created> {
    let mut row = Row::of(&job)?;
    row.version = 1;
    let args = Args::default()
        .text(&row.uid)
        .text(&row.tenant)
        .text(&row.name)
        .text(key.unwrap_or_default())
        .text(stamp(row.submitted_at))
        .row(&body(&job)?, &row)
        .events(store, &[submitted(&job)]);
    let script = &store.scripts.create;
    let told: Vec<String> = store
        .link
        .write("created the job", script, NAME, &args.0)
        .await
        .map_err(port)?;
    match told.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["new"] => Ok(Created::New(versioned(job, 1))),
        ["existing", body, version] => Ok(Created::Existing(super::job(body, version)?)),
        _ => Err(name_taken(&row.name)),
    }
}

pub(super) async fn commit(store: &RedisStore, change: Change) -> Answer<AgentJob> {
    match change.write {
        Write::Put(job) => save(store, *job, change.holds, &change.events).await,
        Write::Remove { uid, version } => remove(store, &uid, version, &change.events).await,
    }
}

async fn save(
    store: &RedisStore,
    job: AgentJob,
    holds: Option<Vec<Reservation>>,
    events: &[NewEvent],
) -> Answer<AgentJob> {
    let row = Row::of(&job)?;
    let args = Args::default()
        .text(&row.uid)
        .text(row.version)
        .text(&row.tenant)
        .text(&row.name)
        .row(&body(&job)?, &row)
        .holds(holds)
        .events(store, events);
    let script = &store.scripts.save;
    let told: Vec<String> = store
        .link
        .write("saved the job", script, NAME, &args.0)
        .await
        .map_err(port)?;
    match told.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ok"] => Ok(versioned(job, row.version + 1)),
        ["full", pool] => Err(full(pool)),
        ["changed"] => Err(Row::changed(&row.uid)),
        ["outdated"] => Err(outdated(&row.uid)),
        _ => Err(gone(&row.uid)),
    }
}

async fn remove(
    store: &RedisStore,
    uid: &Uid,
    version: u64,
    events: &[NewEvent],
) -> Answer<AgentJob> {
    let args = Args::default()
        .text(uid)
        .text(version)
        .text(EVENTS_AFTER_REMOVAL)
        .events(store, events);
    let script = &store.scripts.remove;
    let told: Vec<String> = store
        .link
        .write("removed the job", script, NAME, &args.0)
        .await
        .map_err(port)?;
    match told.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ok", body, version] => job(body, version),
        ["outdated"] => Err(outdated(uid)),
        _ => Err(gone(uid)),
    }
}
