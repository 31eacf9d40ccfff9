//! How farms end when not all goes well. Whatever happens, nothing of them goes on.

use std::{fs, io::Write, time::Duration};

use rustix::process::Signal;
use sandbox_core::{FailureClass, Outcome, Usd};
use serde_json::{Value, json};

use crate::rig::{Rig, until};

#[test]
fn an_agent_that_crashes_does_not_take_the_others_work_along() {
    let mut rig = Rig::new(
        2,
        "- when: {agent: '1'}
  steps: [{bash: echo half >h}, {crash: {signal: 9}}]
- steps: [{bash: 'echo x >c; git add c; git commit -q -m c'}]
",
    );
    let report = rig.run();
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    let agents = report.result["agents"].as_array().unwrap();
    assert_eq!(
        (&agents[0]["outcome"], &agents[1]["outcome"]),
        (&json!("failed"), &json!("done"))
    );
    assert_eq!(agents[0]["state"], "exited by signal 9");
    assert!(report.grade.is_some_and(|g| (g - 0.5).abs() < 0.01));
    // What it had not committed stands on its own branch, and nowhere else.
    let kept = format!("git show {}:h", agents[0]["branch"].as_str().unwrap());
    assert_eq!(rig.sh("repo", &kept), "half");
    assert_eq!(rig.sh("repo", "git ls-tree --name-only farm/mend h"), "");
}

#[test]
fn a_farm_in_which_every_agent_fails_has_failed() {
    let mut rig = Rig::new(2, "- steps: [{fail: billing_error}]\n");
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert_eq!(
        failure.class,
        FailureClass::AgentError,
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("agent-2: error: billing_error"),
        "{}",
        failure.message
    );
    assert_eq!(
        (&report.result["status"], &report.result["commits_made"]),
        (&json!("error"), &json!(0))
    );
    assert_eq!(rig.sh("repo", "git branch --list farm/mend"), "");
}

#[test]
fn a_farm_whose_agents_are_all_rate_limited_may_be_tried_again() {
    let mut rig = Rig::new(2, "- steps: [{fail: rate_limit}]\n");
    assert_eq!(rig.run().failure.unwrap().class, FailureClass::RateLimited);
}

#[test]
fn an_agents_program_that_is_not_there_is_said() {
    let mut rig = Rig::new(1, "[]").set("agent_command", json!(["/surely/not/there"]));
    let failure = rig.run().failure.unwrap();
    assert_eq!(failure.class, FailureClass::AgentError);
    assert!(
        failure.message.contains("exited with code 127"),
        "{}",
        failure.message
    );
    assert!(rig.log().contains("SANDBOX_AGENT_COMMAND"), "{}", rig.log());
}

/// Commits, begins a process that would outlive it, and works on for ever.
const ENDLESS: &str = "\
- steps:
    - bash: echo x >c; git add c; git commit -q -m 'Add c'; echo y >y
    - spawn: sleep 600
    - cost: {usd: 0.1, input_tokens: 900, output_tokens: 200}
    - bash: touch begun
    - hang: true
";

fn wait_for_work(rig: &Rig) {
    for agent in ["agent-1", "agent-2"] {
        until("the agents at work", || {
            rig.job(agent).join("begun").exists().then_some(())
        });
    }
}

#[test]
fn a_farm_that_is_stopped_in_the_middle_leaves_no_process_and_keeps_its_branches() {
    let mut rig = Rig::new(2, ENDLESS);
    rig.start();
    wait_for_work(&rig);
    assert!(rig.remains().len() > 4);
    rig.signal(Signal::TERM);
    let report = rig.report();
    assert_eq!(rig.remains(), [0_u32; 0], "{}", rig.log());
    assert_eq!(report.failure.unwrap().class, FailureClass::Preempted);
    assert_eq!(report.result["status"], "interrupted", "{}", rig.log());
    let agent = &report.result["agents"][1];
    assert_eq!(agent["outcome"], "stopped");
    let kept = format!("git show {0}:c {0}:y", agent["branch"].as_str().unwrap());
    assert_eq!(rig.sh("repo", &kept), "x\ny");
    // Nothing lands that was not done.
    assert_eq!(rig.sh("repo", "git branch --list farm/mend"), "");
}

#[test]
fn a_farm_ends_at_its_deadline_with_what_it_has() {
    let mut rig = Rig::new(2, ENDLESS);
    rig.deadline = Duration::from_secs(8);
    let report = rig.run();
    assert_eq!(report.outcome, Outcome::TimedOut, "{}", rig.log());
    assert_eq!(report.result["status"], "interrupted", "{}", rig.log());
    assert!(rig.remains().is_empty());
}

#[test]
fn a_farm_ends_when_its_tokens_are_used_up() {
    let mut rig = Rig::new(2, ENDLESS);
    rig.tokens_left = Some(2000);
    let report = rig.run();
    assert_eq!(
        report.failure.unwrap().class,
        FailureClass::BudgetExceeded,
        "{}",
        rig.log()
    );
    assert!(report.usage.tokens() >= 2000 && rig.remains().is_empty());
}

#[test]
fn a_budget_in_dollars_stops_agents_whose_model_has_no_price() {
    let scenario = "\
- steps:
    - cost: {usd: 0.001, input_tokens: 100000, output_tokens: 10000}
    - bash: 'true'
    - hang: true
";
    let mut rig = Rig::new(1, scenario).spec("model", json!("nobody-knows-9"));
    rig.usd_left = Some(Usd::from_micros(1_000_000));
    let report = rig.run();
    let failure = report.failure.unwrap();
    assert_eq!(failure.class, FailureClass::BudgetExceeded, "{}", rig.log());
    // As much as the dearest row: 1.50 for the prompt and 0.75 for the answer.
    assert_eq!(report.usage.usd.to_string(), "2.25");
    assert!(rig.remains().is_empty());
}

#[test]
fn a_tmux_server_that_is_killed_takes_its_agents_along_and_the_farm_fails() {
    let mut rig = Rig::new(2, ENDLESS);
    rig.start();
    wait_for_work(&rig);
    let socket = rig.desk(1, "../../agents.sock");
    let killed = std::process::Command::new("tmux")
        .arg("-S")
        .arg(socket)
        .arg("kill-server")
        .status();
    assert!(killed.unwrap().success());
    let failure = rig.report().failure.unwrap();
    assert_eq!(
        failure.class,
        FailureClass::AgentError,
        "{}",
        failure.message
    );
    assert!(rig.remains().is_empty(), "{}", rig.log());
}

#[test]
fn everything_of_a_farm_can_be_found_after_its_runner_was_killed() {
    let mut rig = Rig::new(2, ENDLESS);
    rig.start();
    wait_for_work(&rig);
    rig.signal(Signal::KILL);
    rig.gone();
    let marked = rig.remains();
    // Two agents, what each has begun, and the tmux server.
    assert!(marked.len() >= 5, "{marked:?}");
    assert_eq!(rig.strangers(), [0_u32; 0]);
}

#[test]
fn an_agent_that_asks_is_said_to_be_blocked_and_goes_on_when_it_is_answered() {
    let scenario = "- steps: [{ask: May I?}, {bash: 'echo x >c; git add c; git commit -q -m c'}]\n";
    let mut rig = Rig::new(1, scenario);
    rig.start();
    let asks = || {
        rig.log()
            .contains("agent-1: blocked: asks a person")
            .then_some(())
    };
    until("the question", asks);
    rig.press("Enter");
    let report = rig.report();
    assert_eq!(report.outcome, Outcome::Succeeded, "{}", rig.log());
    assert_eq!(report.result["commits_made"], 1);
}

#[test]
fn an_agent_that_a_person_interrupts_is_not_taken_for_done() {
    let mut rig = Rig::new(1, "- steps: [{bash: touch begun}, {hang: true}]\n");
    rig.start();
    until("the agent at work", || {
        rig.job("agent-1/begun").exists().then_some(())
    });
    rig.press("Escape");
    let seen = || rig.log().contains("interrupted by a person").then_some(());
    until("the interruption", seen);
    rig.signal(Signal::TERM);
    assert_eq!(rig.report().result["agents"][0]["outcome"], "stopped");
}

#[test]
fn an_interruption_is_seen_also_when_a_hook_of_the_interrupted_tool_tells_late() {
    let mut rig = Rig::new(1, "- steps: [{bash: touch begun}, {hang: true}]\n");
    rig.start();
    let events = rig.desk(1, "events.jsonl");
    let told = || fs::read_to_string(&events).unwrap_or_default();
    let used = until("the tool used", || {
        let told = told();
        told.lines()
            .find(|l| l.contains("PostToolUse"))
            .map(|l| serde_json::from_str::<Value>(l).unwrap())
    });
    rig.press("Escape");
    let since = until("the program idle", || {
        rig.state(1).filter(|s| s["status"] == "idle")
    });
    // What a hook writes that was begun before the key was pressed and is slower than it.
    let mut late = used;
    late["at"] = json!(since["statusUpdatedAt"].as_i64().unwrap() + 300);
    let mut file = fs::OpenOptions::new().append(true).open(&events).unwrap();
    writeln!(file, "{late}").unwrap();
    let seen = || rig.log().contains("interrupted by a person").then_some(());
    until("the interruption", seen);
    rig.signal(Signal::TERM);
    assert_eq!(rig.report().result["agents"][0]["outcome"], "stopped");
}
