//! `dbt_run` with a script in the place of dbt.

use std::{fs, io::Read, os::unix::fs::PermissionsExt, sync::atomic::Ordering};

use serde_json::json;

use super::*;
use crate::kind::tests::{Place, UID, place};

/// A job whose dbt is this script.
fn dbt(script: &str, fields: &Value) -> Place {
    let mut spec = json!({"projectPath": "repo"});
    spec.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let mut place = place(json!({"type": "dbt_run", "dbtRun": spec}));
    let program = place.dir.path().join("dbt");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    place.work.settings.dbt_command = vec![program.to_str().unwrap().to_owned()];
    place
}

fn artifact(place: &Place, name: &str) -> String {
    fs::read_to_string(place.work.artifacts().join(name)).unwrap()
}

#[tokio::test]
async fn a_good_run_succeeds_with_its_counts_and_last_lines() {
    let script = r#"pwd; echo "$@"; i=0
        while [ $i -lt 40 ]; do echo "line $i"; i=$((i+1)); done
        echo oops >&2; printf 'Done. PASS=2 WARN=0 ERROR=0 SKIP=0 TOTAL=2'"#;
    let place = dbt(script, &json!({"vars": {"a": "$(id)"}}));
    let done = place.run().await.unwrap();
    assert_eq!(done.failure, None);
    let result = &done.result;
    assert_eq!(
        (&result["exit_code"], &result["success"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(result["summary"]["pass"], 2);
    assert_eq!(result["stdout_tail"].as_array().unwrap().len(), 30);
    assert_eq!(result["stderr_tail"], json!(["oops"]));
    assert_eq!(result["logs_dir"], UID);
    let out = artifact(&place, "dbt_stdout.log");
    let project = place.repo("").canonicalize().unwrap();
    assert!(out.starts_with(project.to_str().unwrap()), "{out}");
    assert!(out.contains(r#"--vars {"a":"$(id)"}"#), "{out}");
    assert_eq!(artifact(&place, "dbt_stderr.log"), "oops\n");
    assert!(place.log().contains("line 39"));
}

#[tokio::test]
async fn a_bad_run_fails_and_keeps_its_result() {
    let place = dbt(
        "echo 'Database Error'; echo 'Done. PASS=0 ERROR=1 TOTAL=1'; exit 1",
        &json!({}),
    );
    let done = place.run().await.unwrap();
    let failure = done.failure.unwrap();
    assert_eq!(failure.class, FailureClass::AgentError);
    for part in ["exit code 1", "Database Error"] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
    assert_eq!(
        (&done.result["exit_code"], &done.result["success"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(done.result["summary"]["error"], 1);
}

#[tokio::test]
async fn a_run_that_a_signal_ends_fails_with_the_signal() {
    let done = dbt("kill -9 $$", &json!({})).run().await.unwrap();
    assert!(done.failure.unwrap().message.contains("signal 9"));
    assert_eq!(done.result["exit_code"], Value::Null);
}

#[tokio::test]
async fn without_dbt_the_failure_says_what_to_install() {
    let mut place = dbt("", &json!({}));
    place.work.settings.dbt_command = vec!["/nonexistent/dbt".to_owned()];
    let failure = place.run().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::InvalidSpec);
    assert!(
        failure.message.contains("install dbt"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_folder_outside_the_tenant_is_refused() {
    for fields in [
        json!({"projectPath": "../team-b"}),
        json!({"projectPath": "/etc"}),
        json!({"projectPath": "none"}),
        json!({"profilesDir": "../.."}),
    ] {
        let failure = dbt("", &fields).run().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidSpec, "{fields}");
    }
}

/// A named pipe; it ends for its reader when the last process that writes to it is gone.
fn pipe(place: &Place) -> PathBuf {
    let pipe = place.dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    pipe
}

/// Runs a script that hangs with a child, stops it once both run, and waits until all of it is
/// gone.
async fn stop_while_it_hangs(first: &str) {
    let script = format!(
        "{first}\nexec 3>\"$(dirname $0)/pipe\"\nsleep 1000 &\necho up >&3\nwait; wait; wait"
    );
    let place = dbt(&script, &json!({}));
    let pipe = pipe(&place);
    let stopping = Arc::clone(&place.work.stopping);
    let all_gone = tokio::task::spawn_blocking(move || {
        let mut pipe = fs::File::open(pipe).unwrap();
        pipe.read_exact(&mut [0; 3]).unwrap();
        stopping.store(true, Ordering::Relaxed);
        pipe.read_to_end(&mut Vec::new()).unwrap();
    });
    let grace = Duration::from_millis(200);
    let failure = DbtRun { grace }.run(&place.work).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Preempted);
    all_gone.await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_dbt_and_all_that_it_began() {
    stop_while_it_hangs("").await;
}

#[tokio::test]
async fn a_stop_ends_dbt_even_when_it_does_not_listen() {
    stop_while_it_hangs("trap '' TERM").await;
}

#[tokio::test]
async fn what_dbt_leaves_behind_is_ended_with_it() {
    let script = "exec 3>\"$(dirname $0)/pipe\"\nsleep 1000 &\necho up >&3";
    let place = dbt(script, &json!({}));
    let pipe = pipe(&place);
    let all_gone = tokio::task::spawn_blocking(move || fs::read(pipe).unwrap());
    assert_eq!(place.run().await.unwrap().failure, None);
    assert_eq!(all_gone.await.unwrap(), b"up\n");
}
