//! What is known of one task: the few parts of it that are kept in memory, which of two is newer, and what it means.
//! Asks nobody.

use aws_sdk_ecs::types::{self, Task};
use jiff::{SignedDuration, Timestamp};
use sandbox_core::{Failure, Seat, Sighting};
use serde::Deserialize;

use super::cause::Cause;

/// How a task claims its seat: by its ARN.
pub(super) fn instance(arn: &str) -> String {
    format!("task:{arn}")
}

/// The ARN in the name of an instance.
pub(super) fn arn_of(instance: &str) -> Option<&str> {
    instance.strip_prefix("task:")
}

/// A task, as much of it as is needed; as events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Found {
    #[serde(rename = "taskArn")]
    pub arn: String,
    pub version: i64,
    pub started_by: String,
    pub last_status: String,
    pub desired_status: String,
    pub stop_code: String,
    pub stopped_reason: String,
    pub created_at: Option<Timestamp>,
    pub containers: Vec<Inner>,
    #[serde(skip)]
    pub owner: Option<String>,
}

/// A container of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Inner {
    pub name: String,
    pub image: String,
    pub image_digest: String,
    pub exit_code: Option<i32>,
    pub reason: String,
}

impl Found {
    pub(super) fn read(task: &Task) -> Self {
        let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
        let stop = task.stop_code().map(types::TaskStopCode::as_str);
        let tags = task.tags().iter();
        let owner = tags
            .into_iter()
            .find(|t| t.key() == Some(super::conf::OWNER_TAG));
        Self {
            arn: text(task.task_arn()),
            version: task.version(),
            started_by: text(task.started_by()),
            last_status: text(task.last_status()),
            desired_status: text(task.desired_status()),
            stop_code: text(stop),
            stopped_reason: text(task.stopped_reason()),
            created_at: task
                .created_at()
                .and_then(|at| Timestamp::from_second(at.secs()).ok()),
            containers: task.containers().iter().map(Inner::read).collect(),
            owner: owner.and_then(|t| t.value()).map(str::to_owned),
        }
    }

    /// The seat that this task was started for.
    pub(super) fn seat(&self) -> Option<Seat> {
        Seat::of_object_name(&self.started_by)
    }

    /// Whether this says more than what is known: events come unordered and more than once, and answers of the API
    /// may be older than an event.
    pub(super) fn is_newer_than(&self, known: &Self) -> bool {
        let stage = |t: &Self| (t.version, t.is_over());
        let lives_again = known.is_over() && !self.is_over();
        stage(self) > stage(known) && !lives_again
    }

    /// Whether nothing of it runs any more. What is stopping or being taken down still may.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.last_status.as_str(), "STOPPED" | "DELETED")
    }

    /// What it is about before its container runs.
    pub(super) fn preparing(&self, now: Timestamp) -> Option<(String, SignedDuration)> {
        let before = ["PROVISIONING", "PENDING", "ACTIVATING"];
        let waits = before.contains(&self.last_status.as_str()) && self.desired_status == "RUNNING";
        let since = self.created_at.filter(|_| waits)?;
        let text = format!(
            "the task is {}: Fargate makes its network and pulls its image",
            self.last_status
        );
        Some((text, now.duration_since(since)))
    }

    /// The exact image of the runner.
    pub(super) fn image(&self, container: &str) -> Option<String> {
        let inner = self.inner(container)?;
        match (inner.image.as_str(), inner.image_digest.as_str()) {
            (_, "") => None,
            (image, digest) => {
                let name = image.split('@').next().unwrap_or(image);
                Some(format!("{name}@{digest}"))
            }
        }
    }

    fn inner(&self, container: &str) -> Option<&Inner> {
        self.containers.iter().find(|c| c.name == container)
    }

    /// What is seen of it; which of its containers is the runner says whose code counts.
    pub(super) fn sighting(&self, container: &str) -> Sighting {
        let instance = instance(&self.arn);
        if !self.is_over() {
            return Sighting::Alive { instance };
        }
        let code = self.inner(container).and_then(|c| c.exit_code);
        let signal = code.filter(|c| (129..=192).contains(c)).map(|c| c - 128);
        Sighting::Exited {
            instance,
            code: code.filter(|_| signal.is_none()),
            signal,
            why: self.why(container),
        }
    }

    /// What ECS knows about the end, and a code does not say.
    fn why(&self, container: &str) -> Option<Failure> {
        let inner = self.inner(container).map(|c| c.reason.as_str());
        let inner = inner.unwrap_or_default();
        let cause = Cause::of_a_stop(&self.stop_code, &self.stopped_reason, inner)?;
        let words = [self.stopped_reason.as_str(), inner];
        let words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
        Some(cause.failure(&words.join("; ")))
    }
}

impl Inner {
    fn read(container: &types::Container) -> Self {
        let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
        Self {
            name: text(container.name()),
            image: text(container.image()),
            image_digest: text(container.image_digest()),
            exit_code: container.exit_code(),
            reason: text(container.reason()),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use sandbox_core::FailureClass;
    use serde_json::{Value, json};

    use super::*;

    fn task(version: i64, status: &str) -> Found {
        Found {
            arn: "arn".to_owned(),
            version,
            last_status: status.to_owned(),
            desired_status: "RUNNING".to_owned(),
            ..Found::default()
        }
    }

    fn ended(code: Option<i32>, stop: &str, reason: &str) -> Sighting {
        let mut found = task(9, "STOPPED");
        found.stop_code = stop.to_owned();
        found.stopped_reason = reason.to_owned();
        found.containers = vec![Inner {
            name: "runner".to_owned(),
            exit_code: code,
            ..Inner::default()
        }];
        found.sighting("runner")
    }

    #[test]
    fn of_two_tellings_the_one_of_the_higher_version_counts_in_whatever_order_they_come() {
        let (old, new) = (task(3, "PENDING"), task(5, "RUNNING"));
        assert!(new.is_newer_than(&old));
        assert!(!old.is_newer_than(&new));
        assert!(!new.is_newer_than(&new.clone()), "it came twice");
    }

    #[test]
    fn what_was_seen_to_be_over_does_not_live_again() {
        let over = task(5, "STOPPED");
        assert!(!task(9, "RUNNING").is_newer_than(&over));
        assert!(over.is_newer_than(&task(5, "RUNNING")));
    }

    #[test]
    fn only_stopped_is_over() {
        for status in ["PROVISIONING", "RUNNING", "STOPPING", "DEPROVISIONING"] {
            let seen = task(1, status).sighting("runner");
            assert!(matches!(seen, Sighting::Alive { .. }), "{status}");
        }
    }

    #[test]
    fn a_signal_is_told_from_a_code() {
        let of = |code| match ended(code, "UserInitiated", "") {
            Sighting::Exited { code, signal, .. } => (code, signal),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(Some(143)), (None, Some(15)));
        assert_eq!(of(Some(1)), (Some(1), None));
        assert_eq!(of(None), (None, None));
    }

    #[test]
    fn why_it_stopped_decides_the_class() {
        let class = |stop, reason| match ended(Some(1), stop, reason) {
            Sighting::Exited { why, .. } => why.map(|w| w.class),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            class("SpotInterruption", "Your Spot Task was interrupted."),
            Some(FailureClass::Preempted)
        );
        assert_eq!(
            class("TaskFailedToStart", "CannotPullContainerError: not found"),
            Some(FailureClass::InvalidSpec)
        );
        assert_eq!(class("EssentialContainerExited", ""), None);
    }

    fn event(detail: &Value) -> Found {
        serde_json::from_value(detail.clone()).unwrap()
    }

    #[test]
    fn an_event_is_read_as_eventbridge_writes_it() {
        let found = event(&json!({
            "taskArn": "arn:aws:ecs:eu-west-1:1:task/c/1", "version": 4, "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
            "startedBy": "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-2", "stopCode": "SpotInterruption",
            "createdAt": "2026-11-30T10:00:00.123Z", "cpu": "256",
            "containers": [{"name": "runner", "exitCode": 137, "image": "r/a:1", "imageDigest": "sha256:0", "lastStatus": "STOPPED"}],
        }));
        assert_eq!(found.seat().unwrap().attempt, 2);
        assert_eq!(found.image("runner").as_deref(), Some("r/a:1@sha256:0"));
        assert_eq!(found.version, 4);
    }

    #[test]
    fn a_task_before_its_container_says_what_it_waits_for() {
        let mut found = task(1, "PENDING");
        found.created_at = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        let (text, since) = found.preparing(now).unwrap();
        assert!(text.contains("PENDING"), "{text}");
        assert_eq!(since.as_secs(), 60);
        found.last_status = "RUNNING".to_owned();
        assert_eq!(found.preparing(now), None);
    }
}
