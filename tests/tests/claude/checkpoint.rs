//! A real agent whose task is taken away: the first thing that its model is asked in the next task has the conversation
//! of the first in it.

use sandbox_tests::{
    ecs::{Options, Stop},
    interrupted,
    model_server::{ModelServer, Script},
    node::built,
    repository::Repository,
    tasks::node_with,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_agent_goes_on_in_another_task_with_the_conversation_it_had() {
    let model = ModelServer::start(Script::parse(interrupted::SCRIPT).unwrap())
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
    let before = interrupted::is_at_work(&model, String::new).await;
    ecs.stops(&ecs.begun()[0], Stop::Spot);
    let job = node.ended(&id).await;
    let log: String = ecs.begun().iter().map(|arn| ecs.printed(arn)).collect();
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}\n{log}"
    );
    interrupted::went_on(&model, before);
    assert_eq!(job["result"]["commits_made"], 2, "{job:#}\n{log}");
    assert_eq!(job["result"]["agents"][0]["outcome"], "done", "{job:#}");
    let tokens = job["result"]["tokens"].as_u64().unwrap();
    assert!(
        tokens <= 120,
        "what the first task used is not counted again: {tokens}"
    );
    model.shutdown().await;
}
