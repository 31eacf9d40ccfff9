//! What is pushed, and what the server's checks keep from the remote.

use rustix::process::Signal;
use sandbox_core::{FailureClass, Outcome, Report};
use serde_json::{Value, json};

use crate::rig::{Rig, until};

/// Passes where `a` does not say `bad`.
const SOUND: &str = "! grep bad a";
const BREAK: &str = "echo bad >a; git commit -q -a -m Break";
const ADD: &str = "echo x >c; git add c; git commit -q -m Add";

fn check(script: &str, is_required: bool) -> Value {
    json!({"name": "test", "argv": ["sh", "-c", script], "limit": "1m", "required": is_required})
}

/// A farm of one agent that does this in a clone of `repo`, is to push to `mended`, and is judged by one
/// check that finds the remote at `$REMOTE` and a file of the test's at `$GATE`.
fn farm(does: &str, check: &Value) -> Rig {
    let rig = Rig::new(1, &format!("- steps: [{{bash: '{does}'}}]\n"));
    let (remote, gate) = (rig.path("repo"), rig.path("gate"));
    let url = format!("file://{}", remote.display());
    rig.set("file_urls", json!(true))
        .set(
            "checks",
            json!({"env": {"REMOTE": remote, "GATE": gate}, "stack": {"default": [check]}}),
        )
        .spec("workspace", json!({"git": {"url": url, "ref": "main"}}))
        .spec("land", json!({"branch": "mended", "push": true}))
}

/// What the remote has of the branch, newest first.
fn pushed(rig: &Rig) -> String {
    rig.sh("repo", "git log --format=%s mended 2>/dev/null || true")
}

/// A file of the branch in the job's own clone.
fn kept(rig: &Rig, file: &str) -> String {
    let clone = rig.job("repo");
    let clone = clone.strip_prefix(rig.path("")).unwrap().to_str().unwrap();
    rig.sh(clone, &format!("git show mended:{file}"))
}

fn is_told_where(report: &Report) {
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.class, FailureClass::OutputRejected, "{failure:?}");
    let (_, remedy) = failure.message.split_once('\n').unwrap();
    for word in [
        "nothing was pushed: what landed is kept on the branch mended of ",
        "mend it there and push it",
    ] {
        assert!(remedy.contains(word), "{remedy}");
    }
    assert_eq!(report.result["pushed"], false);
    assert_eq!(report.result["error"], failure.message);
}

#[test]
fn work_that_breaks_a_required_check_is_not_pushed_and_the_result_says_where_it_is() {
    let mut rig = farm(BREAK, &check(SOUND, true));
    let report = rig.run();
    is_told_where(&report);
    let said = &report.failure.as_ref().unwrap().message;
    let first = "the check test passed before the work and fails after it: bad\n";
    assert!(said.starts_with(first), "{said}");
    assert_eq!(
        (pushed(&rig).as_str(), kept(&rig, "a").as_str()),
        ("", "bad")
    );
    assert_eq!(report.grade, Some(0.0));
    assert_eq!(report.result["commits_made"], 1);
}

#[test]
fn work_that_breaks_another_check_is_pushed_and_graded() {
    let mut rig = farm(BREAK, &check(SOUND, false));
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.failure);
    assert_eq!(
        (&report.result["pushed"], report.grade),
        (&json!(true), Some(0.0))
    );
    assert_eq!(pushed(&rig), "Break\nFirst");
}

#[test]
fn nothing_is_at_the_remote_before_the_checks_are_over() {
    let not_there = "! git -C \"$REMOTE\" rev-parse -q --verify mended";
    let mut rig = farm(ADD, &check(not_there, true));
    let report = rig.run();
    let told = &report.result["checks"][0];
    assert_eq!(told["after"], "passed", "{told}\n{}", rig.log());
    assert_eq!(report.result["pushed"], true, "{:?}", report.failure);
    assert_eq!(pushed(&rig), "Add\nFirst");
}

/// Somebody else commits `y` to the remote's branch while the work is looked at for the first time.
const MOVES: &str = "case $SANDBOX_CHECK in *after*) if ! [ -e \"$GATE\" ]; then touch \"$GATE\"; (cd \"$REMOTE\"; \
    git checkout -q mended; echo y >y; git add y; git -c user.name=t -c user.email=t@t.invalid commit -q -m Other; \
    git checkout -q main); fi;; esac; ";

fn moved(then: &str) -> (Rig, Report) {
    let mut rig = farm(ADD, &check(&format!("{MOVES}{then}"), true));
    rig.sh("repo", "git branch mended");
    let report = rig.run();
    assert!(rig.log().contains("put on top of it"), "{}", rig.log());
    (rig, report)
}

#[test]
fn commits_that_were_put_on_top_of_others_are_checked_there_before_they_are_pushed() {
    let (rig, report) = moved("true");
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.failure);
    assert_eq!(pushed(&rig), "Add\nOther\nFirst");
    for when in ["before", "after"] {
        let line = format!("check test {when} the work: passed");
        assert_eq!(rig.log().matches(&line).count(), 2, "{}", rig.log());
    }
}

#[test]
fn commits_that_break_a_check_only_on_top_of_what_the_remote_has_now_are_not_pushed() {
    let (rig, report) = moved("! { [ -e c ] && [ -e y ] && echo both; }");
    is_told_where(&report);
    assert_eq!(pushed(&rig), "Other\nFirst");
    assert_eq!(
        (kept(&rig, "c").as_str(), kept(&rig, "y").as_str()),
        ("x", "y")
    );
    let told = &report.result["checks"][0];
    assert_eq!(
        (&told["before"], &told["after"], &told["said"]),
        (&json!("passed"), &json!("failed"), &json!("both"))
    );
}

#[test]
fn a_farm_that_is_stopped_while_its_work_is_checked_ends_and_pushes_nothing() {
    let hangs = "case $SANDBOX_CHECK in *after*) touch \"$GATE\"; sleep 600;; esac";
    let mut rig = farm(ADD, &check(hangs, false));
    rig.start();
    let gate = rig.path("gate");
    until("the check of the work", || gate.exists().then_some(()));
    rig.signal(Signal::TERM);
    let report = rig.report();
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.class, FailureClass::Preempted, "{failure:?}");
    let told = &report.result["checks"][0];
    assert_eq!(
        (&told["after"], &report.result["pushed"]),
        (&json!("unknown"), &json!(false)),
        "{}",
        rig.log()
    );
    assert_eq!((pushed(&rig).as_str(), kept(&rig, "c").as_str()), ("", "x"));
    assert!(rig.remains().is_empty() && !rig.job("checks").exists());
}
