//! Farms of the real Claude Code CLI, against a scripted model on loopback: no login, no internet.
//!
//! `./scripts/test claude` fetches the CLI; where it is not there, these tests fail and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test says by panicking that it failed; not all of the rig is used here"
)]

mod checkpoint;
mod memory;
#[path = "../farm/rig.rs"]
mod rig;

use std::path::PathBuf;

use rig::{Rig, until};
use sandbox_core::{FailureClass, Outcome, Report};
use sandbox_tests::model_server::{ModelServer, Script};
use serde_json::json;

/// The version that everything about the CLI was measured with.
const VERSION: &str = "2.1.197";

fn claude() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    let base = || std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let ours = || base().join("multi-agent-sandbox");
    let cache = std::env::var_os("SANDBOX_CACHE").map_or_else(ours, PathBuf::from);
    let path = cache.join(format!("claude-{VERSION}/node_modules/.bin/claude"));
    let shown = path.display();
    assert!(
        path.exists(),
        "{shown} is not there: run ./scripts/test claude"
    );
    path
}

/// Runs a farm against a model that follows this script; gives the report and who was asked what.
async fn run(agents: u32, script: &str, credential: &'static str) -> (Rig, Report, Vec<String>) {
    let claude = claude();
    let server = ModelServer::start(Script::parse(script).unwrap())
        .await
        .unwrap();
    let url = server.base_url();
    let farm = tokio::task::spawn_blocking(move || {
        let rig = Rig::new(agents, "[]").set("agent_command", json!([claude]));
        std::fs::write(rig.at("key"), "sk-dummy-01234567890123456789\n").unwrap();
        let key = json!(rig.at("key"));
        let rig = if credential == "agent_login" {
            rig.with_login("access-dummy", 7200)
        } else {
            rig.set(credential, key)
        };
        let mut rig = rig.set("model_url", json!(url));
        let report = rig.run();
        (rig, report)
    });
    let (rig, report) = farm.await.unwrap();
    let asked = server.requests();
    let logins = asked.iter().map(|r| {
        let (key, token) = (r.header("x-api-key"), r.header("authorization"));
        format!("{} {}", key.unwrap_or_default(), token.unwrap_or_default())
    });
    let logins = logins.collect();
    server.shutdown().await;
    (rig, report, logins)
}

const WORK: &str = "\
- when: {tool_result: ''}
  reply: {text: \"Done.\\n[LEARNED:shell] Quote every variable.\"}
- when: {contains: You are agent 1 of 2}
  reply:
    text: I add c.
    tool_use: [{name: Bash, input: {command: \"echo three >c && git add c && git commit -q -m 'Add c'\", description: Add}}]
- when: {contains: You are agent 2 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: 'echo four >d', description: Add}}]
- reply: {text: A title}
";

#[tokio::test]
async fn two_real_agents_edit_commit_and_land() {
    let (rig, report, logins) = run(2, WORK, "model_key_file").await;
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert_eq!(
        rig.sh("repo", "git show farm/mend:c farm/mend:d"),
        "three\nfour"
    );
    assert_eq!(report.lessons, ["[LEARNED:shell] Quote every variable."]);
    assert!(
        report.usage.output_tokens >= 80 && report.usage.usd.micros() > 0,
        "{:?}",
        report.usage
    );
    assert!(
        logins.iter().any(|l| l.starts_with("sk-dummy-")),
        "{logins:?}"
    );
    assert!(rig.remains().is_empty());
}

#[tokio::test]
async fn a_long_lived_token_logs_real_agents_in() {
    let script = "- reply: {text: Nothing to do.}\n";
    let (rig, report, logins) = run(1, script, "agent_token_file").await;
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert!(
        logins.iter().any(|l| l.contains("Bearer sk-dummy-")),
        "{logins:?}"
    );
}

#[tokio::test]
async fn the_users_own_login_logs_real_agents_in_and_is_left_as_it_is() {
    let script = "- reply: {text: Nothing to do.}\n";
    let (rig, report, logins) = run(1, script, "agent_login").await;
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert!(
        logins.iter().any(|l| l.contains("Bearer access-dummy")),
        "{logins:?}"
    );
    let login = std::fs::read_to_string(rig.at("login/.credentials.json")).unwrap();
    assert!(login.contains("refresh-dummy"), "{login}");
}

const WAITS: &str = "\
- when: {tool_result: ''}
  reply: {text: Done.}
- when: {contains: You are agent 1 of 1}
  reply:
    tool_use: [{name: Bash, input: {command: 'touch begun; until [ -e ../go ]; do sleep 0.05; done', description: Wait}}]
- reply: {text: A title}
";

#[tokio::test]
async fn a_real_agent_at_work_uses_the_token_that_the_user_renewed() {
    let claude = claude();
    let server = ModelServer::start(Script::parse(WAITS).unwrap())
        .await
        .unwrap();
    let url = server.base_url();
    let farm = tokio::task::spawn_blocking(move || {
        let rig = Rig::new(1, "[]").set("agent_command", json!([claude]));
        let rig = rig.with_login("access-one", 7200);
        let mut rig = rig.set("model_url", json!(url));
        rig.start();
        until("the agent at work", || {
            rig.job("agent-1/begun").exists().then_some(())
        });
        rig.put_login("access-two", 9000);
        let copy = rig.desk(1, "config/.credentials.json");
        until("the next token", || {
            let text = std::fs::read_to_string(&copy).ok()?;
            text.contains("access-two").then_some(())
        });
        std::fs::write(rig.job("go"), "").unwrap();
        rig.report()
    });
    let report = farm.await.unwrap();
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.failure);
    let asked = server.requests();
    // Not every request carries a login.
    let logins = asked.iter().filter_map(|r| r.header("authorization"));
    let logins: Vec<_> = logins.collect();
    assert_eq!(logins.first(), Some(&"Bearer access-one"), "{logins:?}");
    assert_eq!(logins.last(), Some(&"Bearer access-two"), "{logins:?}");
    server.shutdown().await;
}

const CONFLICT: &str = "\
- when: {contains: git rebase}
  reply:
    tool_use: [{name: Bash, input: {command: 'git rebase farm/mend; echo both >a; git add a; GIT_EDITOR=true git rebase --continue', description: Rebase}}]
- when: {tool_result: ''}
  reply: {text: Done.}
- when: {contains: You are agent 1 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: \"echo mine >a && git commit -q -a -m Mine\", description: Change}}]
- when: {contains: You are agent 2 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: \"echo yours >a && git commit -q -a -m Yours\", description: Change}}]
- reply: {text: A title}
";

#[tokio::test]
async fn a_real_agent_whose_commits_do_not_fit_is_told_to_rebase() {
    let (rig, report, _) = run(2, CONFLICT, "model_key_file").await;
    assert_eq!(
        report.outcome,
        Outcome::Succeeded,
        "{:?}\n{}",
        report.failure,
        rig.log()
    );
    assert_eq!(
        rig.sh("repo", "git show farm/mend:a"),
        "both",
        "{}",
        rig.log()
    );
}

#[tokio::test]
async fn real_agents_without_credit_fail_the_job_and_say_why() {
    let script = "- reply: {error: {status: 400, message: Your credit balance is too low to access the Anthropic API.}}\n";
    let (_rig, report, _) = run(1, script, "model_key_file").await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.class, FailureClass::AgentError);
    assert!(
        failure.message.contains("agent-1: error: "),
        "{}",
        failure.message
    );
}
