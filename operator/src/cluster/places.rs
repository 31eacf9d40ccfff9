//! The back ends of a cluster, as the operator's settings have them: pods, and tasks of Fargate.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Error, Result};
use sandbox_core::{port::Backend, spec::BackendName};

use super::operator::{LEASE, Opened, Places, Site};
use crate::backend::{
    fargate::{Unset, settings::Given},
    kept::log_path,
    pod::{PodBackend, PodConfig},
};

/// How long a runner may take to end after it was asked to.
const STOP_GRACE: Duration = Duration::from_mins(2);
/// Most bytes that are kept of one log.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// Pods, and tasks of Fargate where the settings name a cluster of ECS. They are followed as long as the runtime is
/// there.
///
/// # Errors
/// A setting cannot be right; the text says which.
#[must_use]
pub fn places<'a>(site: &'a Site<'a>) -> Opened<'a> {
    Box::pin(async move {
        let mut places: Places = BTreeMap::from([(BackendName::Pod, pods(site))]);
        places.insert(BackendName::Fargate, tasks(site).await?);
        Ok(places)
    })
}

fn pods(site: &Site<'_>) -> Arc<dyn Backend> {
    let (settings, doors) = (&site.settings.pods, &site.settings.doors);
    let conf = PodConfig {
        namespaces: site.settings.watch_namespaces.clone(),
        image: settings.image.clone(),
        images: settings.images.clone(),
        pull_policy: settings.pull_policy.clone(),
        pull_secrets: settings.pull_secrets.clone(),
        door: doors.seat_door.clone(),
        authority: site.authorities.clone(),
        env: settings.env.as_deref().unwrap_or_default().to_vec(),
        prepare_within: settings.prepare_within,
        grace: STOP_GRACE,
        logs: site.files.clone(),
        log_limit: LOG_LIMIT,
    };
    let pods = Arc::new(PodBackend::new(
        site.client.clone(),
        conf,
        site.waker.clone(),
    ));
    tokio::spawn(pods.clone().follow());
    pods
}

async fn tasks(site: &Site<'_>) -> Result<Arc<dyn Backend>> {
    let given = Given {
        door: site.settings.doors.seat_door.clone(),
        authority: site.authorities.clone(),
        tokens: site.tokens.clone(),
        lease: LEASE,
        files: site.files.clone(),
        log_path,
        store: site.store.clone(),
        waker: site.waker.clone(),
    };
    let opened = site.settings.fargate.open(given).await;
    let Some(tasks) = opened.map_err(Error::msg)?.map(Arc::new) else {
        return Ok(Arc::new(Unset));
    };
    tokio::spawn(tasks.clone().follow());
    Ok(tasks)
}
