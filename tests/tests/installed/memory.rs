//! Memory in its own pod: what one pod of a job learned, another is told.

use serde_json::json;

use super::place::{chat, shared};

const LESSON: &str = "Dates in the orders table are UTC, never local.";
const TEACHES: &str = "\
- times: 1
  reply: {text: \"Done.\\n[LEARNED:sql] Dates in the orders table are UTC, never local.\"}
- reply: {text: Done.}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_job_learned_another_is_told_also_after_memorys_pod_was_made_anew() {
    let place = shared().await;
    let _turn = place.turn.write().await;
    let model = place.model(TEACHES).await;
    let question = "How are dates stored in the orders table?";
    place.submit("team-memory", "first", &chat(&model, question));
    let status = place.recorded(("team-memory", "first")).await;
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    let pod = "pod/agents-sandbox-ledger-0";
    let uid = || place.field("sandbox", pod, ".metadata.uid");
    let before = uid();
    place.kubectl(&["delete", pod, "-n", "sandbox"]);
    place.kubectl(&[
        "rollout",
        "status",
        "sts/agents-sandbox-ledger",
        "-n",
        "sandbox",
        "--timeout=180s",
    ]);
    assert_ne!(uid(), before);
    // The node knows the way to the new pod a moment later.
    place.ask("sandbox", "team-memory", "/elf/stats").await;
    place.submit("team-memory", "second", &chat(&model, question));
    let status = place.recorded(("team-memory", "second")).await;
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    let asked = model.requests();
    let told: Vec<bool> = asked
        .iter()
        .map(|r| r.body["system"].to_string().contains(LESSON))
        .collect();
    let known = place.ask("sandbox", "team-memory", "/elf/stats").await;
    assert_eq!(told, [false, true], "{known}\n{}", place.said());
    assert_eq!(
        (&known["successful_jobs"], &known["total_heuristics"]),
        (&json!(2), &json!(1))
    );
}
