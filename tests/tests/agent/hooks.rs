//! Hooks: when they fire, what they are told, and what their answers do.

use std::fs;

use serde_json::{Value, json};

use crate::rig::Rig;

const EDIT: &str = "
- steps:
  - say: I change it.
  - edit: {path: a.txt, find: old, replace: new}
  - say: 'Done by {{agent}}. [LEARNED:shell] Always quote.'
";

fn rig_with_file(scenario: &str) -> Rig {
    let rig = Rig::new(scenario);
    fs::write(rig.path("work/a.txt"), "old\n").unwrap();
    rig
}

fn names(told: &[Value]) -> Vec<&str> {
    told.iter()
        .filter_map(|e| e["hook_event_name"].as_str())
        .collect()
}

#[test]
fn hooks_fire_in_order_and_are_told_what_happens() {
    let rig = rig_with_file(EDIT);
    assert_eq!(rig.start("change it").ended().code(), Some(0));
    let told = rig.told();
    let expected = [
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "PostToolUse",
        "Stop",
        "SessionEnd",
    ];
    assert_eq!(names(&told), expected);
    for event in &told {
        assert_eq!(event["session_id"], told[0]["session_id"]);
        assert_eq!(event["cwd"], rig.path("work").to_str().unwrap());
        assert!(event["transcript_path"].is_string());
    }
    assert_eq!(told[0]["source"], "startup");
    assert_eq!(told[1]["prompt"], "change it");
    assert_eq!(told[2]["tool_name"], "Edit");
    assert_eq!(told[2]["tool_input"]["old_string"], "old");
    assert_eq!(told[4]["stop_hook_active"], false);
    assert_eq!(
        told[4]["last_assistant_message"],
        "Done by 1. [LEARNED:shell] Always quote."
    );
    assert_eq!(told[4]["background_tasks"], json!([]));
    assert_eq!(told[5]["reason"], "prompt_input_exit");
    assert_eq!(fs::read_to_string(rig.path("work/a.txt")).unwrap(), "new\n");
}

#[test]
fn a_denied_tool_does_not_run_and_the_turn_goes_on() {
    let mut rig = rig_with_file(EDIT);
    let answer = json!({"hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": "deny",
        "permissionDecisionReason": "not this file",
    }});
    rig.hook("PreToolUse", &format!("echo '{answer}'"));
    let mut agent = rig.start("change it");
    agent.shows("Error: not this file");
    agent.ended();
    assert_eq!(fs::read_to_string(rig.path("work/a.txt")).unwrap(), "old\n");
    let told = rig.told();
    assert!(!names(&told).contains(&"PostToolUse"));
    assert!(names(&told).contains(&"Stop"));
}

#[test]
fn a_blocked_stop_sends_the_agent_on_with_the_reason() {
    let mut rig = Rig::new(
        "
- when: {prompt_contains: run the checks}
  steps: [{say: checked}]
- steps: [{say: finished}]
",
    );
    let block = r#"grep -q '"stop_hook_active":false' && echo '{"decision":"block","reason":"run the checks"}'"#;
    rig.hook("Stop", block);
    rig.start("work").ended();
    let told = rig.told();
    let stops: Vec<&Value> = told
        .iter()
        .filter(|e| e["hook_event_name"] == "Stop")
        .collect();
    assert_eq!(stops.len(), 2);
    assert_eq!(stops[0]["last_assistant_message"], "finished");
    assert_eq!(stops[1]["last_assistant_message"], "checked");
    assert_eq!(stops[1]["stop_hook_active"], true);
}

#[test]
fn context_from_a_hook_is_a_part_of_what_the_agent_knows() {
    let mut rig = Rig::new("- when: {prompt_contains: mind the gap}\n  steps: [{say: minded}]\n");
    let answer = json!({"hookSpecificOutput": {"additionalContext": "mind the gap"}});
    rig.hook("UserPromptSubmit", &format!("echo '{answer}'"));
    rig.start("work").ended();
    assert_eq!(rig.event("Stop")["last_assistant_message"], "minded");
    assert_eq!(rig.event("UserPromptSubmit")["prompt"], "work");
}

#[test]
fn a_failing_model_server_is_told_in_the_place_of_stop() {
    let rig = Rig::new("- steps: [{fail: billing_error}, {say: never}]\n");
    rig.start("work").ended();
    assert_eq!(rig.event("StopFailure")["error"], "billing_error");
    assert!(!names(&rig.told()).contains(&"Stop"));
}

#[test]
fn a_prompt_that_no_rule_fits_is_answered_with_that() {
    let rig = Rig::new("- when: {prompt_contains: else}\n  steps: []\n");
    rig.start("work").ended();
    let said = rig.event("Stop")["last_assistant_message"].clone();
    assert!(said.as_str().unwrap().starts_with("No rule"));
}

#[test]
fn the_status_line_is_told_what_was_used() {
    let mut rig = Rig::new(
        "- steps: [{cost: {usd: 0.25, input_tokens: 50000, output_tokens: 50}}, {say: done}]\n",
    );
    let command = format!("cat >>'{}'", rig.path("status.jsonl").display());
    rig.set("statusLine", json!({"type": "command", "command": command}));
    rig.start("work").ended();
    let lines = fs::read_to_string(rig.path("status.jsonl")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["cost"]["total_cost_usd"], 0.25);
    assert_eq!(last["context_window"]["total_input_tokens"], 50_000);
    assert_eq!(last["context_window"]["remaining_percentage"], 75);
}

#[test]
fn a_failed_command_is_told_and_does_not_end_the_turn() {
    let rig = Rig::new("- steps: [{bash: echo no; exit 3}, {say: done}]\n");
    rig.start("work").ended();
    let failure = rig.event("PostToolUseFailure");
    assert_eq!(failure["error"], "Exit code 3\nno");
    assert_eq!(rig.event("Stop")["last_assistant_message"], "done");
}
