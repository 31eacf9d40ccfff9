//! Why a pod did not run or did not end well: one table of what is seen, whose fault it is and what to do.
//! docs/pod-failures.md is made of it.

use sandbox_core::{Failure, FailureClass};

use crate::backend::cause::{table, told};

/// What went wrong with a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It used more memory than its limit.
    OutOfMemory,
    /// It used more of the node's disk than its limit.
    OutOfDisk,
    /// Its node needed the room.
    Evicted,
    /// It was evicted by a drain or by another program.
    Drained,
    /// The scheduler gave its place to a pod of higher priority.
    Displaced,
    /// The node's kubelet would not take it.
    Rejected,
    /// Its node was started again.
    NodeRestarted,
    /// Its node does not answer, or its pod is gone unseen.
    NodeLost,
    /// Its image is not there or may not be pulled.
    NoImage,
    /// The registry does not answer.
    NoRegistry,
    /// A secret or config map that it names is not there.
    NoConfig,
    /// Its volumes are not ready.
    NoVolume,
    /// Its image has no runner.
    NoRunner,
    /// No node fits.
    Unschedulable,
    /// The namespace has used up its quota.
    OverQuota,
    /// The namespace is being deleted.
    Terminating,
    /// The cluster's policy refuses it.
    Denied,
    /// The operator may not make pods there.
    NotAllowed,
    /// A pod of its name is there and is not ours.
    Taken,
}

impl Cause {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::OutOfMemory,
        Self::OutOfDisk,
        Self::Evicted,
        Self::Drained,
        Self::Displaced,
        Self::Rejected,
        Self::NodeRestarted,
        Self::NodeLost,
        Self::NoImage,
        Self::NoRegistry,
        Self::NoConfig,
        Self::NoVolume,
        Self::NoRunner,
        Self::Unschedulable,
        Self::OverQuota,
        Self::Terminating,
        Self::Denied,
        Self::NotAllowed,
        Self::Taken,
    ];

    /// What happened, as a person is told.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::OutOfMemory => "the pod ran out of memory",
            Self::OutOfDisk => "the pod used more disk than it may",
            Self::Evicted => "the pod was evicted because its node ran out of something",
            Self::Drained => "the pod was evicted, by a drain of its node or by another program",
            Self::Displaced => "the pod lost its place to one of higher priority",
            Self::Rejected => "the node would not take the pod",
            Self::NodeRestarted => "the pod's container is gone: its node was started again",
            Self::NodeLost => {
                "nothing is known of the pod: its node does not answer, or it was deleted by force"
            }
            Self::NoImage => "the pod's image cannot be pulled",
            Self::NoRegistry => "the registry of the pod's image does not answer",
            Self::NoConfig => "a secret or config map that the pod needs is not there",
            Self::NoVolume => "the pod's volumes are not ready",
            Self::NoRunner => "the pod's image has no runner in it",
            Self::Unschedulable => "no node fits the pod",
            Self::OverQuota => "the namespace's quota is used up",
            Self::Terminating => "the namespace is being deleted",
            Self::Denied => "the cluster's policy refuses the pod",
            Self::NotAllowed => "the operator may not make pods in this namespace",
            Self::Taken => "a pod of this name is there and is not the job's",
        }
    }

    /// By what it is known.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::OutOfMemory => "the container's end: `OOMKilled`",
            Self::OutOfDisk => "the pod's reason: `Evicted`, with words about its own use",
            Self::Evicted => {
                "the pod's reason: `Evicted`, or `DisruptionTarget` by `TerminationByKubelet`"
            }
            Self::Drained => "`DisruptionTarget` by `EvictionByEvictionAPI`",
            Self::Displaced => "`DisruptionTarget` by `PreemptionByScheduler`",
            Self::Rejected => "`Failed` without any container",
            Self::NodeRestarted => "the container's end: `ContainerStatusUnknown`",
            Self::NodeLost => {
                "not ready while its container is, `DisruptionTarget` by the taint manager, an end that nobody confirms, no pod"
            }
            Self::NoImage => {
                "`InvalidImageName`, `ErrImageNeverPull`, or `ErrImagePull` with words such as `not found`"
            }
            Self::NoRegistry => "`ErrImagePull` with any other words",
            Self::NoConfig => "`CreateContainerConfigError`",
            Self::NoVolume => "`ContainerCreating` for too long",
            Self::NoRunner => "`StartError`, `RunContainerError`, `CreateContainerError`",
            Self::Unschedulable => "`PodScheduled` is false",
            Self::OverQuota => "403 with `exceeded quota`",
            Self::Terminating => "403 with `NamespaceTerminating`",
            Self::Denied => "400, 403 or 422 at its making",
            Self::NotAllowed => "403 with `cannot create resource`",
            Self::Taken => "409, and its owner is not the job",
        }
    }

    /// Whose fault it is, which decides about retries.
    #[must_use]
    pub const fn class(self) -> FailureClass {
        match self {
            Self::OutOfMemory | Self::OutOfDisk => FailureClass::AgentError,
            Self::Evicted | Self::Drained | Self::Displaced => FailureClass::Preempted,
            Self::NoImage | Self::NoConfig | Self::NoRunner | Self::Denied => {
                FailureClass::InvalidSpec
            }
            Self::Rejected
            | Self::NodeRestarted
            | Self::NodeLost
            | Self::NoRegistry
            | Self::NoVolume
            | Self::Unschedulable
            | Self::OverQuota
            | Self::Terminating
            | Self::NotAllowed
            | Self::Taken => FailureClass::Infrastructure,
        }
    }

    /// What becomes of the attempt.
    #[must_use]
    pub const fn course(self) -> &'static str {
        match self {
            Self::NodeLost => "waits for the lease and the grace, then fails",
            Self::Unschedulable => "waits until the deadline",
            Self::NoImage | Self::NoRegistry | Self::NoConfig | Self::NoVolume => {
                "waits ten minutes, then fails"
            }
            Self::OverQuota => "asks again, as long; then fails",
            _ => "fails",
        }
    }

    /// What a person can do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::OutOfMemory => "give it more with spec.backend.pod.resources.limits.memory",
            Self::OutOfDisk => {
                "give it more with spec.backend.pod.workspace.size or resources.limits.ephemeralStorage"
            }
            Self::Evicted => "ask for what it needs with spec.backend.pod.resources.requests",
            Self::Drained => "nothing: it is tried again on another node",
            Self::Displaced => "give it a spec.backend.pod.priorityClassName, or add nodes",
            Self::Rejected => "look at the node with `kubectl describe node`",
            Self::NodeRestarted => "nothing: it is tried again",
            Self::NodeLost => {
                "look at the node; a pod on a node that is gone for good goes with `kubectl delete node`"
            }
            Self::NoImage => "correct spec.backend.pod.image, or name a secret in imagePullSecrets",
            Self::NoRegistry => "look whether the nodes reach the registry",
            Self::NoConfig => "make it in the job's namespace, or correct its name",
            Self::NoVolume => {
                "`kubectl describe pod` says which volume, config map or secret is missing"
            }
            Self::NoRunner => {
                "build the image as images/runner/Dockerfile does: it needs `tini -- sandbox` as its entry point"
            }
            Self::Unschedulable => {
                "add nodes, or change resources, nodeSelector or tolerations in a new job"
            }
            Self::OverQuota => "wait for other pods to end, or raise the ResourceQuota",
            Self::Terminating => "submit the job in another namespace",
            Self::Denied => "change what the message names, or the policy",
            Self::NotAllowed => "install the chart's role in this namespace",
            Self::Taken => "remove that pod with `kubectl delete pod`",
        }
    }

    /// The failure, with the cluster's own words.
    #[must_use]
    pub fn failure(self, words: &str) -> Failure {
        Failure::new(self.class(), self.text(words))
    }

    /// What happened, in the cluster's words too, and what to do.
    #[must_use]
    pub fn text(self, words: &str) -> String {
        told(self.what(), words, self.remedy())
    }

    /// The table as it stands in the documentation.
    #[must_use]
    pub fn table() -> String {
        table(
            Self::ALL
                .iter()
                .map(|c| [c.what(), c.sign(), c.class().word(), c.course(), c.remedy()]),
        )
    }
}
