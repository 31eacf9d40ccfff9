//! Looks at jobs: each that something calls for, then the first of those that wait for a slot. Which of a batch could not
//! be looked at is told, so that the others are not looked at again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use jiff::{Timestamp, tz::TimeZone};
use sandbox_core::{
    Uid,
    plan::{Hosts, Limits, REMOVE_WITHIN, Reason, Sites},
    port::Backend,
    reconcile::{Ports, Rest, Round, reconcile},
    spec::BackendName,
};
use sandbox_operator::{backend::fargate::FargateBackend, store::dynamodb::DynamoStore, sweep};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    event::Item,
    records::{LEASE, Records},
    settings::Settings,
    wakes::{Came, Wake, Wakes, after},
};

/// How long a task may take from its start to its claim, and a claimed one may show nothing.
const CLAIM_WITHIN: Duration = Duration::from_mins(5);
const VANISH_GRACE: Duration = Duration::from_secs(30);
/// How long memory is asked to keep an outcome.
const RECORD_WITHIN: Duration = Duration::from_mins(10);
/// The sweeps of these minutes of an hour look for records that are kept long enough, too.
const FIRST_OF_THE_HOUR: i8 = 5;

/// What looks at jobs.
pub struct Desk {
    ports: Ports,
    store: Arc<DynamoStore>,
    tasks: Arc<FargateBackend>,
    limits: Limits,
    concurrency: usize,
    wakes: Wakes,
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

    /// Looks at the jobs of these changes; gives those that have to come again.
    pub async fn changes(&self, changes: Vec<Item<Uid>>, until: Instant) -> Vec<String> {
        let jobs = changes.iter().filter_map(|c| c.about.clone()).collect();
        let failed = self.look_at(jobs, until).await;
        let again = |c: &Item<Uid>| c.about.as_ref().is_none_or(|uid| failed.contains(uid));
        let again = changes.into_iter().filter(again);
        again.map(|c| c.id).collect()
    }

    /// Looks at jobs of which the time has come, and sends the others on; gives those that have to come again.
    pub async fn wakes(&self, wakes: Vec<Item<Wake>>, until: Instant) -> Vec<String> {
        let mut again = Vec::new();
        let mut due = Vec::new();
        for Item { id, about } in wakes {
            let Some(wake) = about else {
                again.push(id);
                continue;
            };
            match self.wakes.came(&wake, Timestamp::now()) {
                Came::Doubled => {}
                Came::Due => due.push((id, wake.job)),
                Came::Early => {
                    if let Err(e) = self.wakes.ask(&wake.job, wake.at).await {
                        tracing::warn!(job = %wake.job, error = %e, "a wake has to come again");
                        again.push(id);
                    }
                }
            }
        }
        let jobs = due.iter().map(|(_, job)| job.clone()).collect();
        let failed = self.look_at(jobs, until).await;
        let failed = due.into_iter().filter(|(_, job)| failed.contains(job));
        again.extend(failed.map(|(id, _)| id));
        again
    }

    /// Looks at the job of a task of which ECS tells something.
    ///
    /// # Errors
    /// The job could not be looked at.
    pub async fn task_changed(&self, job: Uid, event: &Value, until: Instant) -> Result<()> {
        self.tasks.hear(event);
        if self
            .look_at(BTreeSet::from([job.clone()]), until)
            .await
            .is_empty()
        {
            return Ok(());
        }
        bail!("looked at job {job}, of whose task ECS told: it has to be looked at again")
    }

    /// Looks at everything of which the time has come, whatever was told of it, and ends tasks that no job needs.
    ///
    /// # Errors
    /// The table cannot be asked what there is.
    pub async fn sweep(&self, at: Timestamp, until: Instant) -> Result<()> {
        let now = Timestamp::now();
        let agenda = self.store.agenda(now).await;
        let agenda = agenda.context("looked for jobs of which the time has come")?;
        let mut due: BTreeSet<Uid> = agenda.due.into_iter().collect();
        if at.to_zoned(TimeZone::UTC).minute() < FIRST_OF_THE_HOUR {
            let old = sweep::due(&*self.store, self.limits.ttl, now).await;
            due.extend(old.context("looked for records to remove")?);
        }
        // What fails here is in the log, and is found again by the next sweep.
        self.look_at(due, until).await;
        self.call_in_line(agenda.line, until).await;
        match self.tasks.sweep().await {
            Ok(0) => {}
            Ok(tasks) => tracing::info!(tasks, "ended tasks that no job needs"),
            Err(e) => tracing::warn!(error = %e, "could not look for tasks that no job needs"),
        }
        Ok(())
    }

    /// Looks at these jobs, several at a time, and then at who waits for what they gave back; gives those that could
    /// not be looked at.
    async fn look_at(&self, jobs: BTreeSet<Uid>, until: Instant) -> BTreeSet<Uid> {
        let looks = jobs.into_iter().map(|uid| async move {
            let rest = self.look(&uid, until).await;
            (uid, rest)
        });
        let mut looks = stream::iter(looks).buffer_unordered(self.concurrency);
        let (mut failed, mut freed) = (BTreeSet::new(), false);
        while let Some((uid, rest)) = looks.next().await {
            match rest {
                Ok(rest) => freed |= holds_no_slot(&rest),
                Err(e) => {
                    tracing::warn!(job = %uid, error = %format!("{e:#}"), "could not look at the job");
                    failed.insert(uid);
                }
            }
        }
        if freed {
            match self.store.agenda(Timestamp::now()).await {
                Ok(agenda) => self.call_in_line(agenda.line, until).await,
                Err(e) => tracing::warn!(error = %e, "could not read who waits for a slot"),
            }
        }
        failed
    }

    /// Looks at those that wait, one after the other, until one goes on waiting, or the time is over: the next that gives
    /// a slot back, or the sweep, goes on there.
    async fn call_in_line(&self, line: Vec<Uid>, until: Instant) {
        for uid in line {
            if Instant::now() >= until {
                return;
            }
            match self.look(&uid, until).await {
                Ok(rest) if !waits(&rest) => {}
                Ok(_) => return,
                Err(e) => {
                    tracing::warn!(job = %uid, error = %format!("{e:#}"), "could not look at the job");
                }
            }
        }
    }

    /// Brings one job as far as it goes now, and has it looked at when its time comes. One that takes too long is left
    /// where it is, which it may be at any time, and goes on soon.
    async fn look(&self, uid: &Uid, until: Instant) -> Result<Rest> {
        let round = Round {
            clock: &Timestamp::now,
            limits: &self.limits,
        };
        let looked = timeout_at(until, reconcile(&self.ports, uid, &round)).await;
        let rest = match looked {
            Ok(rest) => rest?,
            Err(_) => Rest {
                wake: Some(Timestamp::now()),
                reason: Some(Reason::Acting),
                ..Rest::default()
            },
        };
        tracing::debug!(job = %uid, reason = ?rest.reason, wake = ?rest.wake, "at rest");
        if let Some(at) = after(&rest, Timestamp::now()) {
            self.wakes.ask(uid, at).await?;
        }
        Ok(rest)
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
    }
}

/// Whether a job that came to this rest has no slot, and may have given one back.
const fn holds_no_slot(rest: &Rest) -> bool {
    matches!(
        rest.reason,
        None | Some(
            Reason::Finished | Reason::BackingOff | Reason::Suspended | Reason::WaitingForMemory
        )
    )
}

const fn waits(rest: &Rest) -> bool {
    matches!(rest.reason, Some(Reason::WaitingForSlot { .. }))
}
