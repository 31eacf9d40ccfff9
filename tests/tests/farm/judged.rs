//! Checks of a whole node: what becomes of them in memory, and what nobody but the server can say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sandbox_tests::node::{Node, built};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    rig::until,
    served::{farm, node_with, sh},
};

/// A node with checks, and what it needs.
struct Place {
    /// The file of checks, and a gate for them.
    own: TempDir,
    /// The tenant's folder is in it.
    dir: TempDir,
    node: Node,
}

impl Place {
    /// Agents follow this scenario.
    fn new(scenario: &str, checks: &str) -> Self {
        let own = tempfile::tempdir().unwrap();
        let file = own.path().join("checks.toml");
        let gate = own.path().join("gate");
        fs::write(
            &file,
            format!("[env]\nGATE = '{}'\n{checks}", gate.display()),
        )
        .unwrap();
        let setting = [("SANDBOX_CHECKS_FILE", file.to_str().unwrap())];
        let (dir, node) = node_with(scenario, &setting);
        Self { own, dir, node }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("ws/default/repo")
    }

    /// Runs a farm of one agent to its end, as memory has it.
    async fn run(&self, task: &str) -> (String, Value) {
        let id = self.node.submit_spec(one(task)).await;
        let job = self.node.ended(&id).await;
        let is_recorded = |job: &Value| {
            let all = job["status"]["conditions"].as_array();
            let is = |c: &Value| c["type"] == "Recorded" && c["status"] == "True";
            all.is_some_and(|all| all.iter().any(is))
        };
        self.node.until_resource(&id, is_recorded).await;
        (id, job)
    }

    /// All that memory has written down.
    async fn memory(&self) -> String {
        let log = self.node.request(reqwest::Method::GET, "/elf/export");
        log.send().await.unwrap().text().await.unwrap()
    }

    /// The rules that memory made of failures.
    async fn rules(&self) -> Vec<Value> {
        let (status, body) = self.node.get("/elf/rules").await;
        assert_eq!(status, 200, "{body}");
        let all = body["rules"].as_array().unwrap().clone();
        let is_ours = |r: &Value| r["source"]["kind"] == "runner";
        all.into_iter().filter(is_ours).collect()
    }
}

fn one(task: &str) -> Value {
    let mut spec = farm(task);
    spec["agentFarm"]["agents"] = json!(1);
    spec["agentFarm"]["stack"] = json!("shell");
    spec
}

const BREAKS: &str = "\
- when: {prompt_contains: Mend}
  steps: [{bash: 'echo good >a; git commit -q -a -m Mend'}]
- when: {prompt_contains: Break}
  steps: [{bash: 'echo bad >a; git commit -q -a -m Break'}]
- steps: [{write: {path: got, content: '{{prompt}}'}}]
";

/// Passes where `a` does not say `bad`.
const SOUND: &str = r#"
[[stack.shell]]
name = "test"
argv = ["sh", "-c", "! grep bad a"]
limit = "1m"
required = true
"#;

/// The same; the one after the work waits for the gate.
const WAITS: &str = r#"
[[stack.shell]]
name = "test"
argv = ["sh", "-c", "case $SANDBOX_CHECK in *after*) until [ -e \"$GATE\" ]; do sleep 0.1; done;; esac; ! grep bad a"]
limit = "1m"
required = true
"#;

#[tokio::test]
async fn memory_holds_the_grade_and_the_words_of_the_checks() {
    let place = Place::new(BREAKS, WAITS);
    let breaks = place.node.submit_spec(one("Break it.")).await;
    let beat = place.node.seat(&breaks, 1).join("heartbeat.json");
    until("the check that waits", || {
        let beat = fs::read_to_string(&beat).ok()?;
        beat.contains("0 of 1 checks are made").then_some(())
    });
    fs::write(place.own.path().join("gate"), "").unwrap();
    let job = place.node.ended(&breaks).await;
    assert_eq!(
        (&job["status"], &job["failure"]["class"]),
        (&json!("FAILED"), &json!("OutputRejected")),
        "{job:#}"
    );
    let (mends, job) = place.run("Mend it.").await;
    assert_eq!(
        (&job["status"], &job["result"]["checks"][0]["after"]),
        (&json!("SUCCEEDED"), &json!("passed")),
        "{job:#}"
    );
    let log = place.memory().await;
    let ended = |id: &str| {
        let rows = log
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        let mut ends = rows.filter(|r| r["entry"]["kind"] == "outcome");
        let row = ends.find(|r| r["entry"].to_string().contains(id));
        row.unwrap_or_else(|| panic!("no outcome of {id}:\n{log}"))["entry"].clone()
    };
    let (broken, mended) = (ended(&breaks), ended(&mends));
    assert_eq!(
        (&broken["grade"], &broken["label"], &broken["domain"]),
        (&json!(0.0), &json!("failure"), &json!("shell")),
        "{broken:#}"
    );
    assert_eq!(
        broken["message"],
        "the check test passed before the work and fails after it: bad"
    );
    assert_eq!(mended["grade"], json!(1.0), "{mended:#}");
}

#[tokio::test]
async fn a_required_check_that_three_jobs_broke_is_a_rule_on_trial_in_the_prompt_of_the_next() {
    let place = Place::new(BREAKS, SOUND);
    let mut broke = Vec::new();
    for task in ["Break it.", "Break it anew.", "Break it for good."] {
        assert_eq!(place.rules().await, Vec::<Value>::new(), "before {task}");
        let (id, job) = place.run(task).await;
        assert_eq!(job["failure"]["class"], "OutputRejected", "{job:#}");
        broke.push(id);
    }
    let rules = place.rules().await;
    let [rule] = rules.as_slice() else {
        panic!("one rule: {rules:#?}");
    };
    let said = "the check test passed before the work and fails after it: bad";
    let text = rule["text"].as_str().unwrap();
    assert!(text.ends_with(said), "{text}");
    let expected =
        json!({"status": "active", "isGolden": false, "trust": "verdict", "domain": "shell"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&rule[key], value, "{key} of {rule:#}");
    }
    let why = rule["explanation"].as_str().unwrap();
    assert!(broke.iter().all(|id| why.contains(id)), "{why}");
    let (_, job) = place.run("Tidy the notes.").await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(job["result"]["elf_context_injected"], true, "{job:#}");
    let branch = job["result"]["branch"].as_str().unwrap();
    let got = sh(&place.repo(), &format!("git show {branch}:got"));
    assert!(got.contains(text), "{got}");
}

/// Breaks what the check looks at, and all that an agent can reach and that might have a say.
const CUNNING: &str = r#"
- steps:
    - bash: |
        until [ -e "$AGENT_GATE" ] && ! [ -e ../checks ]; do sleep 0.1; done
        mkdir ../checks && echo good >../checks/a
        printf '#!/bin/sh\nexit 0\n' >grep
        chmod +x grep
        cp grep sh
        echo 'PATH=.' | tee .profile .bashrc .env >/dev/null
        mkdir .sandbox
        printf '[[stack.shell]]\nname = "mine"\nargv = ["true"]\n' | tee checks.toml .sandbox/checks.toml >runner.json
        hooks="$(git rev-parse --git-common-dir)/hooks"
        mkdir -p "$hooks"
        printf '#!/bin/sh\necho good >a\n' >"$hooks/post-checkout"
        chmod +x "$hooks/post-checkout"
        echo bad >a
        git add -A
        git commit -q -m Break
"#;

/// The one before the work opens the gate.
const OPENS: &str = r#"
[[stack.shell]]
name = "test"
argv = ["sh", "-c", "touch \"$GATE\"; ! grep bad a"]
limit = "1m"
required = true
"#;

#[tokio::test]
async fn no_job_and_no_repository_has_a_say_in_what_checks_run() {
    let own = tempfile::tempdir().unwrap();
    let gate = own.path().join("gate");
    let scenario = CUNNING.replace("$AGENT_GATE", gate.to_str().unwrap());
    let place = Place::new(&scenario, &OPENS.replace("$GATE", gate.to_str().unwrap()));
    let mine = json!([{"name": "mine", "argv": ["true"]}]);
    let mut spec = one("Break it.");
    spec["agentFarm"]["checks"] = mine;
    let (status, body) = place.node.post("/jobs", &json!({"spec": spec})).await;
    assert!(
        status == 422 && body.to_string().contains("checks"),
        "{status} {body}"
    );
    let (_, job) = place.run("Break it.").await;
    let all = job["result"]["checks"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{job:#}");
    assert_eq!(
        (&all[0]["name"], &all[0]["before"], &all[0]["after"]),
        (&json!("test"), &json!("passed"), &json!("failed")),
        "{job:#}"
    );
    assert_eq!(job["failure"]["class"], "OutputRejected");
}

/// Breaks with the secret of the repository in its complaint, and prints it beside.
const TELLS: &str = r#"
[[stack.shell]]
name = "test"
argv = ["sh", "-c", "echo \"key $(cat key)\"; ! grep -q bad a || { echo \"error: no login with $(cat key)\" >&2; exit 1; }"]
limit = "1m"
required = true
"#;

#[tokio::test]
async fn a_secret_in_what_a_check_prints_stands_neither_in_the_result_nor_in_logs_nor_in_memory() {
    let place = Place::new(BREAKS, TELLS);
    let secret = format!("ghp_{}", "Zq7Lw2Xv9Rt4Kp8Yb3Nc6Mh1Sd5Fg0Jw2Qe");
    let commit = "git add key; git -c user.name=t -c user.email=t@t.invalid commit -q -m Key";
    sh(&place.repo(), &format!("echo {secret} >key; {commit}"));
    let (id, job) = place.run("Break it.").await;
    let said = "and fails after it: error: no login with [redacted:";
    let told = job["failure"]["message"].as_str().unwrap();
    assert!(told.contains(said), "{job:#}");
    let log = place
        .node
        .request(reqwest::Method::GET, &format!("/jobs/{id}/logs"));
    let log = log.send().await.unwrap().text().await.unwrap();
    assert!(log.contains("error: no login with [redacted:"), "{log}");
    let (memory, resource) = (place.memory().await, place.node.resource(&id).await);
    assert!(memory.contains("no login with [redacted:"), "{memory}");
    for text in [log, memory, job.to_string(), resource.to_string()] {
        assert!(!text.contains(&secret), "{text}");
    }
    let holding = files_with(&place.node.data(), secret.as_bytes());
    assert!(holding.is_empty(), "{holding:?}");
}

/// The files beneath a folder that hold these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if kind.is_file() {
            // One that a server has just put in another's place is looked at under its new name.
            let text = fs::read(&path).unwrap_or_default();
            if text.windows(bytes.len()).any(|w| w == bytes) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_file_of_checks_that_cannot_be_obeyed_starts_no_server_and_is_named_by_doctor() {
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("checks.toml");
    fs::write(&file, "[[stack.rust]]\nname = 'a'\nargv = 'make test'").unwrap();
    let file = file.to_str().unwrap();
    let node = Node::prepare(&[("SANDBOX_CHECKS_FILE", file)]);
    let ended = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let place = format!("read SANDBOX_CHECKS_FILE {file}: line 3: ");
    assert!(!ended.status.success() && said.contains(&place), "{said}");
    let said = doctor(own.path(), file);
    let told = format!("MISSING  farms' checks: {place}");
    assert!(said.contains(&told), "{said}");
    fs::write(file, SOUND).unwrap();
    let said = doctor(own.path(), file);
    let told = format!("ok       farms' checks: for shell: {file}");
    assert!(said.contains(&told), "{said}");
}

fn doctor(folder: &Path, file: &str) -> String {
    let mut doctor = Command::new(built("sandbox"));
    doctor.arg("doctor").env_clear().current_dir(folder);
    doctor.env("PATH", std::env::var_os("PATH").unwrap());
    doctor.env("HOME", folder).env("SANDBOX_CHECKS_FILE", file);
    String::from_utf8(doctor.output().unwrap().stdout).unwrap()
}
