//! The command line against an operator of a cluster: the words are those of a machine of one's own, and the jobs are the
//! objects that kubectl sees.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use sandbox_tests::{node::built, operator::Operator};
use serde_json::{Value, json};

use super::fargate::{Stage, echo, lasting, settings};

pub(super) struct Desk {
    pub(super) stage: Stage,
    pub(super) operator: Operator,
    flags: Vec<&'static str>,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn named(name: &str) -> Self {
        Self::at(Stage::named(name).await, &[]).await
    }

    /// One whose operator is told this besides.
    pub(super) async fn at(stage: Stage, told: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, json!({"good": stage.world.namespace}).to_string()).unwrap();
        let keys = lasting("--api-keys-file=", keys.to_str().unwrap());
        let flags = [&settings()[..], told, &[keys]].concat();
        let operator = stage.operator(&flags);
        operator.ready().await;
        let desk = Self {
            stage,
            operator,
            flags,
            folder,
        };
        std::fs::write(desk.key(), "good\n").unwrap();
        desk
    }

    /// Has another operator in the place of this one, which has nothing of it.
    pub(super) async fn replace_operator(&mut self) {
        self.operator = self.stage.operator(&self.flags);
        self.operator.ready().await;
    }

    fn key(&self) -> String {
        self.folder.path().join("key").display().to_string()
    }

    /// What the command line says to these words: its exit code, its output and its complaint.
    fn says(&self, words: &[&str], given: &Value) -> (i32, String, String) {
        let mut command = Command::new(built("sandbox"));
        let (server, key) = (&*self.operator.api, &*self.key());
        command
            .args(["--server", server, "--api-key-file", key])
            .args(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut begun = command.spawn().unwrap();
        begun
            .stdin
            .take()
            .unwrap()
            .write_all(given.to_string().as_bytes())
            .unwrap();
        let done = begun.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            done.status.code().unwrap(),
            text(done.stdout),
            text(done.stderr),
        )
    }

    /// The same where it must be done.
    pub(super) fn done(&self, words: &[&str], given: &Value) -> String {
        let (code, out, complaint) = self.says(words, given);
        assert_eq!(
            code,
            0,
            "{words:?}: {out}{complaint}\n{}",
            self.operator.log()
        );
        out
    }

    /// The object's status as kubectl gives it.
    fn status(&self, name: &str) -> Value {
        self.stage.world.object(&["aj", name])["status"].take()
    }
}

fn job(name: &str, delay: &str) -> Value {
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name}, "spec": echo(delay, &json!({}))})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_submitted_waited_for_read_and_run_again_by_the_command_line() {
    let desk = Desk::named("cli-whole").await;
    let none = Value::Null;
    desk.done(&["submit", "-f", "-", "--wait"], &job("hello", "0s"));
    assert_eq!(desk.status("hello")["outcome"], "Succeeded");
    let listed = desk.done(&["get", "jobs"], &none);
    assert!(
        listed.contains("hello") && listed.contains("SUCCEEDED"),
        "{listed}"
    );
    let described = desk.done(&["describe", "hello"], &none);
    assert!(described.contains("kind: fargate"), "{described}");
    let log = desk.done(&["logs", "hello"], &none);
    assert!(log.contains("attempt 1 of"), "{log}");
    let left = desk.done(&["artifacts", "hello"], &none);
    assert!(left.contains("echo.log"), "{left}");
    let left = desk.done(&["artifacts", "hello", "echo.log"], &none);
    assert!(left.ends_with(" began\n"), "{left}");
    let again = desk.done(&["retry", "hello", "-o", "name"], &none);
    desk.done(&["wait", again.trim()], &none);
    desk.done(&["elf", "add", "shell", "Quote every variable."], &none);
    let rules = desk.done(&["elf", "rules"], &none);
    assert!(rules.contains("Quote every variable."), "{rules}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_held_let_go_and_ended_by_the_command_line() {
    let desk = Desk::named("cli-ended").await;
    let none = Value::Null;
    let mut held = job("held", "10m");
    held["spec"]["suspend"] = json!(true);
    desk.done(&["submit", "-f", "-"], &held);
    desk.done(&["resume", "held"], &none);
    desk.operator
        .until("never runs it", async |_| {
            desk.status("held")["seat"]["claimed"].is_object()
        })
        .await;
    desk.done(&["cancel", "held"], &none);
    let (code, ..) = desk.says(&["wait", "held"], &none);
    assert_ne!(code, 0);
    assert_eq!(desk.status("held")["outcome"], "Cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_as_on_a_machine_of_ones_own() {
    let desk = Desk::named("cli-wrong").await;
    let none = Value::Null;
    let (code, _, said) = desk.says(&["describe", "nobody"], &none);
    assert_eq!(code, 1);
    assert!(said.contains("there is no job \"nobody\""), "{said}");
    desk.done(&["submit", "-f", "-", "--wait"], &job("once", "0s"));
    let (code, _, said) = desk.says(&["submit", "-f", "-"], &job("once", "1s"));
    assert_eq!(code, 1);
    assert!(said.contains("once"), "{said}");
    let (code, _, said) = desk.says(&["artifacts", "once", "not-there.log"], &none);
    assert_eq!(code, 1);
    assert!(said.contains("(404)"), "{said}");
    std::fs::write(desk.key(), "wrong").unwrap();
    let (code, _, said) = desk.says(&["get", "jobs"], &none);
    assert_eq!(code, 1);
    assert!(said.contains("(403)"), "{said}");
}
