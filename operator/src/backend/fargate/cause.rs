//! Why a task was not started or did not end well: one table of what is seen, whose fault it is and what to do.
//! docs/fargate-failures.md is made of it.

use sandbox_core::{Failure, FailureClass};

use crate::backend::cause::{table, told};

/// What went wrong with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It used more memory than it has.
    OutOfMemory,
    /// AWS took its Spot capacity back.
    Interrupted,
    /// AWS took down the machine beneath it.
    Retired,
    /// The machine beneath it failed.
    Unhealthy,
    /// Its image is not there or may not be pulled.
    NoImage,
    /// A secret that its definition names cannot be read.
    NoSecret,
    /// A secret of its tenant that the job names is not there.
    NoTenantSecret,
    /// Its network was not made.
    NoNetwork,
    /// Its image has no runner.
    NoRunner,
    /// It was not begun for another reason.
    NotBegun,
    /// Nothing is known of it any more.
    Missing,
    /// There is no capacity now.
    NoCapacity,
    /// The account has used up its quota.
    OverQuota,
    /// AWS is asked too often.
    Throttled,
    /// More launches wait than are allowed in a second.
    Queued,
    /// AWS does not know or accept whose rights these are.
    NoCredentials,
    /// The rights do not reach.
    NotAllowed,
    /// The cluster is not there.
    NoCluster,
    /// The task definition is not there.
    NoDefinition,
    /// The cluster does not have this capacity.
    NoProvider,
    /// The subnets or security groups are wrong.
    BadNetwork,
    /// The size is not one of Fargate's.
    BadSize,
    /// The account is blocked.
    Blocked,
    /// ECS refuses the task for another reason.
    Denied,
    /// The launch says more than ECS takes.
    TooLong,
    /// A task of this launch is there and is not the job's.
    Taken,
}

impl Cause {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 26] = [
        Self::OutOfMemory,
        Self::Interrupted,
        Self::Retired,
        Self::Unhealthy,
        Self::NoImage,
        Self::NoSecret,
        Self::NoTenantSecret,
        Self::NoNetwork,
        Self::NoRunner,
        Self::NotBegun,
        Self::Missing,
        Self::NoCapacity,
        Self::OverQuota,
        Self::Throttled,
        Self::Queued,
        Self::NoCredentials,
        Self::NotAllowed,
        Self::NoCluster,
        Self::NoDefinition,
        Self::NoProvider,
        Self::BadNetwork,
        Self::BadSize,
        Self::Blocked,
        Self::Denied,
        Self::TooLong,
        Self::Taken,
    ];

    /// What ECS's words about a task that stopped mean; none where its container's code says it all.
    #[must_use]
    pub fn of_a_stop(code: &str, reason: &str, container: &str) -> Option<Self> {
        let says = |words: &str| reason.contains(words) || container.contains(words);
        match code {
            _ if says("OutOfMemory") => Some(Self::OutOfMemory),
            "SpotInterruption" => Some(Self::Interrupted),
            "TerminationNotice" => Some(Self::Retired),
            "InfrastructureHealth" => Some(Self::Unhealthy),
            "TaskFailedToStart" => Some(Self::of_a_start(&says)),
            // A container that cannot be begun ends the task, too.
            _ if says("CannotPull") || says("CannotStart") || says("CannotCreate") => {
                Some(Self::of_a_start(&says))
            }
            _ => None,
        }
    }

    fn of_a_start(says: &dyn Fn(&str) -> bool) -> Self {
        let any = |words: &[&str]| words.iter().any(|w| says(w));
        match () {
            () if any(&[
                "CannotPull",
                "pull image",
                "pull registry auth",
                "registry auth",
            ]) =>
            {
                // What is not there will not be there; what does not answer may.
                let never = [
                    "not found",
                    "not exist",
                    "denied",
                    "manifest unknown",
                    "no basic auth",
                ];
                if any(&never) {
                    Self::NoImage
                } else {
                    Self::NoNetwork
                }
            }
            () if any(&[
                "retrieve secret",
                "pull secrets",
                "ssm parameter",
                "AccessDenied",
            ]) =>
            {
                Self::NoSecret
            }
            () if any(&["network interface", "ENI", "i/o timeout", "timeout"]) => Self::NoNetwork,
            () if any(&[
                "CannotStart",
                "CannotCreate",
                "executable file",
                "exec format",
            ]) =>
            {
                Self::NoRunner
            }
            () => Self::NotBegun,
        }
    }

    /// What happened, as a person is told.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::OutOfMemory => "the task ran out of memory",
            Self::Interrupted => "AWS took the task's Spot capacity back",
            Self::Retired => "AWS ended the task to take down the machine beneath it",
            Self::Unhealthy => "the machine beneath the task failed",
            Self::NoImage => "the task's image cannot be pulled",
            Self::NoSecret => "a secret of the task definition cannot be read",
            Self::NoTenantSecret => "a secret of the tenant that the job names is not there",
            Self::NoNetwork => "the task had no way to its registry or to AWS",
            Self::NoRunner => "the task's image has no runner that can be begun",
            Self::NotBegun => "the task was not begun",
            Self::Missing => "nothing is known of the task: ECS does not tell of it",
            Self::NoCapacity => "Fargate has no capacity for the task now",
            Self::OverQuota => "the account's quota of Fargate processors is used up",
            Self::Throttled => "AWS says that it is asked too often",
            Self::Queued => "more tasks wait to be launched than Fargate launches in a second",
            Self::NoCredentials => {
                "AWS does not accept the operator's credentials, or there are none"
            }
            Self::NotAllowed => "the operator's role may not do this",
            Self::NoCluster => "there is no such cluster in this region",
            Self::NoDefinition => "there is no such task definition, or it is inactive",
            Self::NoProvider => "the cluster does not have this capacity provider",
            Self::BadNetwork => "the subnets or security groups of tasks are not right",
            Self::BadSize => "Fargate has no task of this size",
            Self::Blocked => "AWS has blocked the account",
            Self::Denied => "ECS refuses the task",
            Self::TooLong => "the launch says more than the 8,192 characters that ECS takes",
            Self::Taken => "a task of this launch is there and is not the job's",
        }
    }

    /// By what it is known.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::OutOfMemory => "a stop whose words have `OutOfMemory`",
            Self::Interrupted => "the stop code `SpotInterruption`",
            Self::Retired => "the stop code `TerminationNotice`",
            Self::Unhealthy => "the stop code `InfrastructureHealth`",
            Self::NoImage => "`CannotPullContainerError` with words such as `not found`",
            Self::NoSecret => "`ResourceInitializationError` about secrets",
            Self::NoTenantSecret => {
                "`ResourceNotFoundException` of Secrets Manager, before ECS is asked"
            }
            Self::NoNetwork => {
                "`CannotPullContainerError` with any other words, or words about an interface or a timeout"
            }
            Self::NoRunner => "`CannotStartContainerError`, `CannotCreateContainerError`",
            Self::NotBegun => "the stop code `TaskFailedToStart` with any other words",
            Self::Missing => "`MISSING` from `DescribeTasks`",
            Self::NoCapacity => "`failures[]` about capacity, with HTTP 200",
            Self::OverQuota => "`ClientException` about the number of vCPUs",
            Self::Throttled => "`ThrottlingException`",
            Self::Queued => "our own count of launches: 20 a second, 100 at once, of each capacity",
            Self::NoCredentials => {
                "`UnrecognizedClientException`, `ExpiredTokenException`, or no credentials at all"
            }
            Self::NotAllowed => {
                "`AccessDeniedException`; its words name the action, such as `ecs:RunTask` or `iam:PassRole`"
            }
            Self::NoCluster => "`ClusterNotFoundException`",
            Self::NoDefinition => {
                "`ClientException` or `InvalidParameterException` about the task definition"
            }
            Self::NoProvider => "`InvalidParameterException` about the capacity provider",
            Self::BadNetwork => "`InvalidParameterException` about subnets or security groups",
            Self::BadSize => "`InvalidParameterException` or `ClientException` about cpu or memory",
            Self::Blocked => "`BlockedException`",
            Self::Denied => "any other refusal",
            Self::TooLong => "our own count, before ECS is asked",
            Self::Taken => "`ConflictException` whose task has another `startedBy`",
        }
    }

    /// Whose fault it is, which decides about retries.
    #[must_use]
    pub const fn class(self) -> FailureClass {
        match self {
            Self::OutOfMemory => FailureClass::AgentError,
            Self::Interrupted | Self::Retired => FailureClass::Preempted,
            Self::NoImage
            | Self::NoTenantSecret
            | Self::NoRunner
            | Self::BadSize
            | Self::TooLong => FailureClass::InvalidSpec,
            _ => FailureClass::Infrastructure,
        }
    }

    /// What becomes of the attempt.
    #[must_use]
    pub const fn course(self) -> &'static str {
        match self {
            Self::Missing => "waits for the lease and the grace, then fails",
            Self::NoCapacity | Self::OverQuota => {
                "tries the next capacity, then asks again for ten minutes, then fails"
            }
            Self::Throttled | Self::NoCredentials | Self::NoTenantSecret => {
                "asks again for ten minutes, then fails"
            }
            Self::Queued => "waits for its turn",
            _ => "fails",
        }
    }

    /// What a person can do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::OutOfMemory => "give it more with spec.backend.fargate.resources.memory",
            Self::Interrupted => "nothing: it is tried again; or ask for `capacity: on-demand`",
            Self::Retired | Self::Unhealthy => "nothing: it is tried again",
            Self::NoImage => {
                "correct the image in the task definition, or the execution role's right to pull it"
            }
            Self::NoSecret => {
                "give the execution role the right to read the secret, and the subnets a way to it"
            }
            Self::NoTenantSecret => "make it with the command that the message has",
            Self::NoNetwork => {
                "give the subnets a way out by NAT or VPC endpoints, or the tasks a public address"
            }
            Self::NoRunner => {
                "build the image as images/runner/Dockerfile does, for the processor of the task definition"
            }
            Self::NotBegun => "`aws ecs describe-tasks` says more",
            Self::Missing => "look at the cluster with `aws ecs describe-tasks`",
            Self::NoCapacity => {
                "name more subnets in other zones, or ask for `capacity: spot-with-fallback` or `on-demand`"
            }
            Self::OverQuota => {
                "raise \"Fargate On-Demand vCPU resource count\" or \"Fargate Spot vCPU resource count\" in Service Quotas; new accounts may have next to none"
            }
            Self::Throttled => "wait, or ask AWS for a higher rate",
            Self::Queued => "wait, or have AWS raise the launch rate and set --fargate-launches",
            Self::NoCredentials => {
                "give the operator a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            Self::NotAllowed => {
                "give the operator's role the action that the message names; docs/fargate.md lists all of them"
            }
            Self::NoCluster => "correct --fargate-cluster or AWS_REGION",
            Self::NoDefinition => "register it, or correct --fargate-task-definition",
            Self::NoProvider => {
                "add FARGATE and FARGATE_SPOT to the cluster with `aws ecs put-cluster-capacity-providers`"
            }
            Self::BadNetwork => "correct --fargate-subnets or --fargate-security-groups",
            Self::BadSize => "change spec.backend.fargate.resources in a new job",
            Self::Blocked => "ask AWS Support",
            Self::Denied => "change what the message names",
            Self::TooLong => "shorten what the operator's settings add",
            Self::Taken => "stop that task, or give the job again",
        }
    }

    /// The failure, with AWS's own words.
    #[must_use]
    pub fn failure(self, words: &str) -> Failure {
        Failure::new(self.class(), self.text(words))
    }

    /// What happened, in AWS's words too, and what to do.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_failed_is_told_by_its_words() {
        let of = |reason| Cause::of_a_stop("TaskFailedToStart", reason, "");
        for (reason, cause) in [
            (
                "CannotPullContainerError: ref pull has been retried 5 time(s): docker.io/a/b:1: not found",
                Cause::NoImage,
            ),
            (
                "CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout",
                Cause::NoNetwork,
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: AccessDenied",
                Cause::NoNetwork,
            ),
            (
                "ResourceInitializationError: unable to retrieve secret from asm",
                Cause::NoSecret,
            ),
            (
                "Timeout waiting for network interface provisioning to complete.",
                Cause::NoNetwork,
            ),
            (
                "CannotStartContainerError: exec format error",
                Cause::NoRunner,
            ),
            ("InternalError", Cause::NotBegun),
        ] {
            assert_eq!(of(reason), Some(cause), "{reason}");
        }
    }

    #[test]
    fn a_container_that_ended_by_itself_or_was_stopped_needs_no_cause() {
        assert_eq!(
            Cause::of_a_stop(
                "EssentialContainerExited",
                "Essential container in task exited",
                ""
            ),
            None
        );
        assert_eq!(
            Cause::of_a_stop("UserInitiated", "the seat is over", ""),
            None
        );
        let memory = "OutOfMemoryError: Container killed due to memory usage";
        assert_eq!(
            Cause::of_a_stop("EssentialContainerExited", "", memory),
            Some(Cause::OutOfMemory)
        );
    }
}
