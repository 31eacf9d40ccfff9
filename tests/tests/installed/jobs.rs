//! What is there after `helm install`, and jobs of every kind that needs no warehouse.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::place::{environment, shared};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_installs_it_its_own_test_passes_and_an_applied_echo_succeeds_in_a_pod() {
    let place = shared().await;
    let _turn = place.turn.read().await;
    // Helm waits for as many as may not be away at a time, and goes on.
    for (object, field, number) in [
        ("deploy/agents-sandbox", "readyReplicas", 2),
        ("sts/agents-sandbox-ledger", "readyReplicas", 1),
        ("pdb/agents-sandbox", "disruptionsAllowed", 1),
    ] {
        let says = format!("--for=jsonpath={{.status.{field}}}={number}");
        place.kubectl(&["wait", object, "-n", "sandbox", &says, "--timeout=180s"]);
    }
    let said = place.helm(&["test", "agents", "-n", "sandbox", "--timeout", "2m"]);
    assert!(said.contains("Phase:          Succeeded"), "{said}");
    let echo = json!({"type": "echo", "echo": {"message": "hello"}});
    place.submit("team-echo", "hello", &echo);
    let status = place.once(("team-echo", "hello"), "Finished");
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    assert_eq!(status["backendRef"]["kind"], "pod", "{status:#}");
    let job = place.ask("sandbox", "team-echo", "/jobs?limit=5").await;
    assert!(job.to_string().contains("SUCCEEDED"), "{job}");
    let uid = place.field("team-echo", "aj/hello", ".metadata.uid");
    let left = format!("/jobs/{uid}/artifacts");
    let left = place.ask("sandbox", "team-echo", &left).await;
    assert_eq!(left["artifacts"][0]["path"], "echo.log", "{left}");
}

const WORK: &str = "\
- when: {tool_result: ''}
  reply: {text: \"Done.\\n[LEARNED:shell] Quote every variable.\"}
- when: {contains: You are agent 1 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: \"echo three >c && git add c && git commit -q -m 'Add c'\", description: Add}}]
- when: {contains: You are agent 2 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: 'echo four >d', description: Add}}]
- reply: {text: A title}
";

fn sh(folder: &Path, script: &str) -> String {
    let mut sh = Command::new("sh");
    let output = sh.args(["-ec", script]).current_dir(folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_of_the_real_cli_works_in_a_pod_and_lands_on_a_volume() {
    let place = shared().await;
    let _turn = place.turn.read().await;
    let kept = place.volume("team-farm", "kept", "ReadWriteOnce");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept", "namespace": "team-farm"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    place.whole.apply(&claim).unwrap();
    let repo = kept.join("repo");
    fs::create_dir(&repo).unwrap();
    let first = "git init -q -b main . && echo one >a && git add a \
        && git -c user.name=t -c user.email=t@t.invalid commit -q -m First && chown -R 10001:10001 .";
    sh(&repo, first);
    let model = place.model(WORK).await;
    let farm = json!({
        "type": "agent_farm",
        "agentFarm": {"task": "Mend it.", "agents": 2, "workspace": {"path": "repo"}, "land": {"branch": "farm/mend"}},
        "backend": {"name": "pod", "pod": {"workspace": {"claimName": "kept"}, "env": environment(&model)}},
    });
    place.submit("team-farm", "mend", &farm);
    let status = place.once(("team-farm", "mend"), "Finished");
    assert_eq!(
        status["outcome"],
        "Succeeded",
        "{status:#}\n{}",
        place.said()
    );
    let landed = "git -c safe.directory='*' show farm/mend:c farm/mend:d";
    assert_eq!(sh(&repo, landed), "three\nfour\n");
    let keys = model.requests();
    let keys: Vec<_> = keys.iter().filter_map(|r| r.header("x-api-key")).collect();
    assert!(keys.contains(&"sk-of-the-secret-0123456789"), "{keys:?}");
    assert!(
        status["usage"]["outputTokens"].as_u64().unwrap() >= 80,
        "{status:#}"
    );
}
