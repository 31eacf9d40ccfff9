//! Looks at every task now and then: events may be lost, tasks may be left over. One look at all of them costs one call
//! for a hundred.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sandbox_core::{Seat, port::Answer};
use serde_json::Value;

use super::{FargateBackend, look::failed, task::Found};
use crate::aws::fault;

/// How often every task that may still run is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// After so many looks orphans are looked for.
const TIDY: u32 = 12;

impl FargateBackend {
    /// Looks at all tasks, and ends those that no job needs, for ever.
    pub async fn follow(self: Arc<Self>) {
        for turn in 0_u32.. {
            let live = self.cache.live();
            if let Err(e) = self.describe(&live).await {
                tracing::warn!(error = %e, "could not look at the tasks");
            }
            if turn % TIDY == 0 {
                match self.sweep().await {
                    Ok(0) => {}
                    Ok(n) => tracing::info!(tasks = n, "ended tasks that no job needs"),
                    Err(e) => tracing::warn!(error = %e, "could not look for orphans"),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends tasks of ours that no attempt under way needs; gives how many there were.
    ///
    /// # Errors
    /// `Unknown` when ECS or the store could not be asked; asking again is safe.
    pub async fn sweep(&self) -> Answer<usize> {
        let mut ended = 0;
        for found in self.all().await? {
            if let Some(seat) = self.is_due(&found)
                && self.is_orphan(&seat).await?
            {
                self.end(&found.arn, "no job needs this task").await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Every task of the cluster that is to run, whoever started it.
    async fn all(&self) -> Answer<Vec<Found>> {
        let pages = self.client.list_tasks().cluster(&self.conf.cluster);
        let mut pages = pages.into_paginator().send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| failed("look for orphans", fault(&e)))?;
            arns.extend_from_slice(page.task_arns());
        }
        Ok(self.ask(&arns).await?.tasks)
    }

    /// The seat of a task of ours that is old enough: what we know of its job may be as old.
    fn is_due(&self, found: &Found) -> Option<Seat> {
        let ours = found.owner.as_deref() == Some(&self.conf.tokens.owner());
        let age = Timestamp::now().duration_since(found.created_at?);
        let old = age.unsigned_abs() >= self.conf.orphan_after;
        let due = ours && old && found.desired_status != "STOPPED";
        found.seat().filter(|_| due)
    }

    /// Read after the task was seen: an attempt is written down before anything is launched for it.
    async fn is_orphan(&self, seat: &Seat) -> Answer<bool> {
        let Some(job) = self.conf.store.load(&seat.uid).await? else {
            return Ok(true);
        };
        Ok(!job.status().is_under_way(seat.attempt))
    }

    /// Hears what `EventBridge` tells of a task; says whether it was news. Events come late, twice and in any order.
    pub fn hear(&self, event: &Value) -> bool {
        let Ok(found) = serde_json::from_value::<Found>(event["detail"].clone()) else {
            return false;
        };
        match self.cache.put(found, false) {
            Some(seat) => {
                self.waker.wake(&seat.uid);
                true
            }
            None => false,
        }
    }
}
