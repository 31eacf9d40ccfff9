//! From the chart of an earlier commit to this one, with a job at work and the API in use.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{
    Api, Client,
    api::{WatchEvent, WatchParams},
};
use sandbox_tests::helm::chart;
use serde_json::json;

use super::place::{WAIT, asked, chat, earlier, shared};

/// What people see of an upgrade.
#[derive(Default)]
struct Seen {
    /// How many replicas could be asked, at each change.
    ready: Mutex<Vec<usize>>,
    /// The answers, as status codes.
    answers: Mutex<Vec<u16>>,
    over: AtomicBool,
}

/// Notes each change of who is behind the API's service.
async fn watch(client: Client, seen: Arc<Seen>) {
    let slices: Api<EndpointSlice> = Api::namespaced(client, "upgraded");
    let of = WatchParams::default().labels("kubernetes.io/service-name=agents-sandbox");
    let mut changes = slices.watch(&of, "0").await.unwrap().boxed();
    while let Some(change) = changes.next().await {
        if let WatchEvent::Added(slice) | WatchEvent::Modified(slice) = change.unwrap() {
            let ready = slice.endpoints.iter().filter(|e| {
                let conditions = e.conditions.as_ref();
                conditions.and_then(|c| c.ready) == Some(true)
            });
            seen.ready.lock().unwrap().push(ready.count());
        }
    }
}

/// Asks the API again and again. A connection that fails is tried anew, as clients do: the node hears of a change a moment
/// after it.
async fn ask(url: String, seen: Arc<Seen>) {
    while !seen.over.load(Ordering::SeqCst) {
        let asked = reqwest::Client::new().get(&url);
        if let Ok(answer) = asked.timeout(Duration::from_secs(10)).send().await {
            seen.answers.lock().unwrap().push(answer.status().as_u16());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_from_an_earlier_chart_leaves_no_gap_and_a_job_at_work_ends_once() {
    let place = shared().await;
    let _turn = place.turn.read().await;
    place.room("upgraded", &["team-upgraded"]);
    let values = place.values(&json!({"watch": {"namespaces": ["team-upgraded"]}}));
    let release = |verb: &str, chart: &Path| {
        let words = [verb, "agents", chart.to_str().unwrap(), "-n", "upgraded"];
        place.helm(&[&words[..], &["-f", &values], &WAIT].concat());
    };
    release("install", &earlier());
    place.rolled_out("upgraded").await;
    let model = place.model("- reply: {text: Done.}\n").await;
    model.hold();
    place.submit("team-upgraded", "outlives", &chat(&model, "Say it."));
    asked(&model, 1, &place).await;
    let seen = Arc::new(Seen::default());
    let watching = tokio::spawn(watch(place.whole.client().await.unwrap(), seen.clone()));
    let asking = tokio::spawn(ask(place.api("upgraded") + "/health", seen.clone()));
    release("upgrade", &chart("sandbox"));
    place.rolled_out("upgraded").await;
    seen.over.store(true, Ordering::SeqCst);
    asking.await.unwrap();
    watching.abort();
    let ready = seen.ready.lock().unwrap().clone();
    assert!(ready.contains(&1) && !ready.contains(&0), "{ready:?}");
    let answers = seen.answers.lock().unwrap().clone();
    assert!(
        answers.len() > 20 && answers.iter().all(|a| *a == 200),
        "{answers:?}"
    );
    model.go_on();
    let status = place.once(("team-upgraded", "outlives"), "Recorded");
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    assert_eq!(status["attempt"], 1, "{status:#}");
    let uid = place.field("team-upgraded", "aj/outlives", ".metadata.uid");
    assert_eq!(place.starts("team-upgraded"), [format!("aj-{uid}-1 1")]);
    // Kept in the ledger that came with the upgrade.
    let known = place.ask("upgraded", "team-upgraded", "/elf/stats").await;
    assert_eq!(known["successful_jobs"], json!(1), "{known}");
}
