//! What is known of one pod: the few parts of it that are kept in memory, and what they mean. Asks nobody.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{
        ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod, PodCondition,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use sandbox_core::{Failure, Seat, Sighting};

use super::cause::Cause;
use crate::backend::cause::shortened;

/// How long a kubelet may take to confirm an end beyond its grace.
const CONFIRM: SignedDuration = SignedDuration::from_secs(30);

/// How a pod claims its seat: by its uid.
pub(super) fn instance(uid: &str) -> String {
    format!("pod:{uid}")
}

/// A pod, as much of it as is needed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub version: u64,
    pub image: Option<String>,
    owner: Option<String>,
    made: Option<Timestamp>,
    ends: Option<Timestamp>,
    node: bool,
    failed: bool,
    reason: String,
    message: String,
    ready: Option<bool>,
    scheduled: Option<(bool, Option<Timestamp>, String)>,
    disruption: Option<(String, String)>,
    state: State,
}

/// What the kubelet says of the container.
#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    /// Nothing yet.
    #[default]
    Untold,
    /// It was not begun.
    Waiting { reason: String, message: String },
    /// It runs; whether it is ready.
    Running(bool),
    /// It is over.
    Terminated {
        code: i32,
        reason: String,
        message: String,
    },
}

/// How far a pod is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// Nothing of it runs yet, for this reason; a cause that may not last for ever.
    Before(String, Option<Cause>),
    /// It runs.
    Runs,
    /// It is over.
    Over,
    /// It cannot be told.
    Hidden(&'static str),
}

impl Found {
    pub(super) fn read(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        let status = pod.status.clone().unwrap_or_default();
        let owners = meta.owner_references.iter().flatten();
        let owner = owners.into_iter().find(|o| o.controller == Some(true));
        let conditions = status.conditions.unwrap_or_default();
        let condition = |word: &str| conditions.iter().find(|c| c.type_ == word);
        let container = status.container_statuses.iter().flatten().next();
        let time = |t: &Time| t.0;
        let spec = pod.spec.as_ref();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            version: version(meta.resource_version.as_deref()),
            image: container
                .map(|c| c.image_id.clone())
                .filter(|i| !i.is_empty()),
            owner: owner.map(|o| o.uid.clone()),
            made: meta.creation_timestamp.as_ref().map(time),
            ends: meta.deletion_timestamp.as_ref().map(time),
            node: spec.is_some_and(|s| s.node_name.is_some()),
            failed: status.phase.as_deref() == Some("Failed"),
            reason: status.reason.unwrap_or_default(),
            message: status.message.unwrap_or_default(),
            ready: condition("Ready").map(|c| c.status == "True"),
            scheduled: condition("PodScheduled").map(scheduled),
            disruption: condition("DisruptionTarget")
                .filter(|c| c.status == "True")
                .map(told),
            state: container.map(State::read).unwrap_or_default(),
        }
    }

    /// The seat that this pod was made for.
    pub(super) fn seat(&self) -> Option<Seat> {
        Seat::of_object_name(&self.name).filter(|seat| self.is_ours(seat))
    }

    /// Whether it is the seat's: its owner is the very job.
    pub(super) fn is_ours(&self, seat: &Seat) -> bool {
        self.owner.as_deref() == Some(seat.uid.as_str()) && self.name == seat.object_name()
    }

    /// Whether it is being deleted.
    pub(super) fn is_leaving(&self) -> bool {
        self.ends.is_some()
    }

    /// Whether a node has it.
    pub(super) const fn is_placed(&self) -> bool {
        self.node
    }

    /// How far it is now.
    pub(super) fn stage(&self, now: Timestamp) -> Stage {
        match &self.state {
            State::Terminated { .. } => Stage::Over,
            _ if self.is_lost() => Stage::Hidden("its node does not answer"),
            _ if self.ends.is_some_and(|at| now > at + CONFIRM) => {
                Stage::Hidden("its node does not confirm its end")
            }
            State::Running(_) => Stage::Runs,
            // A kubelet that takes no pod says so before any container.
            State::Untold if self.failed => Stage::Over,
            State::Untold => self.before(),
            State::Waiting { reason, message } => waiting(reason, message),
        }
    }

    /// A pod has no probes: ready is what runs. The node's controller alone says otherwise.
    fn is_lost(&self) -> bool {
        let by = self.disruption.as_ref().map(|(by, _)| by.as_str());
        let given_up = matches!(by, Some("DeletionByTaintManager" | "DeletionByPodGC"));
        given_up || (self.state == State::Running(true) && self.ready == Some(false))
    }

    fn before(&self) -> Stage {
        match &self.scheduled {
            Some((false, _, words)) => {
                Stage::Before(Cause::Unschedulable.text(words), Some(Cause::Unschedulable))
            }
            Some((true, ..)) => Stage::Before("its node prepares the pod".to_owned(), None),
            None => Stage::Before("waits for a node".to_owned(), None),
        }
    }

    /// Since when its node could have begun it.
    pub(super) fn placed_at(&self) -> Option<Timestamp> {
        let placed = self.scheduled.as_ref().filter(|(is, ..)| *is);
        placed.and_then(|(_, at, _)| *at).or(self.made)
    }

    /// What is seen of it.
    pub(super) fn sighting(&self, now: Timestamp) -> Sighting {
        let instance = instance(&self.uid);
        match self.stage(now) {
            Stage::Hidden(why) => Sighting::Unknown {
                why: Cause::NodeLost.text(why),
            },
            Stage::Before(..) | Stage::Runs => Sighting::Alive { instance },
            Stage::Over => {
                let code = match &self.state {
                    State::Terminated { code, .. } => Some(*code),
                    _ => None,
                };
                let signal = code.filter(|c| (129..=192).contains(c)).map(|c| c - 128);
                Sighting::Exited {
                    instance,
                    code: code.filter(|_| signal.is_none()),
                    signal,
                    why: self.why(),
                }
            }
        }
    }

    /// What the cluster knows about the end, and a code does not say.
    fn why(&self) -> Option<Failure> {
        let cause = self.cause()?;
        let container = match &self.state {
            State::Terminated { message, .. } => message.as_str(),
            _ => "",
        };
        let disruption = self.disruption.as_ref().map_or("", |(_, words)| words);
        let all = [self.message.as_str(), disruption, container];
        let words = all.into_iter().find(|w| !w.is_empty());
        Some(cause.failure(words.unwrap_or_default()))
    }

    fn cause(&self) -> Option<Cause> {
        let State::Terminated { reason, .. } = &self.state else {
            return self.failed.then_some(Cause::Rejected);
        };
        let by = self.disruption.as_ref().map(|(by, _)| by.as_str());
        match (reason.as_str(), self.reason.as_str(), by) {
            ("OOMKilled", ..) => Some(Cause::OutOfMemory),
            (_, "Evicted", _) if self.is_own_use() => Some(Cause::OutOfDisk),
            (_, _, Some("EvictionByEvictionAPI")) => Some(Cause::Drained),
            (_, _, Some("PreemptionByScheduler")) => Some(Cause::Displaced),
            (_, "Evicted", _) | (_, _, Some(_)) => Some(Cause::Evicted),
            ("ContainerStatusUnknown", ..) => Some(Cause::NodeRestarted),
            ("StartError" | "ContainerCannotRun", ..) => Some(Cause::NoRunner),
            _ => None,
        }
    }

    /// The kubelet's words when a pod goes beyond its own limits, and not its node.
    fn is_own_use(&self) -> bool {
        self.message.contains("exceeds the")
    }
}

/// A container that was not begun, and whether that may last for ever.
fn waiting(reason: &str, message: &str) -> Stage {
    let cause = match reason {
        "InvalidImageName" | "ErrImageNeverPull" => Cause::NoImage,
        "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {
            image(message)
        }
        "CreateContainerConfigError" => Cause::NoConfig,
        "CreateContainerError" | "RunContainerError" => Cause::NoRunner,
        _ => {
            let text = format!("its node prepares the pod: {reason}");
            return Stage::Before(text, Some(Cause::NoVolume));
        }
    };
    Stage::Before(cause.text(message), Some(cause))
}

/// Words of registries and runtimes that say that asking again does not help.
fn image(message: &str) -> Cause {
    let final_words = [
        "not found",
        "not exist",
        "manifest unknown",
        "denied",
        "unauthorized",
        "no match for platform",
    ];
    let text = message.to_lowercase();
    if final_words.iter().any(|w| text.contains(w)) {
        Cause::NoImage
    } else {
        Cause::NoRegistry
    }
}

fn version(text: Option<&str>) -> u64 {
    text.and_then(|v| v.parse().ok()).unwrap_or_default()
}

fn told(condition: &PodCondition) -> (String, String) {
    let text = |t: &Option<String>| shortened(t.as_deref().unwrap_or_default());
    (text(&condition.reason), text(&condition.message))
}

fn scheduled(condition: &PodCondition) -> (bool, Option<Timestamp>, String) {
    let at = condition.last_transition_time.as_ref().map(|t| t.0);
    (condition.status == "True", at, told(condition).1)
}

impl State {
    fn read(container: &ContainerStatus) -> Self {
        let state = container.state.clone().unwrap_or_default();
        let text = |t: Option<String>| shortened(&t.unwrap_or_default());
        if let Some(ContainerStateTerminated {
            exit_code,
            reason,
            message,
            ..
        }) = state.terminated
        {
            return Self::Terminated {
                code: exit_code,
                reason: text(reason),
                message: text(message),
            };
        }
        if state.running.is_some() {
            return Self::Running(container.ready);
        }
        match state.waiting {
            Some(ContainerStateWaiting { reason, message }) => Self::Waiting {
                reason: text(reason),
                message: text(message),
            },
            None => Self::Untold,
        }
    }
}

#[cfg(test)]
mod tests;
