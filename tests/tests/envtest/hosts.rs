//! `RunnerHost` as people meet it: by the real kubectl on a real API server.

use std::time::Instant;

use sandbox_tests::{
    node::PATIENCE,
    operator::{LEASE, Operator},
    tower::Machine,
};
use serde_json::{Value, json};

use super::world::{World, rows};

fn host(name: &str, labels: &Value) -> Value {
    let pin = "A".repeat(43) + "=";
    json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "RunnerHost", "metadata": {"name": name, "labels": labels},
        "spec": {
            "address": format!("{name}.example.org:8443"), "certificate": {"spkiSha256": [pin]},
            "credentials": {"secretName": name}, "slots": 4,
        },
    })
}

#[tokio::test]
async fn a_host_is_shown_with_its_health_and_its_free_slots() {
    let world = World::named("host-shown").await;
    world.apply(&host("vps-1", &json!({})));
    let status = json!({"status": {
        "slots": 4, "freeSlots": 3, "lastSeenAt": "2026-01-01T00:00:00Z", "backends": ["vps", "container"],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Answers", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }});
    let patch = status.to_string();
    world.said(&[
        "patch",
        "rh",
        "vps-1",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
    for name in ["rh", "runnerhosts", "runners"] {
        let table = world.said(&["get", name]);
        let rows = rows(&table);
        assert_eq!(
            rows[0],
            [
                "NAME", "ADDRESS", "READY", "REASON", "FREE", "SLOTS", "SEEN", "AGE"
            ]
        );
        assert_eq!(
            rows[1][..6],
            [
                "vps-1",
                "vps-1.example.org:8443",
                "True",
                "Answers",
                "3",
                "4"
            ]
        );
    }
    assert_eq!(
        world.object(&["rh", "vps-1"])["spec"]["credentials"]["key"],
        "token"
    );
}

#[tokio::test]
async fn hosts_are_chosen_by_labels_and_by_whether_they_take_work() {
    let world = World::named("host-chosen").await;
    world.apply(&host("near", &json!({"region": "eu"})));
    let mut full = host("far", &json!({"region": "us"}));
    full["spec"]["unschedulable"] = json!(true);
    world.apply(&full);
    let by = |flag: &str, what: &str| world.said(&["get", "rh", "-o", "name", flag, what]);
    assert_eq!(by("-l", "region=eu"), "runnerhost.multiagent.dev/near\n");
    let address = "spec.address=near.example.org:8443";
    assert_eq!(
        by("--field-selector", address),
        "runnerhost.multiagent.dev/near\n"
    );
    let held = "spec.unschedulable=true";
    assert_eq!(
        by("--field-selector", held),
        "runnerhost.multiagent.dev/far\n"
    );
}

#[tokio::test]
async fn a_host_keeps_its_address_and_may_change_its_certificate() {
    let world = World::named("host-changed").await;
    world.apply(&host("vps", &json!({})));
    let moved = json!({"spec": {"address": "other.example.org:8443"}}).to_string();
    let said = world.refusal(
        &["patch", "rh", "vps", "--type=merge", "-p", &moved],
        &Value::Null,
    );
    let words = "spec.address: Invalid value: ";
    assert!(
        said.contains(words) && said.contains("make another RunnerHost"),
        "{said}"
    );
    let pins = ["A".repeat(43) + "=", "B".repeat(43) + "="];
    let pinned =
        json!({"spec": {"certificate": {"spkiSha256": pins}, "unschedulable": true}}).to_string();
    world.said(&["patch", "rh", "vps", "--type=merge", "-p", &pinned]);
}

fn operator(world: &World) -> Operator {
    let namespace = &world.namespace;
    let args = [
        format!("--namespace={namespace}"),
        format!("--watch-namespaces={namespace}"),
        "--lease-duration=3s".to_owned(),
        "--renew-deadline=2s".to_owned(),
        "--retry-period=300ms".to_owned(),
        "--auth=false".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    world.lease(LEASE);
    Operator::start(&world.kubeconfig(), &args)
}

/// What `sandbox host` prints on this machine, as objects.
fn printed(machine: &Machine) -> Vec<Value> {
    let said = machine.command(&[
        "host",
        "--address",
        &machine.address,
        "--name",
        "vps-1",
        "--label",
        "region=eu",
    ]);
    let parts = said.split("---\n").filter(|p| !p.trim().is_empty());
    parts.map(|p| serde_saphyr::from_str(p).unwrap()).collect()
}

fn wait(world: &World, what: &[&str]) {
    let patience = format!("--timeout={}s", PATIENCE.as_secs());
    world.said(&[&["wait"], what, &[&patience]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_applied_runs_on_the_machine_that_its_labels_choose() {
    let world = World::named("host-job").await;
    let machine = Machine::start();
    let operator = operator(&world);
    operator.ready().await;
    for object in printed(&machine) {
        world.apply(&object);
    }
    wait(&world, &["rh/vps-1", "--for=condition=Ready"]);
    let host = world.object(&["rh", "vps-1"]);
    assert_eq!(host["status"]["slots"], 2, "{host}");
    assert_eq!(host["status"]["backends"], json!(["vps"]));
    world.apply(&json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": "far"},
        "spec": {
            "type": "echo", "echo": {"message": "hello"},
            "backend": {"name": "vps", "hostSelector": {"matchLabels": {"region": "eu"}}},
        },
    }));
    wait(&world, &["aj/far", "--for=condition=Succeeded"]);
    let status = world.object(&["aj", "far"])["status"].take();
    assert_eq!(
        status["result"]["inline"]["echoed_message"], "hello",
        "{status}"
    );
    let placed = &status["backendRef"]["host"];
    assert_eq!(
        (&placed["name"], &placed["uid"]),
        (&json!("vps-1"), &host["metadata"]["uid"])
    );
    let job = serde_json::from_value(world.object(&["aj", "far"])).unwrap();
    assert_eq!(machine.starts(&job).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_not_well_says_why_and_its_jobs_wait() {
    let world = World::named("host-unwell").await;
    let machine = Machine::start();
    let operator = operator(&world);
    operator.ready().await;
    let [secret, host] = <[Value; 2]>::try_from(printed(&machine)).unwrap();
    world.apply(&host);
    until(&world, "CredentialsMissing").await;
    world.apply(&json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": "far"},
        "spec": {"type": "echo", "echo": {"message": "hello"}, "backend": {"name": "vps"}},
    }));
    let reason =
        "--for=jsonpath={.status.conditions[?(@.type==\"Succeeded\")].reason}=WaitingForHost";
    wait(&world, &["aj/far", reason]);
    let status = world.object(&["aj", "far"])["status"].take();
    let why = status["queuedReason"].as_str().unwrap();
    assert!(
        why.contains("vps-1") && why.contains("hosts.secrets"),
        "{why}"
    );
    world.apply(&secret);
    // Has the object looked at again, and its secret with it.
    world.said(&["label", "rh", "vps-1", "looked=again"]);
    wait(&world, &["aj/far", "--for=condition=Succeeded"]);
    let pin = json!({"spec": {"certificate": {"spkiSha256": ["A".repeat(43) + "="]}}}).to_string();
    world.said(&["patch", "rh", "vps-1", "--type=merge", "-p", &pin]);
    until(&world, "CertificateMismatch").await;
}

/// Waits until the machine is not ready for this reason.
async fn until(world: &World, reason: &str) {
    let begun = Instant::now();
    loop {
        let host = world.object(&["rh", "vps-1"]);
        if host["status"]["conditions"][0]["reason"] == reason {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "never {reason}: {host}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
