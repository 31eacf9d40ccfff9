//! When a job is to be looked at again: a message of a queue that comes late. SQS holds one back for a quarter of an hour
//! at most; what is further away is sent again each time that it comes. A wake that is lost, or comes twice, does no harm.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow};
use aws_sdk_sqs::Client;
use jiff::{SignedDuration, Timestamp};
use sandbox_core::{Uid, plan::Reason, reconcile::Rest};
use sandbox_operator::aws::{Fault, fault};
use serde::{Deserialize, Serialize};

/// The longest that SQS holds a message back.
///
/// Source: the SQS API, `DelaySeconds` of `SendMessage`.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);
/// How soon a reconcile that came to no rest goes on.
const GO_ON: Duration = Duration::from_secs(2);
/// A message that comes so little before its time has come in time.
const EARLY: SignedDuration = SignedDuration::from_secs(1);
/// Most jobs of which it is remembered that a wake is under way.
const REMEMBERED: usize = 10_000;

/// A call for one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Which.
    pub job: Uid,
    /// Not before this time.
    pub at: Timestamp,
}

/// A wake of a job that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    at: Timestamp,
    /// When its message comes.
    comes: Timestamp,
}

/// What a wake that came is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Its time has come.
    Due,
    /// It is to be sent again.
    Early,
    /// Another message is under way that does.
    Doubled,
}

/// The queue, and what this process has sent to it.
pub struct Wakes {
    client: Client,
    queue: String,
    sent: Mutex<HashMap<Uid, Sent>>,
}

/// When a job that came to this rest is to be looked at again, where nothing else calls for it.
pub fn after(rest: &Rest, now: Timestamp) -> Option<Timestamp> {
    let wake = rest.wake?;
    match rest.reason.as_ref()? {
        // Whoever gives a slot back calls the first that waits.
        Reason::WaitingForSlot { position: 2.. } => None,
        // The sweep finds what is to be removed.
        Reason::Finished if wake > now + LONGEST => None,
        Reason::Acting => Some(now + GO_ON),
        _ => Some(wake),
    }
}

/// What is sent now so that somebody looks at this time; nothing where a message is under way that comes before.
fn sending(known: Option<Sent>, at: Timestamp, now: Timestamp) -> Option<Sent> {
    if known.is_some_and(|sent| sent.comes > now && sent.at <= at) {
        return None;
    }
    let comes = at.clamp(now, now + LONGEST);
    Some(Sent { at, comes })
}

/// What a message is for that came now.
fn came(known: Option<Sent>, at: Timestamp, now: Timestamp) -> Came {
    if at <= now + EARLY {
        return Came::Due;
    }
    match known {
        Some(sent) if sent.comes > now + EARLY && sent.at <= at => Came::Doubled,
        _ => Came::Early,
    }
}

/// Whole seconds until then, never too few.
fn seconds(from: Timestamp, until: Timestamp) -> i32 {
    let span = until.duration_since(from);
    let whole = span.as_secs() + i64::from(span.subsec_nanos() > 0);
    i32::try_from(whole.clamp(0, LONGEST.as_secs())).unwrap_or_default()
}

impl Wakes {
    /// Wakes by this queue.
    pub fn new(client: Client, queue: String) -> Self {
        Self {
            client,
            queue,
            sent: Mutex::default(),
        }
    }

    // Nothing that holds it panics between two changes, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this wake is for, now that it came.
    pub fn came(&self, wake: &Wake, now: Timestamp) -> Came {
        let mut all = self.lock();
        let came = came(all.get(&wake.job).copied(), wake.at, now);
        if came == Came::Due {
            all.remove(&wake.job);
        }
        came
    }

    /// Has a job looked at, at this time.
    ///
    /// # Errors
    /// The queue does not take it; the text says what to do.
    pub async fn ask(&self, job: &Uid, at: Timestamp) -> Result<()> {
        let now = Timestamp::now();
        let known = self.lock().get(job).copied();
        let Some(sent) = sending(known, at, now) else {
            return Ok(());
        };
        let wake = Wake {
            job: job.clone(),
            at,
        };
        let request = self.client.send_message().queue_url(&self.queue);
        let request = request
            .message_body(serde_json::to_string(&wake)?)
            .delay_seconds(seconds(now, sent.comes));
        request.send().await.map_err(|e| not_sent(fault(&e)))?;
        let mut all = self.lock();
        if all.len() >= REMEMBERED && !all.contains_key(job) {
            all.clear();
        }
        all.insert(job.clone(), sent);
        Ok(())
    }
}

fn not_sent(fault: Fault) -> anyhow::Error {
    let why = match fault {
        Fault::Refused { code, words } if code.contains("NonExistentQueue") => {
            format!("there is no such queue; SANDBOX_WAKES has to be its URL: {words}")
        }
        Fault::Refused { code, words } if code.starts_with("AccessDenied") => {
            format!("the function's role needs sqs:SendMessage: {words}")
        }
        Fault::Refused { code, words } => format!("{code}: {words}"),
        Fault::Throttled(why) | Fault::Credentials(why) | Fault::Unknown(why) => why,
    };
    anyhow!("sent a wake: {why}")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn rest(reason: Reason, wake: i64) -> Rest {
        Rest {
            reason: Some(reason),
            wake: Some(at(wake)),
            ..Rest::default()
        }
    }

    #[test]
    fn a_wake_within_a_quarter_of_an_hour_comes_when_it_is_wanted_and_a_farther_one_before() {
        let comes = |wanted| sending(None, at(wanted), at(0)).unwrap().comes;
        assert_eq!((comes(7), comes(300)), (at(7), at(15)));
        assert_eq!(comes(-5), at(0), "what is late comes at once");
        assert_eq!(seconds(at(0), at(15)), 900);
        let half = at(0) + SignedDuration::from_millis(1500);
        assert_eq!(seconds(at(0), half), 2);
    }

    #[test]
    fn one_wake_is_under_way_for_a_job_and_an_earlier_one_takes_its_place() {
        let first = sending(None, at(60), at(0));
        assert_eq!(sending(first, at(60), at(3)), None);
        assert_eq!(sending(first, at(90), at(3)), None, "that one sees to it");
        assert!(sending(first, at(5), at(3)).is_some());
        assert!(sending(first, at(60), at(15)).is_some(), "it has come");
    }

    #[test]
    fn a_message_before_its_time_is_sent_again_unless_another_one_is_under_way() {
        let mine = sending(None, at(60), at(0));
        assert_eq!(came(mine, at(60), at(15)), Came::Early);
        assert_eq!(
            came(None, at(60), at(15)),
            Came::Early,
            "of another process"
        );
        let next = sending(mine, at(60), at(15));
        assert_eq!(came(next, at(60), at(15)), Came::Doubled);
        assert_eq!(came(next, at(60), at(60)), Came::Due);
    }

    #[test]
    fn who_waits_behind_others_and_who_is_removed_in_weeks_is_called_by_somebody_else() {
        let now = at(0);
        let waits = |position| after(&rest(Reason::WaitingForSlot { position }, 1), now);
        assert_eq!((waits(1), waits(2)), (Some(at(1)), None));
        assert_eq!(after(&rest(Reason::Finished, 600), now), None);
        assert_eq!(after(&rest(Reason::Finished, 10), now), Some(at(10)));
        assert_eq!(after(&rest(Reason::Working, 600), now), Some(at(600)));
        assert_eq!(after(&rest(Reason::Acting, 0), now), Some(now + GO_ON));
        assert_eq!(after(&Rest::default(), now), None, "the job is gone");
    }
}
