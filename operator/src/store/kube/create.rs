//! Makes an object of a submission, once: the API server refuses a second object of a name, and a name that nobody
//! chose is made from the idempotency key.

use futures::FutureExt;
use kube::api::ListParams;
use sandbox_core::{
    AgentJob,
    port::{Answer, Created, PortError},
};

use super::{KubeStore, errors::within, object};
use crate::store::{
    rows::{Row, name_taken, submitted},
    shelf::Shelf,
};

pub(super) async fn create(store: &KubeStore, job: AgentJob, key: Option<&str>) -> Answer<Created> {
    let row = Row::of(&job)?;
    object::nothing_happened(&job)?;
    store.objects.known()?;
    let Some(key) = key.map(object::hashed) else {
        return made(store, &job, None).await;
    };
    let _turn = store.turn(&key).await;
    match known(store, &row, &job, &key).await? {
        Some(known) => Ok(Created::Existing(known)),
        None => made(store, &job, Some(&key)).await,
    }
}

/// The job that came with this key: in memory, if it is there still, or, where its name does not follow from the key, among
/// the objects.
async fn known(
    store: &KubeStore,
    row: &Row,
    job: &AgentJob,
    key: &str,
) -> Answer<Option<AgentJob>> {
    let keyed = |s: &Shelf| s.keyed(&row.tenant, key).map(|k| k.job.clone());
    if let Some(known) = store.objects.look(keyed)
        && let Some(stands) = store.objects.refresh(&known).await?
    {
        return Ok(Some(stands));
    }
    if !object::is_named(job) {
        return Ok(None);
    }
    let api = store.objects.api(row.tenant.as_str());
    let with_key = ListParams::default()
        .labels(&format!("{}={key}", object::KEY))
        .limit(1);
    let found = within(
        "looked for the idempotency key",
        api.list(&with_key).boxed(),
    )
    .await?;
    let first = found.items.into_iter().next().map(object::view);
    Ok(first.inspect(|job| {
        store.objects.see(job);
    }))
}

async fn made(store: &KubeStore, job: &AgentJob, key: Option<&str>) -> Answer<Created> {
    let object = object::fresh(job, key);
    let made = match store.objects.make(&object).await {
        Ok(made) => made,
        Err(PortError::NotFound(_)) => return Err(no_namespace(job)),
        Err(PortError::Conflict(_)) => return taken(store, &object, key).await,
        // The answer may be lost and the object made.
        Err(PortError::Unknown(why)) => match store.objects.read(&object).await {
            Ok(Some(stands)) if is_of(&stands, &object) => stands,
            _ => return Err(PortError::Unknown(why)),
        },
        Err(refused) => return Err(refused),
    };
    store.objects.tell(&made, vec![submitted(&made)]);
    Ok(Created::New(made))
}

/// An object of that name stands: of this very submission, where the client asked again by itself; of one with the
/// same key; or of somebody else's.
async fn taken(store: &KubeStore, object: &AgentJob, key: Option<&str>) -> Answer<Created> {
    let again =
        || PortError::Unknown("created the job: the one of its name is gone; ask again".to_owned());
    let stands = store.objects.read(object).await?.ok_or_else(again)?;
    if is_of(&stands, object) {
        store.objects.tell(&stands, vec![submitted(&stands)]);
        return Ok(Created::New(stands));
    }
    if key.is_some() && object::key_of(&stands).as_deref() == key {
        return Ok(Created::Existing(stands));
    }
    Err(name_taken(object.name()))
}

fn is_of(stands: &AgentJob, object: &AgentJob) -> bool {
    let submission = |job: &AgentJob| job.annotation(object::SUBMISSION).map(str::to_owned);
    submission(stands).is_some() && submission(stands) == submission(object)
}

fn no_namespace(job: &AgentJob) -> PortError {
    let tenant = job.metadata.namespace.as_deref().unwrap_or_default();
    let text = format!(
        "created the job: there is no namespace {tenant}; make it, and let the operator into it"
    );
    PortError::refused(sandbox_core::FailureClass::InvalidSpec, text)
}
