//! The back end of a cluster: pods, as the operator's settings have them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use sandbox_core::{port::Backend, spec::BackendName};

use super::operator::{Places, Site};
use crate::backend::pod::{PodBackend, PodConfig};

/// How long a runner may take to end after it was asked to.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// Most bytes that are kept of one log.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// Pods. They are watched as long as the runtime is there.
///
/// # Errors
/// None today; a place may find its settings wrong.
pub fn pods(site: &Site<'_>) -> Result<Places> {
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
    let pods: Arc<dyn Backend> = pods;
    Ok(BTreeMap::from([(BackendName::Pod, pods)]))
}
