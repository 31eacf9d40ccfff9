//! Ending a seat's tasks: ECS asks each with SIGTERM and kills it when the `stopTimeout` of its definition is over.

use std::time::{Duration, Instant};

use sandbox_core::{
    Seat,
    port::{Answer, PortError},
};

use super::{
    FargateBackend,
    cache::Known,
    look::failed,
    task::{Found, instance},
};
use crate::aws::{Fault, fault};

/// How long the end of tasks is waited for before the seat is looked at again.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// How often ECS is asked meanwhile.
const ASK: Duration = Duration::from_secs(1);

impl FargateBackend {
    /// Asks every task of the seat to end but the one that is to stay.
    pub(super) async fn stop_seat(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        for found in self.mine(seat).await? {
            if keep == Some(instance(&found.arn).as_str()) || is_ending(&found) {
                continue;
            }
            self.end(&found.arn, "the attempt is over").await?;
        }
        self.cache.doubt(seat);
        Ok(())
    }

    /// Ends every task of the seat, and waits until nothing of it runs.
    pub(super) async fn reap_seat(&self, seat: &Seat) -> Answer<()> {
        self.waits.forget(seat);
        let from = Instant::now();
        loop {
            let mine = self.mine(seat).await?;
            let live: Vec<&Found> = mine.iter().filter(|f| !f.is_over()).collect();
            if live.is_empty() {
                self.keep_log(seat).await;
                self.cache.reaped(seat);
                return Ok(());
            }
            for found in live.iter().filter(|f| !is_ending(f)) {
                self.end(&found.arn, "the seat is over").await?;
            }
            if from.elapsed() >= GONE_WITHIN {
                let text = format!(
                    "end the tasks of seat {seat}: ECS does not say that they have stopped yet"
                );
                return Err(PortError::Unknown(text));
            }
            tokio::time::sleep(ASK).await;
            self.cache.doubt(seat);
        }
    }

    /// Every task of the seat, known or found by its name.
    async fn mine(&self, seat: &Seat) -> Answer<Vec<Found>> {
        let mut arns = self.started_by(seat).await?;
        for known in self.cache.of_seat(seat) {
            let (Known::Seen(found) | Known::Ask { found, .. }) = known;
            if !arns.contains(&found.arn) {
                arns.push(found.arn);
            }
        }
        arns.retain(|arn| !self.cache.is_reaped(arn));
        let told = self.describe(&arns).await?;
        let newest = |arn: &String| match self.cache.of_arn(arn) {
            Some(Known::Seen(found) | Known::Ask { found, .. }) => found,
            None => Found {
                arn: arn.clone(),
                ..Found::default()
            },
        };
        // Of what ECS does not tell it cannot be asked to end it, either.
        let known = arns.iter().filter(|arn| !told.missing.contains(arn));
        let missing = told.missing.iter().filter(|arn| self.is_young(arn));
        Ok(known.chain(missing).map(newest).collect())
    }

    fn is_young(&self, arn: &str) -> bool {
        matches!(
            self.cache.of_arn(arn),
            Some(Known::Ask { young: true, .. } | Known::Seen(_))
        )
    }

    /// Asks one task to end; one that is gone has ended.
    pub(super) async fn end(&self, arn: &str, why: &str) -> Answer<()> {
        let request = self.client.stop_task().cluster(&self.conf.cluster);
        match request.task(arn).reason(why).send().await {
            Ok(said) => {
                if let Some(task) = said.task() {
                    self.cache.put(Found::read(task), true);
                }
                Ok(())
            }
            Err(e) => match fault(&e) {
                Fault::Refused { words, .. } if words.contains("not found") => Ok(()),
                other => Err(failed("end a task", other)),
            },
        }
    }
}

/// Whether it was asked to end already: asked once more, it would only be asked once more.
fn is_ending(found: &Found) -> bool {
    found.is_over() || found.desired_status == "STOPPED"
}
