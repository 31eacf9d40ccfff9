//! What is seen of a seat: every task that was started for it, as ECS tells of it. What ECS does not tell of is unknown.

use aws_sdk_ecs::types::TaskField;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Seat, Sighting,
    port::{Answer, Look, PortError},
};

use super::{
    FargateBackend,
    cache::Known,
    cause::Cause,
    task::{Found, arn_of},
};
use crate::aws::{Fault, fault};

/// Most tasks that are described in one call.
///
/// Source: the ECS API, `tasks` of `DescribeTasks`.
const AT_ONCE: usize = 100;
/// How long Fargate usually takes at most to begin a task, in seconds: what is usual is no news.
const USUAL: i64 = 20;

/// What ECS tells of tasks that were asked about.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub tasks: Vec<Found>,
    pub missing: Vec<String>,
}

impl FargateBackend {
    pub(super) async fn see(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        let known = self.known(seat, claim).await?;
        let (mut seen, mut asked) = (Vec::new(), Vec::new());
        for one in known {
            match one {
                Known::Seen(found) => seen.push(found),
                Known::Ask { young, found } => asked.push((young, found)),
            }
        }
        let arns: Vec<String> = asked.iter().map(|(_, f)| f.arn.clone()).collect();
        let told = self.describe(&arns).await?;
        let mut look = Look {
            preparing: self.waits.pending(seat).filter(|_| claim.is_none()),
            ..Look::default()
        };
        for (young, before) in asked {
            let now = told.tasks.iter().find(|t| t.arn == before.arn);
            match now {
                Some(found) => seen.push(self.newest(found)),
                // It was just started, and ECS said so itself.
                None if young => seen.push(before),
                None => look.sightings.push(missing(&before.arn)),
            }
        }
        for found in &seen {
            self.add(&mut look, found, claim);
        }
        Ok(look)
    }

    /// The seat's tasks: those that we know, or else those that ECS has under its name.
    async fn known(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Vec<Known>> {
        let mut known = self.cache.of_seat(seat);
        if known.is_empty() {
            for arn in self.started_by(seat).await? {
                known.extend(self.as_ours(seat, &arn));
            }
        }
        let claimant = claim.and_then(|c| arn_of(&c.instance));
        let there = |known: &Known| match known {
            Known::Seen(found) | Known::Ask { found, .. } => Some(found.arn.as_str()) == claimant,
        };
        if let Some(arn) = claimant
            && !known.iter().any(there)
        {
            known.extend(self.as_ours(seat, arn));
        }
        Ok(known)
    }

    /// A task that is to be asked for, unless it was reaped.
    fn as_ours(&self, seat: &Seat, arn: &str) -> Option<Known> {
        if self.cache.is_reaped(arn) {
            return None;
        }
        let unknown = || Known::Ask {
            young: false,
            found: Found {
                arn: arn.to_owned(),
                started_by: seat.object_name(),
                ..Found::default()
            },
        };
        Some(self.cache.of_arn(arn).unwrap_or_else(unknown))
    }

    /// An answer may be older than an event that came meanwhile.
    fn newest(&self, found: &Found) -> Found {
        match self.cache.of_arn(&found.arn) {
            Some(Known::Seen(known) | Known::Ask { found: known, .. }) => known,
            None => found.clone(),
        }
    }

    fn add(&self, look: &mut Look, found: &Found, claim: Option<&Claim>) {
        let container = &self.conf.container;
        look.sightings.push(found.sighting(container));
        look.image = look.image.take().or_else(|| found.image(container));
        let limit = i64::try_from(self.conf.prepare_within.as_secs()).unwrap_or(i64::MAX);
        if let (None, Some((text, since))) = (claim, found.preparing(Timestamp::now()))
            && (USUAL..limit).contains(&since.as_secs())
        {
            look.preparing = Some(text);
        }
    }

    /// Tasks that ECS has under the seat's name and that are to run.
    pub(super) async fn started_by(&self, seat: &Seat) -> Answer<Vec<String>> {
        // No other filter goes with this one.
        let request = self.client.list_tasks().cluster(&self.conf.cluster);
        let listed = request.started_by(seat.object_name()).send().await;
        let listed = listed.map_err(|e| failed("look for the tasks of a seat", fault(&e)))?;
        Ok(listed.task_arns().to_vec())
    }

    /// Asks for tasks, and notes what is told of them.
    pub(super) async fn describe(&self, arns: &[String]) -> Answer<Told> {
        let told = self.ask(arns).await?;
        for found in &told.tasks {
            if let Some(seat) = self.cache.put(found.clone(), true) {
                self.waker.wake(&seat.uid);
            }
        }
        Ok(told)
    }

    /// Asks for tasks, whosever they are.
    pub(super) async fn ask(&self, arns: &[String]) -> Answer<Told> {
        let mut told = Told::default();
        for some in arns.chunks(AT_ONCE) {
            let request = self.client.describe_tasks().cluster(&self.conf.cluster);
            let request = request
                .set_tasks(Some(some.to_vec()))
                .include(TaskField::Tags);
            let said = request.send().await;
            let said = said.map_err(|e| failed("look at tasks", fault(&e)))?;
            told.tasks.extend(said.tasks().iter().map(Found::read));
            let missing = said.failures().iter().filter_map(|f| f.arn());
            told.missing.extend(missing.map(str::to_owned));
        }
        Ok(told)
    }
}

fn missing(arn: &str) -> Sighting {
    Sighting::Unknown {
        why: Cause::Missing.text(arn),
    }
}

/// A call that tells nothing: asking again is safe, whatever it was.
pub(super) fn failed(what: &str, fault: Fault) -> PortError {
    let text = match fault {
        Fault::Throttled(words) => Cause::Throttled.text(&words),
        Fault::Credentials(words) => Cause::NoCredentials.text(&words),
        Fault::Refused { code, words } if code.starts_with("AccessDenied") => {
            Cause::NotAllowed.text(&words)
        }
        Fault::Refused { code, words } if code == "ClusterNotFoundException" => {
            Cause::NoCluster.text(&words)
        }
        Fault::Refused { code, words } => format!("{code}: {words}"),
        Fault::Unknown(words) => words,
    };
    PortError::Unknown(format!("{what}: {text}"))
}
