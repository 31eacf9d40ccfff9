//! `sandbox cloud`: a deployment that is paused takes no job and begins none, and nothing polls; it goes on where it was
//! stopped, whoever was stopped in the middle.

use std::process::{Output, Stdio};

use reqwest::Method;
use sandbox_tests::{
    dynamodb::proxy::{Fault, Proxy},
    ecs,
    lambda::{Account, Plan},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

fn echo(delay: &str) -> Value {
    json!({"type": "echo", "echo": {"message": "hello", "delay": delay}})
}

async fn account() -> Account {
    let plan = Plan {
        switched: true,
        ..Plan::default()
    };
    Account::with(plan.set("SANDBOX_SLOTS", "1")).await
}

async fn done(mut command: Command) -> Output {
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the command shows at its end, where it succeeds.
async fn shown(account: &Account, words: &[&str]) -> Value {
    let words = [words, &["-o", "json"]].concat();
    let output = done(account.cloud(&words)).await;
    assert!(
        output.status.success(),
        "{words:?}: {}\n{}",
        said(&output),
        account.reconcile.log()
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn posted(account: &Account) -> (u16, Value) {
    let job = json!({"job_type": "echo", "payload": {"message": "hello"}});
    let asked = account.request(Method::POST, "/jobs").json(&job);
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_deployment_takes_no_job_and_says_what_to_do_and_nothing_polls() {
    let account = account().await;
    let before = shown(&account, &["status"]).await;
    let on = json!({"changes": "on", "wakes": "on"});
    assert_eq!(
        (&before["accepts_jobs"], &before["event_sources"]),
        (&json!(true), &on)
    );
    assert_eq!(before["standing"]["usd_a_month"], "2.80");
    let paused = shown(&account, &["pause"]).await;
    assert_eq!(paused["accepts_jobs"], false);
    assert_eq!(paused["paused"]["in_force"], true);
    assert_eq!(
        (&paused["sweep"], &paused["tasks"]),
        (&json!("off"), &json!(0))
    );
    for polled in ["changes", "wakes"] {
        assert!(!account.switches().polls(polled).await, "{polled}");
    }
    assert!(!account.switches().sweeps().await);
    let (status, told) = posted(&account).await;
    assert_eq!((status, &told["code"]), (503, &json!("paused")), "{told}");
    assert!(
        told["detail"].to_string().contains("sandbox cloud resume"),
        "{told}"
    );
    assert_eq!(account.get("/jobs").await.0, 200);
    assert_eq!(
        shown(&account, &["pause"]).await,
        paused,
        "once more is the same"
    );
    let resumed = shown(&account, &["resume"]).await;
    assert_eq!(
        (&resumed["paused"], &resumed["event_sources"]),
        (&Value::Null, &on)
    );
    assert!(account.switches().sweeps().await);
    assert_eq!(posted(&account).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_at_work_comes_to_its_end_and_one_that_waits_says_why_and_begins_after_resume() {
    let account = account().await;
    let first = account.submit(&echo("3s")).await;
    account
        .until(&first, |job| job["status"] == "RUNNING")
        .await;
    let second = account.submit(&echo("0s")).await;
    let third = account.submit(&echo("0s")).await;
    let paused = shown(&account, &["pause"]).await;
    assert_eq!(paused["jobs"], json!({"queued": 2, "at_work": 0}));
    assert_eq!(account.job(&first).await["status"], "SUCCEEDED");
    for id in [&second, &third] {
        let job = account.job(id).await;
        assert_eq!(job["status"], "QUEUED", "{job:#}");
        let why = job["queued_reason"].to_string();
        assert!(why.contains("sandbox cloud resume"), "{job:#}");
    }
    let cancel = format!("/jobs/{third}/cancel");
    let cancelled = account.request(Method::POST, &cancel).send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    assert!(
        account
            .get(&format!("/jobs/{first}/logs"))
            .await
            .1
            .contains("attempt 1")
    );
    assert_eq!(account.ecs.begun().len(), 1);
    shown(&account, &["resume"]).await;
    assert_eq!(account.ended(&second).await["status"], "SUCCEEDED");
    assert_eq!(account.ended(&third).await["outcome"], "Cancelled");
    assert_eq!(account.ecs.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_at_work_is_stopped_where_it_is_to_end_now_and_goes_on_after_resume() {
    let account = account().await;
    let id = account.submit(&echo("5s")).await;
    account.until(&id, |job| job["status"] == "RUNNING").await;
    let paused = shown(&account, &["pause", "--now"]).await;
    assert_eq!(
        (&paused["paused"]["now"], &paused["tasks"]),
        (&json!(true), &json!(0))
    );
    let job = account.job(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("QUEUED"), &json!(1)),
        "{job:#}"
    );
    shown(&account, &["resume"]).await;
    let job = account.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}"
    );
    assert_eq!(account.ecs.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_is_killed_is_taken_back_by_resume_or_finished_by_the_next() {
    let account = account().await;
    let id = account.submit(&echo("5m")).await;
    account.until(&id, |job| job["status"] == "RUNNING").await;
    let mut killed = account
        .cloud(&["pause"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while shown(&account, &["status"]).await["accepts_jobs"] == true {}
    killed.kill().await.unwrap();
    let left = shown(&account, &["status"]).await;
    assert_eq!(
        (&left["accepts_jobs"], &left["sweep"]),
        (&json!(false), &json!("on"))
    );
    shown(&account, &["resume"]).await;
    assert_eq!(account.job(&id).await["status"], "RUNNING");
    let late = done(account.cloud(&["pause", "--timeout", "0"])).await;
    assert_eq!(late.status.code(), Some(124), "{}", said(&late));
    assert!(
        said(&late).contains(&id) && said(&late).contains("--now"),
        "{}",
        said(&late)
    );
    assert_eq!(posted(&account).await.0, 503);
    let paused = shown(&account, &["pause", "--now"]).await;
    assert_eq!(
        (&paused["sweep"], &paused["jobs"]["at_work"]),
        (&json!("off"), &json!(0))
    );
    assert_eq!(account.ecs.begun().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_and_a_name_that_is_wrong_are_told_with_what_to_do() {
    let plan = Plan {
        switched: true,
        ..Plan::default()
    };
    let account = Account::with(plan).await;
    let events = Proxy::before(&account.place.moto()).await.unwrap();
    let words =
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: events:DisableRule";
    let denied = json!({"__type": "AccessDeniedException", "message": words});
    events.next("DisableRule", [Fault::Say(400, denied.to_string())]);
    let mut pause = account.cloud(&["pause"]);
    let refused = pause.env("AWS_ENDPOINT_URL_EVENTBRIDGE", events.endpoint());
    let refused = said(&refused.output().await.unwrap());
    assert!(refused.contains("lack events:DisableRule"), "{refused}");
    let paused = shown(&account, &["pause"]).await;
    assert_eq!(paused["sweep"], "off", "the right was given");
    let denied = ecs::Fault::Refused("AccessDeniedException", "not authorized");
    account.ecs.next("ListTasks", denied);
    let refused = said(&done(account.cloud(&["status"])).await);
    assert!(refused.contains("lack ecs:ListTasks"), "{refused}");
    let wrong = said(&done(account.cloud(&["status", "--table", "nowhere"])).await);
    assert!(
        wrong.contains("nowhere in eu-central-1") && wrong.contains("terraform output region"),
        "{wrong}"
    );
    let wrong = said(&done(account.cloud(&["status", "--sweep-rule", "no-rule"])).await);
    assert!(
        wrong.contains("no-rule") && wrong.contains("these its outputs"),
        "{wrong}"
    );
    let mut by_stdin = account.cloud(&["status", "--outputs", "-", "-o", "json"]);
    let asked = by_stdin
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut asked = asked.unwrap();
    let outputs = account.outputs().to_string();
    let mut stdin = asked.stdin.take().unwrap();
    stdin.write_all(outputs.as_bytes()).await.unwrap();
    drop(stdin);
    let told = asked.wait_with_output().await.unwrap();
    assert!(told.status.success());
    assert_eq!(
        serde_json::from_slice::<Value>(&told.stdout).unwrap(),
        paused
    );
}
