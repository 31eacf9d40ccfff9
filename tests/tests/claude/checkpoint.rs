//! A real agent whose task is taken away: the first thing that its model is asked in the next task has the conversation
//! of the first in it.

use std::time::{Duration, Instant};

use sandbox_tests::{
    ecs::{Options, Stop},
    model_server::{ModelServer, Recorded, Script},
    node::{PATIENCE, built},
    repository::Repository,
    tasks::node_with,
};
use serde_json::json;

/// The second request is heard and not answered: the machine goes meanwhile.
const CUT_OFF: &str = "\
- when: {contains: You were interrupted}
  reply: {text: \"It is all there.\\n[LEARNED:machines] They go.\"}
- when: {tool_result: ''}
  delay_ms: 600000
  reply: {text: Never said.}
- when: {contains: You are agent 1 of 1}
  reply:
    text: I add c and begin d.
    tool_use: [{name: Bash, input: {command: \"echo three >c && git add c && git commit -q -m 'Add c' && echo half >d && echo as-far-as-this\", description: Add}}]
- reply: {text: A title}
";

fn says(request: &Recorded, text: &str) -> bool {
    request.has_tools() && request.body["messages"].to_string().contains(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_agent_goes_on_in_another_task_with_the_conversation_it_had() {
    let model = ModelServer::start(Script::parse(CUT_OFF).unwrap())
        .await
        .unwrap();
    let mut options = Options::of(built("sandbox"));
    for (name, value) in [
        (
            "SANDBOX_AGENT_COMMAND",
            super::claude().display().to_string(),
        ),
        ("ANTHROPIC_BASE_URL", model.base_url()),
        (
            "ANTHROPIC_API_KEY",
            "sk-dummy-01234567890123456789".to_owned(),
        ),
    ] {
        options.env.insert(name.to_owned(), value);
    }
    let (ecs, node) = node_with(options, &[]).await;
    let repository = Repository::with("echo good >a").await;
    let git = json!({"url": repository.url(), "ref": "main"});
    let farm = json!({"task": "Mend it.", "agents": 1, "workspace": {"git": git}});
    let retry = json!({"limit": 1, "on": {"Preempted": {"base": "0s"}}});
    let spec = json!({"type": "agent_farm", "backend": {"name": "fargate"}, "agentFarm": farm, "retry": retry});
    let id = node.submit_spec(spec).await;
    let from = Instant::now();
    while !model.requests().iter().any(|r| says(r, "as-far-as-this")) {
        assert!(from.elapsed() < PATIENCE, "never so far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked_before = model.requests().len();
    ecs.stops(&ecs.begun()[0], Stop::Spot);
    let job = node.ended(&id).await;
    let log: String = ecs.begun().iter().map(|arn| ecs.printed(arn)).collect();
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}\n{log}"
    );
    let asked = model.requests();
    let first = asked[asked_before..]
        .iter()
        .find(|r| r.has_tools())
        .unwrap();
    for part in [
        "You are agent 1 of 1",
        "Mend it.",
        "I add c and begin d.",
        "as-far-as-this",
        "You were interrupted",
    ] {
        assert!(says(first, part), "{part}: {:#}", first.body["messages"]);
    }
    assert_eq!(job["result"]["commits_made"], 2, "{job:#}\n{log}");
    assert_eq!(job["result"]["agents"][0]["outcome"], "done", "{job:#}");
    let tokens = job["result"]["tokens"].as_u64().unwrap();
    assert!(
        tokens <= 120,
        "what the first task used is not counted again: {tokens}"
    );
    model.shutdown().await;
}
