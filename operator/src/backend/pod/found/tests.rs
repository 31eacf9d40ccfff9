//! What a pod's status means.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

use sandbox_core::FailureClass;
use serde_json::{Value, json};

use super::*;

const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

fn found(status: &Value) -> Found {
    let pod = json!({
        "metadata": {
            "name": format!("aj-{UID}-1"), "namespace": "team-a", "uid": "u-1", "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{
                "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "name": "job", "uid": UID,
                "controller": true,
            }],
        },
        "spec": {"containers": [], "nodeName": "n"},
        "status": status,
    });
    Found::read(&serde_json::from_value(pod).unwrap())
}

fn container(state: &Value, ready: bool) -> Value {
    json!([{"name": "runner", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": state}])
}

fn now() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

fn end(status: &Value) -> (Option<i32>, Option<i32>, Option<FailureClass>, String) {
    match found(status).sighting(now()) {
        Sighting::Exited {
            code, signal, why, ..
        } => {
            let text = why.as_ref().map(|f| f.message.clone()).unwrap_or_default();
            (code, signal, why.map(|f| f.class), text)
        }
        other => panic!("expected an end: {other:?}"),
    }
}

fn terminated(code: i32, reason: &str) -> Value {
    container(
        &json!({"terminated": {"exitCode": code, "reason": reason}}),
        false,
    )
}

#[test]
fn an_end_that_the_kubelet_tells_is_an_end_with_its_code_or_signal() {
    let status = |code| json!({"phase": "Failed", "containerStatuses": terminated(code, "Error")});
    assert_eq!(end(&status(75)).0, Some(75));
    assert_eq!(end(&status(143)).1, Some(15));
    assert_eq!(end(&status(1)).2, None);
}

#[test]
fn a_pod_that_runs_is_alive_until_its_node_is_silent() {
    let running = container(&json!({"running": {}}), true);
    let status = |ready: &str| {
        json!({"phase": "Running", "containerStatuses": running,
            "conditions": [{"type": "Ready", "status": ready}]})
    };
    let seen = found(&status("True")).sighting(now());
    assert_eq!(
        seen,
        Sighting::Alive {
            instance: "pod:u-1".to_owned()
        }
    );
    let seen = found(&status("False")).sighting(now());
    assert!(matches!(seen, Sighting::Unknown { .. }), "{seen:?}");
}

#[test]
fn what_the_cluster_gave_up_is_not_taken_for_dead() {
    for by in ["DeletionByTaintManager", "DeletionByPodGC"] {
        let status = json!({"phase": "Failed",
            "containerStatuses": container(&json!({"running": {}}), false),
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": by}]});
        let seen = found(&status).sighting(now());
        assert!(matches!(seen, Sighting::Unknown { .. }), "{by}: {seen:?}");
    }
}

#[test]
fn an_end_that_nobody_confirms_is_unknown() {
    let mut pod = found(
        &json!({"phase": "Running", "containerStatuses": container(&json!({"running": {}}), true)}),
    );
    pod.ends = Some("2026-01-01T00:00:45Z".parse().unwrap());
    assert_eq!(pod.stage(now()), Stage::Runs);
    pod.ends = Some("2026-01-01T00:00:15Z".parse().unwrap());
    assert!(matches!(pod.stage(now()), Stage::Hidden(_)));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table, whose rows are written out")]
fn each_way_to_lose_a_pod_has_its_class() {
    use FailureClass::{AgentError, Infrastructure, InvalidSpec, Preempted};
    let room = "Usage of EmptyDir volume \"work\" exceeds the limit \"1Mi\".";
    let low = "The node was low on resource: memory.";
    // The container's end, the pod's reason and message, by whom it was disrupted.
    for (code, end_of, (reason, message), by, class) in [
        (137, "OOMKilled", ("", ""), "", AgentError),
        (137, "Error", ("Evicted", room), "", AgentError),
        (
            137,
            "Error",
            ("Evicted", low),
            "TerminationByKubelet",
            Preempted,
        ),
        (143, "Error", ("", ""), "EvictionByEvictionAPI", Preempted),
        (143, "Error", ("", ""), "PreemptionByScheduler", Preempted),
        (137, "ContainerStatusUnknown", ("", ""), "", Infrastructure),
        (128, "StartError", ("", ""), "", InvalidSpec),
        (0, "", ("OutOfcpu", "not enough cpu"), "", Infrastructure),
    ] {
        let containers = if end_of.is_empty() {
            json!([])
        } else {
            terminated(code, end_of)
        };
        let conditions = if by.is_empty() {
            json!([])
        } else {
            json!([{"type": "DisruptionTarget", "status": "True", "reason": by}])
        };
        let status = json!({"phase": "Failed", "reason": reason, "message": message,
            "containerStatuses": containers, "conditions": conditions});
        let (_, _, seen, text) = end(&status);
        assert_eq!(seen, Some(class), "{status}: {text}");
    }
}

#[test]
fn a_pod_that_waits_says_for_what() {
    let waits = |reason: &str, message: &str| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        let status = json!({"phase": "Pending", "containerStatuses": container(&state, false)});
        match found(&status).stage(now()) {
            Stage::Before(text, cause) => (text, cause),
            other => panic!("{other:?}"),
        }
    };
    for (reason, message, cause) in [
        ("ContainerCreating", "", Cause::NoVolume),
        ("ErrImagePull", "manifest for x not found", Cause::NoImage),
        (
            "ImagePullBackOff",
            "Back-off: pull access denied",
            Cause::NoImage,
        ),
        ("ErrImagePull", "dial tcp: i/o timeout", Cause::NoRegistry),
        ("InvalidImageName", "", Cause::NoImage),
        ("ErrImageNeverPull", "", Cause::NoImage),
        (
            "CreateContainerConfigError",
            "secret \"s\" not found",
            Cause::NoConfig,
        ),
        ("RunContainerError", "", Cause::NoRunner),
    ] {
        let (text, seen) = waits(reason, message);
        assert_eq!(seen, Some(cause), "{reason}");
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn the_schedulers_own_words_are_told() {
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
    }]});
    match found(&status).stage(now()) {
        Stage::Before(text, Some(Cause::Unschedulable)) => {
            assert!(text.contains("Insufficient cpu"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_of_the_right_name_with_another_owner_is_not_ours() {
    let mut pod = found(&Value::Null);
    assert!(pod.seat().is_some());
    pod.owner = Some("another".to_owned());
    assert_eq!(pod.seat(), None);
    pod.owner = None;
    assert_eq!(pod.seat(), None);
}
