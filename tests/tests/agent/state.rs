//! The life of an agent as a supervisor sees it: state file, exit codes, seed, resuming.

use std::{fs, io::Write, process::Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, Running, until};

const WAITS: &str = "- steps: [{wait_file: go}, {say: done}]\n";

#[test]
fn the_state_file_says_busy_then_idle_and_goes_at_the_exit() {
    let rig = Rig::new(WAITS);
    let mut agent = rig.start_open("work");
    let state = rig.wait_for_status("busy");
    assert_eq!(state["pid"], agent.0.id());
    assert_eq!(state["kind"], "interactive");
    assert_eq!(state["procStart"], start_time(agent.0.id()));
    fs::write(rig.path("work/go"), "").unwrap();
    rig.wait_for_status("idle");
    assert_eq!(rig.event("Stop")["last_assistant_message"], "done");
    agent
        .0
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"/exit\n")
        .unwrap();
    assert_eq!(agent.ended().code(), Some(0));
    assert_eq!(rig.state(), None);
}

/// Field 22 of a process's `stat`.
fn start_time(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    after.split_whitespace().nth(19).unwrap().to_owned()
}

#[test]
fn sigterm_ends_it_in_order_with_143() {
    let rig = Rig::new("- steps: [{hang: true}]\n");
    let mut agent = rig.start_open("work");
    rig.wait_for_status("busy");
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().code(), Some(143));
    assert_eq!(rig.state(), None);
    assert_eq!(rig.event("SessionEnd")["reason"], "other");
}

#[test]
fn sigkill_leaves_a_stale_state_file_and_fires_no_hook() {
    let rig = Rig::new("- steps: [{hang: true}]\n");
    let mut agent = rig.start_open("work");
    rig.wait_for_status("busy");
    agent.signal(Signal::KILL);
    agent.ended();
    assert_eq!(rig.state().unwrap()["status"], "busy");
    assert!(
        rig.told()
            .iter()
            .all(|e| e["hook_event_name"] != "SessionEnd")
    );
}

#[test]
fn a_scenario_can_crash_the_agent_and_a_resumed_session_counts_on() {
    let rig = Rig::new(
        "
- when: {turn: 1}
  steps: [{say: begun}, {crash: {exit: 7}}]
- when: {turn: 2, resumed: true}
  steps: [{say: resumed in turn 2}]
",
    );
    let id = "11111111-2222-4333-8444-555555555555";
    let mut first = Running::new(rig.command().args(["--session-id", id, "work"]));
    assert_eq!(first.ended().code(), Some(7));
    let mut second = Running::new(rig.command().args(["--resume", id, "go on"]));
    assert_eq!(second.ended().code(), Some(0));
    assert_eq!(
        rig.event("Stop")["last_assistant_message"],
        "resumed in turn 2"
    );
    let mut again = Running::new(rig.command().args(["--session-id", id, "work"]));
    assert_eq!(again.ended().code(), Some(1), "the id is in use");
}

#[test]
fn each_missing_part_of_the_seed_shows_a_dialog_and_waits() {
    let missing = [
        ("hasCompletedOnboarding", "Choose the text style"),
        ("customApiKeyResponses", "custom API key"),
        ("projects", "Do you trust"),
    ];
    for (part, text) in missing {
        let rig = Rig::new("- steps: [{say: done}]\n");
        let mut seed = rig.whole_seed();
        seed.as_object_mut().unwrap().remove(part);
        rig.seed(&seed);
        waits(&rig, text);
    }
    let mut rig = Rig::new("- steps: [{say: done}]\n");
    rig.set("skipDangerousModePermissionPrompt", json!(false));
    waits(&rig, "Bypass Permissions mode");
}

fn waits(rig: &Rig, text: &str) {
    let mut agent = rig.start_open("work");
    agent.shows(text);
    assert_eq!(agent.0.try_wait().unwrap(), None);
    assert!(rig.told().is_empty());
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().code(), Some(143));
}

#[test]
fn root_may_not_skip_permissions_outside_a_sandbox() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = Rig::new("- steps: []\n");
    let mut agent = Running::new(rig.command().env_remove("IS_SANDBOX").arg("work"));
    assert_eq!(agent.ended().code(), Some(1));
}

#[test]
fn print_mode_gives_a_result_and_the_exit_code_of_the_turn() {
    let rig = Rig::new(
        "
- when: {prompt_contains: credit}
  steps: [{fail: billing_error}]
- steps: [{cost: {usd: 0.5, input_tokens: 7}}, {say: done}]
",
    );
    let (result, code) = print(&rig, "work");
    assert_eq!((result["result"].as_str(), code), (Some("done"), Some(0)));
    assert_eq!(result["total_cost_usd"], 0.5);
    assert_eq!(result["usage"]["input_tokens"], 7);
    let (result, code) = print(&rig, "use the credit");
    assert_eq!((result["is_error"].as_bool(), code), (Some(true), Some(1)));
    assert_eq!(result["api_error_status"], 400);
}

fn print(rig: &Rig, prompt: &str) -> (Value, Option<i32>) {
    let mut command = rig.command();
    let output = command
        .args(["-p", "--output-format", "json", prompt])
        .output()
        .unwrap();
    let result = serde_json::from_slice(&output.stdout).unwrap();
    (result, output.status.code())
}

#[test]
fn a_spawned_child_outlives_the_agent() {
    let rig =
        Rig::new("- steps: [{spawn: 'echo $$ >child; exec sleep 600'}, {wait_file: child}]\n");
    rig.start("work").ended();
    let pid = until("the child", || {
        fs::read_to_string(rig.path("work/child"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn it_says_which_version_it_stands_for() {
    let rig = Rig::new("- steps: []\n");
    let output = rig
        .command()
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("2.1.197 (scripted agent)"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}
