//! The operator goes while a job is at work: by force, process and pod.

use std::{fs, path::Path};

use rustix::process::Signal;
use sandbox_tests::node::send;
use serde_json::json;

use super::place::{PATIENCE, Place, asked, chat, shared};

/// The program of this pod on this machine, wherever its namespaces are.
fn program(pod: &str) -> u32 {
    let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let is_one = |folder: &Path| {
        let words = fs::read(folder.join("cmdline")).unwrap_or_default();
        let variables = fs::read(folder.join("environ")).unwrap_or_default();
        let named = format!("POD_NAME={pod}");
        words.starts_with(b"sandbox-operator\0")
            && variables.split(|b| *b == 0).any(|v| v == named.as_bytes())
    };
    let found = all.map(|e| e.path()).find(|p| is_one(p));
    let found = found.unwrap_or_else(|| panic!("looked for the program of {pod}"));
    found
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// The pod that leads.
fn leader(place: &Place) -> String {
    let holder = place.field("sandbox", "lease/agents-sandbox", ".spec.holderIdentity");
    holder.split('_').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_at_work_ends_once_when_every_replica_is_killed_meanwhile() {
    let place = shared().await;
    let _turn = place.turn.write().await;
    let model = place.model("- reply: {text: Done.}\n").await;
    model.hold();
    place.submit("team-lost", "outlives", &chat(&model, "Say it."));
    asked(&model, 1, &place).await;
    let first = leader(&place);
    send(program(&first), Signal::KILL);
    let gone = [
        "delete",
        "pods",
        "-n",
        "sandbox",
        "-l",
        "app.kubernetes.io/component=operator",
    ];
    place.kubectl(&[&gone[..], &["--force", "--grace-period=0"]].concat());
    let from = std::time::Instant::now();
    while leader(&place) == first || leader(&place).is_empty() {
        assert!(from.elapsed() < PATIENCE, "nobody leads: {}", place.said());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    model.go_on();
    let status = place.recorded(("team-lost", "outlives")).await;
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    assert_eq!(status["attempt"], 1, "{status:#}");
    assert_eq!(
        status["failures"].as_u64().unwrap_or_default(),
        0,
        "{status:#}"
    );
    let uid = place.field("team-lost", "aj/outlives", ".metadata.uid");
    assert_eq!(place.starts("team-lost"), [format!("aj-{uid}-1 1")]);
    place.rolled_out("sandbox").await;
    let known = place.ask("sandbox", "team-lost", "/elf/stats").await;
    assert_eq!(known["successful_jobs"], json!(1), "{known}");
}
