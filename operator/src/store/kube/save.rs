//! One change of a job: what it asks goes into the object, what happened into its status, each only where it differs.
//! What others say of the job in the same status stays as it stands in the version that was read.

use sandbox_core::{
    AgentJob, AgentJobStatus, Uid,
    port::{Answer, PortError, Reservation},
    query::NewEvent,
    standing,
};

use super::{KubeStore, ask, object};
use crate::store::rows::{Row, gone, outdated, summed};

pub(super) async fn save(
    store: &KubeStore,
    job: AgentJob,
    holds: Option<Vec<Reservation>>,
    events: Vec<NewEvent>,
) -> Answer<AgentJob> {
    let row = Row::of(&job)?;
    let stands = stands(store, &row.uid, row.version).await?;
    Row::of(&stands)?.stays(&row)?;
    let holds = holds.map(summed);
    let wanted = wanted(&stands, job, holds.as_deref());
    if let Some(holds) = &holds {
        store.objects.reserve(&row.uid, holds)?;
    }
    let saved = Box::pin(write(store, &stands, &wanted)).await;
    // What is not known to have failed may stand: it is held until the object says otherwise.
    if !matches!(saved, Err(PortError::Unknown(_))) {
        store.objects.release(&row.uid);
    }
    let saved = saved?;
    store.objects.tell(&saved, events);
    Ok(saved)
}

/// The version that was read, if it is the newest that is known. One that others read before it came here is asked for.
pub(super) async fn stands(store: &KubeStore, uid: &Uid, version: u64) -> Answer<AgentJob> {
    let known = store.objects.get(uid).ok_or_else(|| gone(uid))?;
    let newest = if known.version() < version {
        store
            .objects
            .refresh(&known)
            .await?
            .ok_or_else(|| gone(uid))?
    } else {
        known
    };
    if newest.version() == version {
        Ok(newest)
    } else {
        Err(outdated(uid))
    }
}

/// The job as it is to stand: the seat, the time of submission and, unless they change, the holds are not the saver's.
fn wanted(stands: &AgentJob, job: AgentJob, holds: Option<&[Reservation]>) -> AgentJob {
    let before = stands.status();
    let mut status = job.status.unwrap_or_default();
    status.submitted_at = before.submitted_at;
    status.seat = standing::kept(before.seat.as_deref(), &status);
    status.holds = match holds {
        Some(holds) => object::held(holds),
        None => before.holds.clone(),
    };
    AgentJob {
        status: Some(status),
        ..job
    }
}

async fn write(store: &KubeStore, stands: &AgentJob, wanted: &AgentJob) -> Answer<AgentJob> {
    let status = wanted.status();
    if let Some(patch) = object::leaving_patch(stands, &status)
        && stands.spec == wanted.spec
    {
        return Box::pin(store.objects.patch(stands, &patch, ask::FINALIZER)).await;
    }
    let waits = object::is_ours(stands) || status.intent.is_some();
    let mut now = stands.clone();
    if let Some(patch) = object::main_patch(stands, wanted, &object::finalizers(stands, waits)) {
        let by = match patch.get("spec") {
            Some(_) => ask::SPEC,
            None => ask::FINALIZER,
        };
        now = Box::pin(store.objects.patch(stands, &patch, by)).await?;
    }
    if differs(&stands.status(), &status) {
        now = Box::pin(store.objects.put_status(&now, &status, ask::STATUS)).await?;
    }
    Ok(let_go(store, now).await)
}

/// Whether the status says something that is worth a write: that work went on is not, for it is written with the heartbeat
/// that told so.
fn differs(before: &AgentJobStatus, after: &AgentJobStatus) -> bool {
    let went_on = AgentJobStatus {
        updated_at: before.updated_at,
        usage: before.usage,
        agents: before.agents,
        ..after.clone()
    };
    *before != went_on
}

/// A job that is over and recorded may be deleted without us, unless something of it stands outside of the cluster. The
/// finalizer that stays because this failed is taken off when the job is removed.
async fn let_go(store: &KubeStore, job: AgentJob) -> AgentJob {
    let status = job.status();
    let stored = status.seat.as_ref().is_some_and(|s| s.stored);
    if !status.is_over() || stored || job.deleted_at().is_some() || !object::is_ours(&job) {
        return job;
    }
    match Box::pin(take_off(store, &job)).await {
        Ok(job) => job,
        Err(e) => {
            tracing::debug!(job = job.name(), error = %e, "could not take the finalizer off; its removal does");
            job
        }
    }
}

pub(super) async fn take_off(store: &KubeStore, job: &AgentJob) -> Answer<AgentJob> {
    match object::main_patch(job, job, &object::finalizers(job, false)) {
        Some(patch) => Box::pin(store.objects.patch(job, &patch, ask::FINALIZER)).await,
        None => Ok(job.clone()),
    }
}
