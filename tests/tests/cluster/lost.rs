//! A node that is lost while its pod lives on: nobody takes it for dead, and no two attempts are at work.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use sandbox_core::{Outcome, Sighting, port::Backend};
use sandbox_tests::cluster::whole::Whole;
use serde_json::json;

use super::desk::Desk;

/// Short, so that a test can outlive it.
const LEASE: Duration = Duration::from_secs(40);

/// The runners of these jobs that live on this machine, by their arguments, wherever their namespaces are.
fn runners(uid: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let is_one = |path: &Path| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        words.starts_with("sandbox exec") && words.contains(uid)
    };
    all.map(|e| e.path()).filter(|p| is_one(p)).collect()
}

#[tokio::test]
async fn a_lost_node_is_unknown_and_the_next_attempt_waits_for_lease_and_grace() {
    // A cluster of its own: its only node is taken away.
    let own = Whole::with_images().await.unwrap();
    let desk = Desk::on(Arc::new(own), LEASE).await;
    let spec = json!({
        "type": "echo", "echo": {"message": "hi", "delay": "90s"}, "backend": {"name": "pod"},
        "retry": {"limit": 1, "on": {"Infrastructure": {"base": "1s"}}},
    });
    let job = desk.submit(&spec);
    let uid = job.uid().unwrap();
    let at_work = |attempt: u32| {
        move |s: &sandbox_core::AgentJobStatus| {
            s.attempt == attempt && s.intent.as_ref().is_some_and(|i| i.claim.is_some())
        }
    };
    let status = desk.until(&job, "at work", at_work(1)).await;
    let claim = status.intent.unwrap().claim;
    let first = format!("{uid}/1").parse().unwrap();
    assert_eq!(runners(uid.as_str()).len(), 1);
    desk.pods.whole.tell("kill").unwrap();
    desk.pods.whole.tell("cut").unwrap();
    // Noted from here on: it may take longer than the lease until the cluster sees that its node is lost.
    let ours = uid.clone();
    let gone = tokio::spawn(async move {
        while !runners(ours.as_str()).is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Timestamp::now()
    });
    // The pod lives on, and what is seen of it proves nothing.
    let from = std::time::Instant::now();
    loop {
        let look = desk.backend.look(&first, claim.as_ref()).await.unwrap();
        if matches!(look.sightings[..], [Sighting::Unknown { .. }]) {
            break;
        }
        assert!(from.elapsed() < Duration::from_mins(1), "{look:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = desk.seats.read(&first).await.unwrap().heartbeat;
    // The runner is cut off and ends itself before its lease does.
    while !gone.is_finished() {
        let status = desk.store.load(&uid).await.unwrap().unwrap();
        assert_eq!(
            status.status().attempt,
            1,
            "the next one began while this one was at work"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let gone_at = gone.await.unwrap();
    let status = desk.until(&job, "tried again", |s| s.attempt == 2).await;
    // The lease begins with the claim; it was cut off before its first heartbeat, perhaps.
    let heard = seen.map_or(claim.unwrap().at, |h| h.at);
    assert!(
        gone_at <= heard + LEASE,
        "the lease was over before its work"
    );
    assert!(status.intent.is_none_or(|i| i.at >= heard + LEASE));
    desk.pods.whole.tell("mend").unwrap();
    desk.pods.whole.tell("begin").unwrap();
    desk.until(&job, "at work again", at_work(2)).await;
    assert_eq!(runners(uid.as_str()).len(), 1);
    let status = desk.finished(&job).await;
    assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
}
