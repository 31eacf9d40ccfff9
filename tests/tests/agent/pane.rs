//! The agent as the command of a tmux pane, on a server of its own.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    thread,
};

use serde_json::Value;

use crate::rig::{AGENT, Rig, until};

/// A tmux server with the agent in its only pane; it ends with its test.
struct Pane<'a> {
    rig: &'a Rig,
}

impl<'a> Pane<'a> {
    /// Starts the agent, and `more` arguments after its settings.
    fn open(rig: &'a Rig, more: &[&str]) -> Self {
        let pane = Self { rig };
        let work = rig.path("work");
        let mut words = vec!["new-session", "-d", "-x", "160", "-y", "50"];
        let work = work.to_str().unwrap();
        words.extend(["-c", work]);
        let environment: Vec<String> = rig
            .environment()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        words.extend(["env"]);
        words.extend(environment.iter().map(String::as_str));
        let settings = rig.path("settings.json");
        words.extend([AGENT, "--settings", settings.to_str().unwrap()]);
        words.extend(more);
        assert!(pane.tmux(&words).status.success());
        assert!(
            pane.tmux(&["set-option", "-g", "remain-on-exit", "on"])
                .status
                .success()
        );
        pane
    }

    fn tmux(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.rig.path("tmux"))
            .args(["-f", "/dev/null"])
            .args(words);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
    }

    /// Pastes a text as a supervisor does.
    fn paste(&self, text: &str) {
        let mut load = self.command(&["load-buffer", "-b", "text", "-"]);
        let mut load = load.stdin(Stdio::piped()).spawn().unwrap();
        load.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(load.wait().unwrap().success());
        assert!(
            self.tmux(&["paste-buffer", "-p", "-d", "-b", "text"])
                .status
                .success()
        );
    }

    fn enter(&self) {
        assert!(self.tmux(&["send-keys", "Enter"]).status.success());
    }

    fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    fn wait_for_text(&self, text: &str) {
        until(text, || self.screen().contains(text).then_some(()));
    }

    /// Its exit code is not asked for: now and then tmux 3.3a does not know it.
    fn wait_for_end(&self) {
        until("the end of the pane", || {
            let said = self.tmux(&["display-message", "-p", "#{pane_dead}"]);
            said.stdout.starts_with(b"1").then_some(())
        });
    }
}

impl Drop for Pane<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        if !thread::panicking() {
            // The agent's last hook still writes into the folder that goes away next.
            self.rig.wait_for_no_state();
        }
    }
}

fn prompts(rig: &Rig) -> Vec<Value> {
    let told = rig.told().into_iter();
    let prompts = told.filter(|e| e["hook_event_name"] == "UserPromptSubmit");
    prompts.map(|mut e| e["prompt"].take()).collect()
}

#[test]
fn a_paste_of_many_lines_arrives_as_one_prompt() {
    let rig = Rig::new("- steps: [{say: done}]\n");
    let pane = Pane::open(&rig, &["--dangerously-skip-permissions"]);
    rig.wait_for_status("idle");
    // Longer than what one read gives.
    let lines: Vec<String> = (0..300)
        .map(|n| format!("line {n} of the prompt, ä ö ü"))
        .collect();
    let text = lines.join("\n");
    pane.paste(&text);
    pane.enter();
    rig.event("Stop");
    assert_eq!(prompts(&rig), [Value::from(text)]);
    pane.paste("/exit");
    pane.enter();
    pane.wait_for_end();
    assert_eq!(rig.event("SessionEnd")["reason"], "prompt_input_exit");
    assert_eq!(rig.state(), None);
}

#[test]
fn a_prompt_that_comes_while_text_streams_becomes_the_next_turn() {
    let rig = Rig::new(
        "
- when: {prompt_contains: first}
  steps: [{wait_file: go}, {say: done first}]
- steps: [{say: done second}]
",
    );
    let pane = Pane::open(&rig, &["--dangerously-skip-permissions", "first"]);
    // Its hook has told: from the state alone one could not say that the first prompt is in.
    rig.event("UserPromptSubmit");
    pane.paste("second");
    pane.enter();
    pane.wait_for_text("(queued)");
    assert_eq!(prompts(&rig), ["first"]);
    std::fs::write(rig.path("work/go"), "").unwrap();
    pane.wait_for_text("done second");
    assert_eq!(prompts(&rig), ["first", "second"]);
}

#[test]
fn a_prompt_that_comes_while_a_tool_runs_is_folded_into_its_result() {
    let rig = Rig::new("- steps: [{bash: 'until [ -f go ]; do sleep 0.02; done'}, {say: done}]\n");
    let pane = Pane::open(&rig, &["--dangerously-skip-permissions", "first"]);
    let transcript = rig.event("PreToolUse")["transcript_path"]
        .as_str()
        .unwrap()
        .to_owned();
    pane.paste("second");
    pane.enter();
    pane.wait_for_text("(folded)");
    std::fs::write(rig.path("work/go"), "").unwrap();
    rig.event("Stop");
    assert_eq!(prompts(&rig), ["first"]);
    let lines = std::fs::read_to_string(transcript).unwrap();
    assert!(lines.contains("queue-operation"), "{lines}");
}

#[test]
fn enter_in_a_permission_dialog_drops_the_text_and_approves() {
    let rig = Rig::new("- steps: [{write: {path: a.txt, content: hello}}, {say: done}]\n");
    let pane = Pane::open(&rig, &["--permission-mode", "default", "work"]);
    let state = rig.wait_for_status("waiting");
    assert_eq!(state["waitingFor"], "permission prompt");
    pane.paste("do not");
    pane.enter();
    rig.event("Stop");
    assert!(rig.path("work/a.txt").exists());
    assert_eq!(prompts(&rig), ["work"]);
}

#[test]
fn escape_ends_a_turn_without_any_hook() {
    let rig = Rig::new("- steps: [{hang: true}]\n");
    let pane = Pane::open(&rig, &["--dangerously-skip-permissions", "work"]);
    // Not the state file, which says so before the hook is run: Escape would end that too.
    rig.event("UserPromptSubmit");
    pane.tmux(&["send-keys", "Escape"]);
    rig.wait_for_status("idle");
    let last = rig.told().pop().unwrap();
    assert_eq!(last["hook_event_name"], "UserPromptSubmit");
}

#[test]
fn killing_the_tmux_server_ends_the_session_in_order() {
    let rig = Rig::new("- steps: [{hang: true}]\n");
    let pane = Pane::open(&rig, &["--dangerously-skip-permissions", "work"]);
    rig.wait_for_status("busy");
    drop(pane);
    assert_eq!(rig.event("SessionEnd")["reason"], "other");
    rig.wait_for_no_state();
}
