//! One call: looks at jobs, each that something calls for, then the first of those that wait for a slot. Which of a batch
//! could not be looked at is told, so that the others are not looked at again.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use jiff::{Timestamp, tz::TimeZone};
use sandbox_core::{
    Uid,
    plan::{Limits, Reason},
    reconcile::{Rest, Round, reconcile},
};
use sandbox_operator::{store::dynamodb::paused::Mark, sweep};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    desk::Desk,
    event::{Called, Item},
    wakes::{Came, Wake, after},
};

/// The sweeps of these minutes of an hour look for records that are kept long enough, too.
const FIRST_OF_THE_HOUR: i8 = 5;

/// One call.
pub struct Sitting<'a> {
    /// What is looked with.
    pub desk: &'a Desk,
    /// That the deployment is paused, or is being paused.
    pub mark: Option<Mark>,
    /// Whether no attempt could begin any more when it was begun.
    pub in_force: bool,
    /// The bounds, as they are in this call.
    pub limits: Limits,
    /// When nothing more is begun.
    pub until: Instant,
}

impl Sitting<'_> {
    /// Looks at the jobs of these changes; gives those that have to come again.
    pub async fn changes(&self, changes: Vec<Item<Uid>>) -> Vec<String> {
        let jobs = changes.iter().filter_map(|c| c.about.clone()).collect();
        let failed = self.look_at(jobs).await;
        let again = |c: &Item<Uid>| c.about.as_ref().is_none_or(|uid| failed.contains(uid));
        let again = changes.into_iter().filter(again);
        again.map(|c| c.id).collect()
    }

    /// Looks at jobs of which the time has come, and sends the others on; gives those that have to come again.
    pub async fn wakes(&self, wakes: Vec<Item<Called>>) -> Vec<String> {
        let (mut again, mut due, mut everything) = (Vec::new(), Vec::new(), Vec::new());
        for Item { id, about } in wakes {
            match about {
                None => again.push(id),
                Some(Called::Everything) => everything.push(id),
                Some(Called::Job(wake)) => match self.came(&wake).await {
                    Ok(true) => due.push((id, wake.job)),
                    Ok(false) => {}
                    Err(e) => {
                        tracing::warn!(job = %wake.job, error = %e, "a wake has to come again");
                        again.push(id);
                    }
                },
            }
        }
        if !everything.is_empty()
            && let Err(e) = self.sweep(Timestamp::now()).await
        {
            tracing::warn!(error = %format!("{e:#}"), "could not look at everything");
            again.extend(everything);
        }
        let jobs = due.iter().map(|(_, job)| job.clone()).collect();
        let failed = self.look_at(jobs).await;
        let failed = due.into_iter().filter(|(_, job)| failed.contains(job));
        again.extend(failed.map(|(id, _)| id));
        again
    }

    /// Whether the time of this wake has come. One that came before is sent again, unless another is under way.
    async fn came(&self, wake: &Wake) -> Result<bool> {
        match self.desk.wakes.came(wake, Timestamp::now()) {
            Came::Due => Ok(true),
            Came::Doubled => Ok(false),
            Came::Early => {
                self.desk.wakes.ask(&wake.job, wake.at).await?;
                Ok(false)
            }
        }
    }

    /// Looks at the job of a task of which ECS tells something.
    ///
    /// # Errors
    /// The job could not be looked at.
    pub async fn task_changed(&self, job: Uid, event: &Value) -> Result<()> {
        self.desk.tasks.hear(event);
        if self.look_at(BTreeSet::from([job.clone()])).await.is_empty() {
            return Ok(());
        }
        bail!("looked at job {job}, of whose task ECS told: it has to be looked at again")
    }

    /// Looks at everything of which the time has come, whatever was told of it, and ends tasks that no job needs.
    ///
    /// # Errors
    /// The table cannot be asked what there is.
    pub async fn sweep(&self, at: Timestamp) -> Result<()> {
        let now = Timestamp::now();
        let agenda = self.desk.store.agenda(now).await;
        let agenda = agenda.context("looked for jobs of which the time has come")?;
        let mut due: BTreeSet<Uid> = agenda.due.into_iter().collect();
        if at.to_zoned(TimeZone::UTC).minute() < FIRST_OF_THE_HOUR {
            let old = sweep::due(&*self.desk.store, self.limits.ttl, now).await;
            due.extend(old.context("looked for records to remove")?);
        }
        // What fails here is in the log, and is found again by the next sweep.
        if let Some(mark) = self.mark {
            self.tell(mark, (due, agenda.line)).await;
        } else {
            self.look_at(due).await;
            self.call_in_line(agenda.line).await;
        }
        match self.desk.tasks.sweep().await {
            Ok(0) => {}
            Ok(tasks) => tracing::info!(tasks, "ended tasks that no job needs"),
            Err(e) => tracing::warn!(error = %e, "could not look for tasks that no job needs"),
        }
        Ok(())
    }

    /// Has every job know that the deployment is paused, and writes down that this was done, where none can have begun
    /// since.
    async fn tell(&self, mark: Mark, (mut jobs, line): (BTreeSet<Uid>, Vec<Uid>)) {
        jobs.extend(line);
        let failed = self.look_at(jobs).await;
        if !failed.is_empty() || !self.in_force || Instant::now() >= self.until {
            return;
        }
        if let Err(e) = Box::pin(self.desk.store.told_of(mark)).await {
            tracing::warn!(error = %e, "could not write down that all jobs were told of the pause");
        }
    }

    /// Looks at these jobs, several at a time, and then at who waits for what they gave back; gives those that could
    /// not be looked at.
    async fn look_at(&self, jobs: BTreeSet<Uid>) -> BTreeSet<Uid> {
        let looks = jobs.into_iter().map(|uid| async move {
            let rest = self.look(&uid).await;
            (uid, rest)
        });
        let mut looks = stream::iter(looks).buffer_unordered(self.desk.concurrency);
        let (mut failed, mut freed) = (BTreeSet::new(), false);
        while let Some((uid, rest)) = looks.next().await {
            match rest {
                Ok(rest) => freed |= may_have_freed(&rest),
                Err(e) => {
                    tracing::warn!(job = %uid, error = %format!("{e:#}"), "could not look at the job");
                    freed = true;
                    failed.insert(uid);
                }
            }
        }
        if freed {
            match self.desk.store.agenda(Timestamp::now()).await {
                Ok(agenda) => self.call_in_line(agenda.line).await,
                Err(e) => tracing::warn!(error = %e, "could not read who waits for a slot"),
            }
        }
        failed
    }

    /// Looks at those that wait, one after the other, until one goes on waiting, or the time is over: the next that gives
    /// a slot back, or the sweep, goes on there.
    async fn call_in_line(&self, line: Vec<Uid>) {
        if self.mark.is_some() {
            return;
        }
        for uid in line {
            if Instant::now() >= self.until {
                return;
            }
            match self.look(&uid).await {
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
    async fn look(&self, uid: &Uid) -> Result<Rest> {
        let round = Round {
            clock: &Timestamp::now,
            limits: &self.limits,
        };
        let looked = timeout_at(self.until, reconcile(&self.desk.ports, uid, &round)).await;
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
            self.desk.wakes.ask(uid, at).await?;
        }
        Ok(rest)
    }
}

/// Whether others may go on: it gave back what it held, stepped out of the line, or did what is not known.
const fn may_have_freed(rest: &Rest) -> bool {
    let may = matches!(
        rest.reason,
        Some(Reason::Suspended | Reason::Acting | Reason::Unknown { .. })
    );
    rest.freed || may
}

const fn waits(rest: &Rest) -> bool {
    matches!(rest.reason, Some(Reason::WaitingForSlot { .. }))
}
