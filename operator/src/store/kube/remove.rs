//! Removes a job: the finalizer first, so that nothing reads the deletion as a wish to cancel, then the object, both only
//! if this version of it still stands.

use sandbox_core::{AgentJob, Uid, port::Answer, query::NewEvent};

use super::{
    KubeStore,
    save::{stands, take_off},
};

pub(super) async fn remove(
    store: &KubeStore,
    uid: &Uid,
    version: u64,
    events: Vec<NewEvent>,
) -> Answer<AgentJob> {
    let job = stands(store, uid, version).await?;
    let free = take_off(store, &job).await?;
    if job.deleted_at().is_none() {
        store.objects.delete(&free).await?;
    }
    store.objects.drop_one(uid);
    store.objects.tell(&job, events);
    Ok(job)
}
