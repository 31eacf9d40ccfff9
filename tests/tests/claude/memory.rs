//! The real CLI asks and teaches the shared memory by itself: in a job, and added by hand.

use std::process::Command;

use sandbox_tests::{
    model_server::{ModelServer, Script},
    node::{Node, built},
};
use serde_json::{Value, json};

use super::claude;

/// Asks memory, records a lesson, ends. The CLI begins its first turn before its servers have answered,
/// so a call may come too early; a model asks again, and so does this one.
const ASKS: &str = "\
- when: {tool_result: No such tool available}
  reply:
    tool_use: [{name: mcp__elf__elf_query, input: {domain: db}}]
- when: {tool_result: ''}
  times: 1
  reply:
    tool_use: [{name: mcp__elf__elf_record_heuristic, input: {domain: db, rule: Lock the table before the move}}]
- when: {tool_result: ''}
  reply: {text: Done.}
- when: {contains: Move the table}
  reply:
    tool_use: [{name: mcp__elf__elf_query, input: {domain: db}}]
- reply: {text: A title}
";

/// What the CLI's tools gave the model, in the order of the requests.
fn results(server: &ModelServer) -> String {
    let bodies = server.requests().into_iter().map(|r| r.body.to_string());
    bodies.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_real_agent_of_a_job_asks_and_teaches_memory_in_its_seats_name() {
    let script = Script::parse(ASKS).unwrap();
    let server = ModelServer::start(script).await.unwrap();
    let command = claude().display().to_string();
    let node = Node::start(&[
        ("ANTHROPIC_BASE_URL", &server.base_url()),
        ("ANTHROPIC_API_KEY", "sk-dummy-01234567890123456789"),
        ("SANDBOX_AGENT_COMMAND", &command),
    ]);
    let repo = node.data().join("workspace/default/shop");
    std::fs::create_dir_all(&repo).unwrap();
    let init = "git init -q -b main . && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m First";
    let mut made = Command::new("sh");
    made.args(["-ec", init]).current_dir(&repo);
    assert!(made.status().unwrap().success());
    let work = json!({"task": "Move the table", "agents": 1, "workspace": {"path": "shop"}});
    let spec = json!({"type": "agent_farm", "agentFarm": work});
    let id = node.submit_spec(spec).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let told = results(&server);
    let answered = told.contains("golden_rules");
    assert!(answered, "elf_query answered");
    let (_, known) = node.get("/elf/heuristics").await;
    let rule = &known["heuristics"][0];
    assert_eq!(rule["rule"], "Lock the table before the move", "{known}");
    assert_eq!(rule["source_type"], "agent");
    assert_eq!(rule["source_id"], format!("{id}/1"));
    server.shutdown().await;
}

/// The real CLI as a user has it, in a home of its own.
struct Cli {
    home: tempfile::TempDir,
    model: String,
}

impl Cli {
    fn run(&self, words: &[&str]) -> String {
        let at = self.home.path();
        let output = Command::new(claude())
            .args(words)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .envs([("HOME", at), ("CLAUDE_CONFIG_DIR", at)])
            .envs([("IS_SANDBOX", "1"), ("DISABLE_TELEMETRY", "1")])
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("ANTHROPIC_API_KEY", "sk-dummy-01234567890123456789")
            .env("ANTHROPIC_BASE_URL", &self.model)
            .current_dir(at)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said} {output:?}");
        said
    }
}

#[tokio::test]
async fn the_line_of_the_old_readme_adds_memory_to_a_users_own_cli() {
    let script = Script::parse(ASKS).unwrap();
    let server = ModelServer::start(script).await.unwrap();
    let node = Node::start(&[]);
    let cli = Cli {
        home: tempfile::tempdir().unwrap(),
        model: server.base_url(),
    };
    let place = format!("SANDBOX_SERVER={}", node.url());
    let said = tokio::task::spawn_blocking(move || {
        let program = built("sandbox").display().to_string();
        let memory = ["env", "CLIENT_ID=client-a", &place, &program, "mcp"];
        cli.run(&[&["mcp", "add", "-s", "user", "elf", "--"][..], &memory].concat());
        let listed = cli.run(&["mcp", "list"]);
        cli.run(&[
            "-p",
            "--allowedTools",
            "mcp__elf__*",
            "--",
            "Move the table",
        ]);
        listed
    });
    let said = said.await.unwrap();
    assert!(said.contains("Connected"), "{said}");
    let ask = json!({"kind": "call", "tool": "elf_query", "arguments": {}});
    let asked = node.request(reqwest::Method::POST, "/elf/ask").json(&ask);
    let answer = asked.header("x-client-id", "client-a").send().await;
    let known: Value = answer.unwrap().json().await.unwrap();
    let rule = &known["done"]["structured"]["heuristics"][0];
    assert_eq!(rule["rule"], "Lock the table before the move", "{known}");
    server.shutdown().await;
}
