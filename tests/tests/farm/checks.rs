//! The server's checks on a farm's work: before, after, and what memory learns from them.

use std::fs;

use sandbox_core::{FailureClass, Outcome, Report};
use serde_json::{Value, json};

use crate::rig::{Rig, until};

/// Passes where `a` says `good`, and says so where it does not.
const CHECK: &str =
    "grep -q good a || { echo 'Building 7 parts'; echo \"error: a is not good\" >&2; exit 1; }";

fn check(name: &str, script: &str) -> Value {
    json!({"name": name, "argv": ["sh", "-c", script], "limit": "1m"})
}

fn checks(all: &[Value]) -> Value {
    json!({"stack": {"default": all}})
}

/// A farm of one agent that does this, in a repository whose `a` is so.
fn farm(a: &str, does: &str, all: &[Value]) -> Rig {
    let rig = Rig::new(1, &format!("- steps: [{{bash: '{does}'}}]\n"));
    rig.sh("repo", &format!("echo {a} >a; git commit -q -a -m 'Set a'"));
    rig.set("checks", checks(all))
}

fn run(a: &str, does: &str) -> Report {
    let mut rig = farm(a, does, &[check("test", CHECK)]);
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    // The checkouts are gone, and nothing of them is left in the repository.
    assert!(!rig.job("checks").exists() && rig.remains().is_empty());
    assert!(!rig.sh("repo", "git worktree list").contains("checks"));
    report
}

fn sides(report: &Report) -> (Value, Value) {
    let told = &report.result["checks"][0];
    assert_eq!(told["name"], "test", "{}", report.result);
    assert!(told["seconds"].as_f64().is_some_and(|s| s > 0.0), "{told}");
    (told["before"].clone(), told["after"].clone())
}

fn graded(report: &Report, grade: f64) -> bool {
    report.grade.is_some_and(|g| (g - grade).abs() < 1e-6)
}

#[test]
fn a_farm_that_mends_the_check_is_graded_above_one_that_leaves_it_and_that_above_one_that_breaks_it()
 {
    let mends = run("bad", "echo good >a; git commit -q -a -m Mend");
    assert_eq!(sides(&mends), (json!("failed"), json!("passed")));
    assert!(graded(&mends, 1.0), "{:?}", mends.grade);
    let leaves = run("bad", "echo more >c; git add c; git commit -q -m Add");
    assert_eq!(sides(&leaves), (json!("failed"), json!("failed")));
    assert!(graded(&leaves, 0.5), "{:?}", leaves.grade);
    let breaks = run("good", "echo bad >a; git commit -q -a -m Break");
    assert_eq!(sides(&breaks), (json!("passed"), json!("failed")));
    assert!(graded(&breaks, 0.0), "{:?}", breaks.grade);
    assert_eq!(breaks.result["checks"][0]["said"], "error: a is not good");
}

#[test]
fn a_required_check_that_the_work_breaks_fails_the_job_with_the_first_line_of_its_complaint() {
    let mut required = check("test", CHECK);
    required["required"] = json!(true);
    let mut rig = farm(
        "good",
        "echo bad >a; git commit -q -a -m Break",
        &[required],
    );
    let report = rig.run();
    let failure = report.failure.clone().unwrap();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (
            FailureClass::OutputRejected,
            "the check test passed before the work and fails after it: error: a is not good"
        )
    );
    assert_eq!(report.result["status"], "error");
    // What was made is kept all the same.
    assert_eq!(rig.sh("repo", "git show farm/mend:a"), "bad");
}

#[test]
fn a_check_that_hangs_is_ended_at_its_limit_with_all_that_it_began() {
    let hangs = "(setsid sleep 600 &) ; setsid sleep 601 & echo waiting; sleep 602";
    let mut check = check("test", hangs);
    check["limit"] = json!("1s");
    let mut rig = farm(
        "good",
        "echo x >c; git add c; git commit -q -m Add",
        &[check],
    );
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.failure);
    assert_eq!(sides(&report), (json!("timed_out"), json!("timed_out")));
    assert!(rig.remains().is_empty(), "{}", rig.log());
    assert!(
        rig.log().contains("was ended at its limit"),
        "{}",
        rig.log()
    );
}

#[test]
fn agents_do_not_wait_for_the_look_at_how_it_was_before() {
    // The check before the work ends only once the agent has begun; the one after it finds that file too.
    let begun = "until [ -e \"$GATE\" ]; do sleep 0.1; done";
    let rig = Rig::new(1, "- steps: [{bash: 'touch ../../begun'}]\n");
    let gate = rig.path("begun");
    let mut rig = rig.set(
        "checks",
        json!({"env": {"GATE": gate}, "stack": {"default": [check("test", begun)]}}),
    );
    let report = rig.run();
    assert_eq!(
        report.result["checks"][0]["before"],
        "passed",
        "{}",
        rig.log()
    );
}

#[test]
fn a_farm_that_is_stopped_leaves_no_check_behind() {
    let rig = Rig::new(1, "- steps: [{bash: touch begun}, {hang: true}]\n");
    let gate = rig.path("begun");
    let mut rig = rig.set(
        "checks",
        json!({"env": {"GATE": gate}, "stack": {"default": [check("test", "touch \"$GATE\"; sleep 600")]}}),
    );
    rig.start();
    let agent = rig.job("agent-1").join("begun");
    until("check and agent at work", || {
        (gate.exists() && agent.exists()).then_some(())
    });
    rig.signal(rustix::process::Signal::TERM);
    let report = rig.report();
    assert_eq!(report.failure.unwrap().class, FailureClass::Preempted);
    assert!(
        rig.remains().is_empty() && !rig.job("checks").exists(),
        "{}",
        rig.log()
    );
    assert_eq!(report.result["checks"][0]["before"], "unknown");
}

#[test]
fn no_secret_stands_in_a_checks_environment_or_comes_from_its_output_into_the_log() {
    let secret = format!("ghp_{}", "Zq7Lw2Xv9Rt4Kp8Yb3Nc6Mh1Sd5Fg0Jw2Qe");
    let dump = "env >\"$OUT\"; echo \"error: token is $SHOWN\"; exit 1";
    let rig = Rig::new(1, "- steps: [{say: Nothing to do.}]\n");
    let (out, key) = (rig.path("env"), rig.at("key"));
    fs::write(&key, "sk-of-the-model").unwrap();
    let mut rig = rig
        .set("agent_env", json!({"AGENT_SECRET": "hunter2"}))
        .set("model_key_file", json!(key))
        .set(
            "checks",
            json!({"env": {"OUT": out, "SHOWN": secret}, "stack": {"default": [check("test", dump)]}}),
        );
    let report = rig.run();
    let env = fs::read_to_string(&out).unwrap();
    let mut names: Vec<&str> = env
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    let known = [
        "CARGO_TERM_COLOR",
        "GIT_TERMINAL_PROMPT",
        "HOME",
        "LANG",
        "NO_COLOR",
        "OUT",
        "PATH",
        "PWD",
        "SANDBOX_CHECK",
        "SANDBOX_SEAT",
        "SHLVL",
        "SHOWN",
        "TERM",
        "TMPDIR",
        "_",
        "OLDPWD",
    ];
    let others: Vec<_> = names.iter().filter(|n| !known.contains(n)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(!env.contains("sk-of-the-model"), "{env}");
    let told = rig.log() + &serde_json::to_string(&report).unwrap();
    assert!(
        told.contains("error: token is") && !told.contains(&secret),
        "{told}"
    );
}

#[test]
fn checks_that_cannot_be_run_change_no_grade_and_a_stack_without_any_is_said() {
    let missing = json!({"name": "test", "argv": ["./none.sh"]});
    let mut rig = farm(
        "good",
        "echo x >c; git add c; git commit -q -m Add",
        &[missing],
    );
    let report = rig.run();
    let told = &report.result["checks"][0];
    assert_eq!(
        (&told["before"], &told["after"]),
        (&json!("not_started"), &json!("not_started"))
    );
    assert!(graded(&report, 1.0), "{:?}", report.grade);
    let rig = farm("good", "true", &[check("test", "exit 1")]);
    let mut rig = rig.spec("stack", json!("cobol"));
    let report = rig.run();
    assert_eq!(report.result["checks"], json!([]));
    let note = report.result["checks_note"].as_str().unwrap();
    assert!(note.contains("\"cobol\", only for default"), "{note}");
    assert!(
        graded(&report, 1.0) && rig.log().contains(note),
        "{}",
        rig.log()
    );
}

#[test]
fn where_nothing_landed_what_agents_left_on_their_branches_is_checked() {
    let mut rig = Rig::new(
        1,
        "- steps: [{bash: 'echo bad >a'}, {crash: {signal: 9}}]\n",
    );
    rig.sh("repo", "echo good >a; git commit -q -a -m 'Set a'");
    rig = rig.set("checks", checks(&[check("test", CHECK)]));
    let report = rig.run();
    assert_eq!(
        report.failure.as_ref().unwrap().class,
        FailureClass::AgentError
    );
    assert_eq!(sides(&report), (json!("passed"), json!("failed")));
    assert!(graded(&report, 0.0), "{:?}", report.grade);
}
