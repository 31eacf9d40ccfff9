//! `RunnerHost` as people meet it: by the real kubectl on a real API server.

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
