//! One task per seat and choice of capacity: started once however often it is asked for, by a token that ECS knows
//! again. What may be had later is asked for again, for a while.

use std::num::NonZeroU32;

use aws_sdk_ecs::{
    error::SdkError,
    operation::run_task::{RunTaskError, RunTaskOutput},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sandbox_core::{
    Brief, FailureClass, Seat,
    port::{Answer, PortError},
    spec,
    status::Intent,
};

use super::{
    FargateBackend,
    cause::Cause,
    refusal::{Refusal, of_a_fault, of_failures},
    request,
    task::Found,
};
use crate::aws::fault;

/// How many launches there may be, of each kind of capacity.
pub(super) struct Launches {
    on_demand: DefaultDirectRateLimiter,
    spot: DefaultDirectRateLimiter,
}

impl Launches {
    /// So many at once, and so many each second.
    pub(super) fn new((burst, each_second): (u32, u32)) -> Self {
        let some = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(some(each_second)).allow_burst(some(burst));
        Self {
            on_demand: RateLimiter::direct(quota),
            spot: RateLimiter::direct(quota),
        }
    }

    fn may(&self, capacity: &str) -> bool {
        let bucket = match capacity {
            "FARGATE_SPOT" => &self.spot,
            _ => &self.on_demand,
        };
        bucket.check().is_ok()
    }
}

impl FargateBackend {
    /// Starts the seat's task, or finds that it was started before.
    pub(super) async fn begin(&self, brief: &Brief) -> Answer<()> {
        let seat = &brief.seat;
        let intent = self.intent(seat).await?;
        let frozen = intent.launch.clone();
        let launch = frozen.unwrap_or_else(|| request::frozen(&self.conf, &brief.spec));
        let capacity = launch.capacity(intent.choice).map(|c| c.name.as_str());
        if !self.launches.may(capacity.unwrap_or_default()) {
            return self.later(seat, Cause::Queued, "");
        }
        self.find_secrets(brief).await?;
        let request = request::run_task(&self.conf, brief, (&launch, intent.choice, intent.at))?;
        match request.send_with(&self.client).await {
            Ok(said) => self.answered(seat, &said),
            Err(SdkError::ServiceError(e)) if is_conflict(e.err()) => {
                let RunTaskError::ConflictException(there) = e.into_err() else {
                    return Err(lost(seat, "a conflict"));
                };
                self.adopt(seat, there.resource_ids()).await
            }
            Err(e) => self.refused(seat, of_a_fault(fault(&e))),
        }
    }

    /// Whether the secrets that the job names are there, before a task is paid for that could do nothing.
    async fn find_secrets(&self, brief: &Brief) -> Answer<()> {
        let Some(secrets) = &self.conf.secrets else {
            return Ok(());
        };
        for name in spec::secrets(&brief.spec) {
            match secrets.find(&brief.tenant, name).await {
                Ok(()) => {}
                Err(PortError::NotFound(words)) => {
                    return self.later(&brief.seat, Cause::NoTenantSecret, &words);
                }
                Err(PortError::Refused(why)) => {
                    return Err(never(&brief.seat, Cause::NotAllowed, &why.message));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// What was written down about this launch before it.
    async fn intent(&self, seat: &Seat) -> Answer<Intent> {
        let job = self.conf.store.load(&seat.uid).await?;
        let status = job.as_ref().map(sandbox_core::AgentJob::status);
        let current = status.filter(|s| s.attempt == seat.attempt);
        let intent = current.and_then(|s| s.intent.clone());
        intent.ok_or_else(|| PortError::Unknown(format!("start seat {seat}: it is over")))
    }

    fn answered(&self, seat: &Seat, said: &RunTaskOutput) -> Answer<()> {
        let Some(task) = said.tasks().first() else {
            return self.refused(seat, of_failures(said.failures()));
        };
        self.waits.forget(seat);
        self.cache.put(Found::read(task), true);
        Ok(())
    }

    fn refused(&self, seat: &Seat, refusal: Refusal) -> Answer<()> {
        match refusal {
            Refusal::Lost(words) => Err(lost(seat, &words)),
            Refusal::Later(cause, words) => self.later(seat, cause, &words),
            Refusal::NoRoom(cause, words) => {
                self.waits.forget(seat);
                Err(PortError::NoRoom(cause.text(&words)))
            }
            Refusal::Never(cause, words) => {
                self.waits.forget(seat);
                Err(never(seat, cause, &words))
            }
        }
    }

    /// The same is asked for again in a while; what took too long is given up.
    fn later(&self, seat: &Seat, cause: Cause, words: &str) -> Answer<()> {
        let text = cause.text(words);
        let waited = self.waits.note(seat, text.clone());
        if waited < self.conf.prepare_within || cause == Cause::Queued {
            return Err(PortError::Unknown(format!(
                "start the task of seat {seat}: {text}"
            )));
        }
        self.waits.forget(seat);
        Err(never(seat, cause, words))
    }

    /// The token was used before with other settings of ours: its task is ours where it was started for this seat.
    async fn adopt(&self, seat: &Seat, arns: &[String]) -> Answer<()> {
        let told = self.describe(arns).await?;
        let ours = |found: &&Found| found.started_by == seat.object_name();
        let (ours, others): (Vec<&Found>, Vec<&Found>) = told.tasks.iter().partition(ours);
        if let (true, Some(other)) = (ours.is_empty(), others.first()) {
            return Err(never(seat, Cause::Taken, &other.arn));
        }
        self.waits.forget(seat);
        for arn in &told.missing {
            // Its token is a hash of the seat: it is ours though ECS does not tell of it yet.
            let young = Found {
                arn: arn.clone(),
                started_by: seat.object_name(),
                ..Found::default()
            };
            self.cache.put(young, true);
        }
        Ok(())
    }
}

const fn is_conflict(error: &RunTaskError) -> bool {
    matches!(error, RunTaskError::ConflictException(_))
}

fn lost(seat: &Seat, words: &str) -> PortError {
    PortError::Unknown(format!("start the task of seat {seat}: {words}"))
}

fn never(seat: &Seat, cause: Cause, words: &str) -> PortError {
    let text = format!("start the task of seat {seat}: {}", cause.text(words));
    let class: FailureClass = cause.class();
    PortError::refused(class, text)
}
