//! What it means that ECS did not start a task. Pure.

use aws_sdk_ecs::types::Failure as NotPlaced;

use super::cause::Cause;
use crate::aws::Fault;

/// What ECS's answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It will not be started.
    Never(Cause, String),
    /// The same may be started later.
    Later(Cause, String),
    /// It may be started elsewhere, or later; this launch is over.
    NoRoom(Cause, String),
    /// It is not known whether it was started.
    Lost(String),
}

/// What an error of the call means.
pub(super) fn of_a_fault(fault: Fault) -> Refusal {
    match fault {
        Fault::Throttled(words) => Refusal::Later(Cause::Throttled, words),
        Fault::Credentials(words) => Refusal::Later(Cause::NoCredentials, words),
        Fault::Unknown(words) => Refusal::Lost(words),
        Fault::Refused { code, words } => of_a_code(&code, words),
    }
}

fn of_a_code(code: &str, words: String) -> Refusal {
    let said = words.to_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|p| said.contains(p));
    let about = || match () {
        () if any(&["number of vcpus", "vcpu limit", "quota"]) => None,
        () if any(&["taskdefinition", "task definition"]) => Some(Cause::NoDefinition),
        () if any(&["capacity provider"]) => Some(Cause::NoProvider),
        () if any(&["subnet", "security group", "network configuration"]) => {
            Some(Cause::BadNetwork)
        }
        () if any(&["fargate configuration", "cpu", "memory", "ephemeral"]) => Some(Cause::BadSize),
        () => Some(Cause::Denied),
    };
    let cause = match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Cause::NotAllowed,
        "ClusterNotFoundException" => Cause::NoCluster,
        "BlockedException" => Cause::Blocked,
        "ClientException" | "InvalidParameterException" | "LimitExceededException" => match about()
        {
            Some(cause) => cause,
            None => return Refusal::NoRoom(Cause::OverQuota, words),
        },
        _ => Cause::Denied,
    };
    Refusal::Never(cause, format!("{code}: {words}"))
}

/// What the list of an answer with HTTP 200 means that has no task.
pub(super) fn of_failures(failures: &[NotPlaced]) -> Refusal {
    let Some(first) = failures.first() else {
        return Refusal::Lost("the answer has neither a task nor a failure".to_owned());
    };
    let reason = first.reason().unwrap_or_default();
    let detail = first.detail().unwrap_or_default();
    let words = format!("{reason} {detail}");
    let room = ["capacity", "resource:", "agent"];
    if room.iter().any(|r| reason.to_lowercase().contains(r)) {
        Refusal::NoRoom(Cause::NoCapacity, words)
    } else {
        Refusal::Never(Cause::Denied, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, words: &str) -> Refusal {
        of_a_fault(Fault::Refused {
            code: code.to_owned(),
            words: words.to_owned(),
        })
    }

    #[test]
    fn what_will_not_be_started_is_told_by_whose_fault_it_is() {
        for (code, words, cause) in [
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/x is not authorized to perform: ecs:RunTask",
                Cause::NotAllowed,
            ),
            (
                "ClusterNotFoundException",
                "Cluster not found.",
                Cause::NoCluster,
            ),
            (
                "ClientException",
                "TaskDefinition not found.",
                Cause::NoDefinition,
            ),
            (
                "InvalidParameterException",
                "TaskDefinition is inactive",
                Cause::NoDefinition,
            ),
            (
                "InvalidParameterException",
                "The specified capacity provider 'FARGATE_SPOT' was not found.",
                Cause::NoProvider,
            ),
            (
                "InvalidParameterException",
                "Error retrieving subnet information for [subnet-0]",
                Cause::BadNetwork,
            ),
            (
                "ClientException",
                "No Fargate configuration exists for given values: 300 CPU, 512 memory.",
                Cause::BadSize,
            ),
            (
                "BlockedException",
                "Your account was blocked",
                Cause::Blocked,
            ),
            ("InvalidParameterException", "something else", Cause::Denied),
            ("UnsupportedFeatureException", "x", Cause::Denied),
        ] {
            assert!(
                matches!(refused(code, words), Refusal::Never(c, _) if c == cause),
                "{code} {words}"
            );
        }
    }

    #[test]
    fn a_quota_that_is_used_up_is_no_room_and_too_many_calls_are_asked_again() {
        let quota = "You've reached the limit on the number of vCPUs you can run concurrently";
        assert!(matches!(
            refused("ClientException", quota),
            Refusal::NoRoom(Cause::OverQuota, _)
        ));
        let throttled = of_a_fault(Fault::Throttled("x".to_owned()));
        assert!(matches!(throttled, Refusal::Later(Cause::Throttled, _)));
        let lost = of_a_fault(Fault::Unknown("500".to_owned()));
        assert!(matches!(lost, Refusal::Lost(_)));
    }

    #[test]
    fn of_an_answer_without_a_task_its_list_says_why() {
        let of = |reason: &str| of_failures(&[NotPlaced::builder().reason(reason).build()]);
        let none = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
        for reason in [none, "RESOURCE:ENI"] {
            assert!(
                matches!(of(reason), Refusal::NoRoom(Cause::NoCapacity, _)),
                "{reason}"
            );
        }
        assert!(matches!(of("INACTIVE"), Refusal::Never(Cause::Denied, _)));
        assert!(matches!(of_failures(&[]), Refusal::Lost(_)));
    }
}
