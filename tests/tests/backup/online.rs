//! A backup of a node at work, restored elsewhere.

use std::{
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use rustix::process::Signal;
use sandbox_tests::{
    model_server::{ModelServer, Script},
    node::Node,
};
use serde_json::json;

use crate::rig::{backup, done, refused, restore, rules, sandbox};

#[tokio::test]
async fn a_backup_made_under_load_has_every_job_that_was_acknowledged_before_it() {
    let node = Arc::new(Node::start(&[]));
    let known = Arc::new(Mutex::new(Vec::new()));
    let (submitter, list) = (node.clone(), known.clone());
    let load = tokio::spawn(async move {
        loop {
            let id = submitter.submit("echo", json!({"message": "m"})).await;
            list.lock().unwrap().push(id);
        }
    });
    node.get("/health").await;
    while known.lock().unwrap().len() < 20 {
        tokio::task::yield_now().await;
    }
    let before = known.lock().unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.tar.gz");
    let (data, to) = (node.data(), file.clone());
    let told = tokio::task::spawn_blocking(move || done(backup(&data, &to))).await;
    assert!(
        known.lock().unwrap().len() > before.len(),
        "there was no load"
    );
    load.abort();
    assert!(told.unwrap().contains(" jobs ("));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut other = Node::prepare(&[]);
    done(restore(&file, &other.data()));
    other.restart();
    for id in &before {
        assert_eq!(other.job(id).await["payload"]["message"], "m");
    }
}

#[tokio::test]
async fn what_was_over_answers_as_before_and_memory_ranks_as_before() {
    let script = "- reply: {text: \"Done.\\n[LEARNED:sql] Dates in the orders table are UTC, never local.\", usage: {input_tokens: 10, output_tokens: 20}}";
    let server = ModelServer::start(Script::parse(script).unwrap())
        .await
        .unwrap();
    let settings = [
        ("ANTHROPIC_BASE_URL", server.base_url()),
        ("ANTHROPIC_API_KEY", "sk-dummy".to_owned()),
    ];
    let settings = settings.each_ref().map(|(k, v)| (*k, v.as_str()));
    let mut node = Node::start(&settings);
    let ask = json!({"prompt": "How are dates stored?", "domain": "sql"});
    let chat = node.submit("claude_chat", ask).await;
    node.ended(&chat).await;
    let echo = node
        .submit("echo", json!({"message": "x".repeat(9000)}))
        .await;
    node.ended(&echo).await;
    let ids = [&chat, &echo];
    let mut before = Vec::new();
    for id in ids {
        let log = node.get(&format!("/jobs/{id}/logs")).await;
        let receipt = node.get(&format!("/jobs/{id}/receipt")).await;
        let artifacts = node.get(&format!("/jobs/{id}/artifacts")).await;
        assert_eq!((log.0, artifacts.0), (200, 200));
        before.push((node.job(id).await, [log, receipt, artifacts]));
    }
    let ranked = rules(&node).await;
    assert_eq!(ranked.as_array().map(Vec::len), Some(1), "{ranked}");
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let packed = std::fs::read(&file).unwrap();
    node.kill(Signal::TERM);
    let mut other = Node::prepare(&settings);
    done(restore(&file, &other.data()));
    assert!(!other.data().join("secrets").exists(), "keys stay out");
    assert!(!packed.is_empty());
    other.restart();
    for (id, (job, besides)) in ids.iter().zip(before) {
        assert_eq!(other.job(id).await, job);
        for (what, seen) in ["logs", "receipt", "artifacts"].into_iter().zip(besides) {
            assert_eq!(other.get(&format!("/jobs/{id}/{what}")).await, seen);
        }
    }
    assert_eq!(other.starts(&echo).len(), 1, "artifacts are there");
    assert_eq!(rules(&other).await, ranked);
}

#[tokio::test]
async fn what_was_not_over_waits_suspended_and_begins_once_more_when_it_is_resumed() {
    let mut node = Node::start(&[("SANDBOX_SLOTS", "1")]);
    let at_work = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "w", "delay": "1s"}}))
        .await;
    node.running(&at_work).await;
    let queued = node.submit("echo", json!({"message": "q"})).await;
    let file = node.data().with_file_name("b.tar.gz");
    let made = done(backup(&node.data(), &file));
    assert!(made.contains("2 jobs (2 not over)"), "{made}");
    node.kill(Signal::KILL);
    let mut other = Node::prepare(&[]);
    let told = done(restore(&file, &other.data()));
    assert!(
        told.contains("2 jobs were not over and wait suspended"),
        "{told}"
    );
    other.restart();
    let begun = other.starts(&at_work).len();
    for (id, attempt) in [(&at_work, 2), (&queued, 1)] {
        let job = other.resource(id).await;
        assert_eq!(job["spec"]["suspend"], true, "{job:#}");
        let said = job["status"]["conditions"].to_string();
        assert!(said.contains("restored from a backup of"), "{said}");
        let words = ["--server", other.url(), "resume", id];
        done(sandbox(&words));
        let job = other.ended(id).await;
        let seen = (job["status"].clone(), job["attempt"].clone());
        assert_eq!(seen, (json!("SUCCEEDED"), json!(attempt)), "{job:#}");
    }
    assert_eq!(other.starts(&at_work).len(), begun + 1);
    assert_eq!(other.starts(&queued).len(), 1);
}

#[tokio::test]
async fn a_job_that_was_done_but_not_yet_noted_ends_from_its_report_and_is_not_done_again() {
    let mut node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m", "delay": "1s"}}))
        .await;
    node.running(&id).await;
    node.kill(Signal::KILL);
    let report = node.seat(&id, 1).join("report.json");
    while !report.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let mut other = Node::prepare(&[]);
    let told = done(restore(&file, &other.data()));
    assert!(
        told.contains("1 jobs were done but for their last note"),
        "{told}"
    );
    other.restart();
    let job = other.ended(&id).await;
    let seen = (job["status"].clone(), job["attempt"].clone());
    assert_eq!(seen, (json!("SUCCEEDED"), json!(1)), "{job:#}");
    assert_eq!(other.starts(&id).len(), 1);
}

#[tokio::test]
async fn a_seat_that_was_taken_after_the_jobs_picture_is_not_used_again() {
    let mut node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m"}, "suspend": true}))
        .await;
    node.kill(Signal::TERM);
    let seat = node.seat(&id, 1);
    std::fs::create_dir_all(&seat).unwrap();
    let claim =
        json!({"claimed": {"nonce": "n", "instance": "b:1:1", "at": "2026-01-01T00:00:00Z"}});
    std::fs::write(seat.join("register.json"), claim.to_string()).unwrap();
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let mut other = Node::prepare(&[]);
    done(restore(&file, &other.data()));
    let register = std::fs::read_to_string(other.seat(&id, 1).join("register.json")).unwrap();
    assert!(register.contains("closed"), "{register}");
    other.restart();
    done(sandbox(&["--server", other.url(), "resume", &id]));
    let job = other.ended(&id).await;
    let seen = (job["status"].clone(), job["attempt"].clone());
    assert_eq!(seen, (json!("SUCCEEDED"), json!(2)), "{job:#}");
}

#[tokio::test]
async fn a_job_is_held_back_and_let_go_by_the_command_line() {
    let node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m", "delay": "60s"}}))
        .await;
    node.running(&id).await;
    done(sandbox(&["--server", node.url(), "suspend", &id]));
    let waits = |job: &serde_json::Value| job["queued_reason"] == "suspended";
    node.until(&id, waits).await;
    done(sandbox(&["--server", node.url(), "resume", &id]));
    node.until(&id, |job| job["attempt"] == 2).await;
    done(sandbox(&["--server", node.url(), "cancel", &id]));
    node.ended(&id).await;
    let said = refused(sandbox(&["--server", node.url(), "resume", &id]));
    assert!(said.contains("the job is over already"), "{said}");
}

#[tokio::test]
async fn keys_are_in_a_backup_only_when_they_are_asked_for() {
    let (node, _) = crate::rig::one_job().await;
    std::fs::create_dir_all(node.data().join("secrets")).unwrap();
    std::fs::write(node.data().join("secrets/model-key"), "sk-secret").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    done(backup(&node.data(), &at("without")));
    let mut with = backup(&node.data(), &at("with"));
    with.arg("--with-keys");
    assert!(done(with).contains("with keys"));
    done(restore(&at("without"), &at("a")));
    done(restore(&at("with"), &at("b")));
    assert!(!at("a").join("secrets").exists());
    let key = std::fs::read_to_string(at("b").join("secrets/model-key")).unwrap();
    assert_eq!(key, "sk-secret");
}
