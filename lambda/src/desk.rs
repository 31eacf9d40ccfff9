//! What looks at jobs, wired once. What it does in one call is the sitting's.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use sandbox_core::{
    plan::{Hosts, Limits, REMOVE_WITHIN, Sites},
    port::Backend,
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_operator::{backend::fargate::FargateBackend, store::dynamodb::DynamoStore};
use tokio::time::Instant;

use crate::{
    records::{LEASE, Records},
    settings::Settings,
    sitting::Sitting,
    wakes::Wakes,
};

/// How long a task may take from its start to its claim, and a claimed one may show nothing.
const CLAIM_WITHIN: Duration = Duration::from_mins(5);
const VANISH_GRACE: Duration = Duration::from_secs(30);
/// How long memory is asked to keep an outcome.
const RECORD_WITHIN: Duration = Duration::from_mins(10);

/// What looks at jobs.
pub struct Desk {
    /// Everything that a look reaches.
    pub ports: Ports,
    /// Where jobs stand.
    pub store: Arc<DynamoStore>,
    /// Where they run.
    pub tasks: Arc<FargateBackend>,
    /// How many are looked at at a time.
    pub concurrency: usize,
    /// When they are looked at again.
    pub wakes: Wakes,
    limits: Limits,
}

impl Desk {
    /// Looks at jobs of these records, which run as tasks.
    pub fn new(
        records: &Records,
        (tasks, wakes): (FargateBackend, Wakes),
        settings: &Settings,
    ) -> Self {
        let tasks = Arc::new(tasks);
        let place: Arc<dyn Backend> = tasks.clone();
        Self {
            ports: Ports {
                store: records.store.clone(),
                seats: records.seats.clone(),
                backends: Arc::new(BTreeMap::from([(BackendName::Fargate, place)])),
                memory: records.elf.clone(),
            },
            store: records.store.clone(),
            tasks,
            limits: limits(settings),
            concurrency: settings.jobs.concurrency.into(),
            wakes,
        }
    }

    /// Begins a call that has to end at this time.
    ///
    /// # Errors
    /// It cannot be found out whether the deployment is paused.
    pub async fn sit(&self, until: Instant) -> Result<Sitting<'_>> {
        let standing = self.store.standing().await;
        let standing = standing.context("looked whether the deployment is paused")?;
        let limits = Limits {
            pause: standing.mark.map(|mark| mark.how),
            ..self.limits.clone()
        };
        Ok(Sitting {
            desk: self,
            mark: standing.mark,
            in_force: standing.in_force,
            limits,
            until,
        })
    }
}

fn limits(settings: &Settings) -> Limits {
    let jobs = &settings.jobs;
    Limits {
        backend: BackendName::Fargate,
        slots: jobs.slots,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: CLAIM_WITHIN,
        vanish_grace: VANISH_GRACE,
        lease: Some(LEASE),
        deadline: jobs.deadline,
        record_within: RECORD_WITHIN,
        ttl: jobs.ttl_after_finished.0,
        remove_within: REMOVE_WITHIN,
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}
