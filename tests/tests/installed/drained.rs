//! A node is drained while a job is at work on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sandbox_tests::{interrupted, repository::Repository};
use serde_json::json;

use super::place::{PATIENCE, Place, asked, chat, environment, shared};

/// A node that takes no pods until this goes.
struct Cordoned(Arc<Place>);

impl Drop for Cordoned {
    fn drop(&mut self) {
        let _ = self.0.whole.kubectl(&["uncordon", "node1"]);
    }
}

/// Has the node's jobs go elsewhere, as people do.
fn drained(place: &Arc<Place>) -> Cordoned {
    let cordoned = Cordoned(Arc::clone(place));
    // Of the only node the operator is not drained: its budget of disruptions would have to be broken.
    let drain = [
        "drain",
        "node1",
        "--ignore-daemonsets",
        "--delete-emptydir-data",
    ];
    let jobs = ["--pod-selector=multiagent.dev/job-uid", "--timeout=120s"];
    let said = place.kubectl(&[&drain[..], &jobs].concat());
    assert!(said.contains("evicted"), "{said}");
    cordoned
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_drained_node_is_preempted_waits_for_a_node_and_is_tried_again() {
    let place = shared().await;
    let _turn = place.turn.write().await;
    let model = place.model("- reply: {text: Done.}\n").await;
    model.hold();
    place.submit("team-echo", "drained", &chat(&model, "Say it."));
    asked(&model, 1, &place).await;
    let cordoned = drained(&place);
    let object = ["get", "aj", "drained", "-n", "team-echo", "-o", "json"];
    let from = Instant::now();
    loop {
        let job: serde_json::Value = serde_json::from_str(&place.kubectl(&object)).unwrap();
        let reason = job["status"]["queuedReason"].as_str().unwrap_or_default();
        if job["status"]["attempt"] == 2 && reason.contains("unschedulable") {
            break;
        }
        assert!(from.elapsed() < PATIENCE, "{job:#}\n{}", place.said());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(cordoned);
    model.go_on();
    let status = place.once(("team-echo", "drained"), "Finished");
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    assert_eq!(
        (&status["attempt"], &status["failures"]),
        (&2.into(), &1.into()),
        "{status:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_of_a_drained_node_goes_on_in_its_next_pod_with_its_commits_and_its_conversation() {
    let place = shared().await;
    let _turn = place.turn.write().await;
    let model = place.model(interrupted::SCRIPT).await;
    let repository = Repository::at(place.whole.address(), "echo good >a").await;
    let git = json!({"url": repository.url(), "ref": "main"});
    let farm = json!({"task": "Mend it.", "agents": 1, "workspace": {"git": git}});
    let spec = json!({
        "type": "agent_farm", "agentFarm": farm, "retry": {"limit": 1, "on": {"Preempted": {"base": "1s"}}},
        "backend": {"name": "pod", "pod": {"env": environment(&model)}},
    });
    place.submit("team-farm", "taken", &spec);
    let before = interrupted::is_at_work(&model, || place.said()).await;
    drop(drained(&place));
    let status = place.once(("team-farm", "taken"), "Finished");
    assert_eq!(
        (&status["outcome"], &status["attempt"]),
        (&"Succeeded".into(), &2.into()),
        "{status:#}\n{}",
        place.said()
    );
    interrupted::went_on(&model, before);
    assert_eq!(status["result"]["inline"]["commits_made"], 2, "{status:#}");
}
