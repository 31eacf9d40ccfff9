//! Memory behind the functions: on a table of its own, read by whichever instance is asked.

use sandbox_tests::{
    lambda::{Account, Plan},
    model_server::{ModelServer, Script},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lesson_of_one_task_stands_in_the_prompt_of_the_next_also_after_a_cold_start() {
    let script = "- reply: {text: \"Done.\\n[LEARNED:sql] Dates in the orders table are UTC, never local.\", usage: {input_tokens: 10, output_tokens: 20}}";
    let model = ModelServer::start(Script::parse(script).unwrap())
        .await
        .unwrap();
    let plan = Plan::default()
        .tell_tasks("ANTHROPIC_BASE_URL", &model.base_url())
        .tell_tasks("ANTHROPIC_API_KEY", "sk-dummy");
    let account = Account::with(plan).await;
    let ask = json!({"type": "claude_chat", "claudeChat": {"prompt": "How are dates stored in the orders table?"}, "elf": {"domain": "sql"}});
    let lesson = "Dates in the orders table are UTC, never local.";
    let done = async || {
        let id = account.submit(&ask).await;
        let job = account.ended(&id).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    };
    done().await;
    account.cold().await;
    // A runner waits for two seconds at most; a new instance reads all of memory first.
    let path =
        "/elf/context?task=How%20are%20dates%20stored%20in%20the%20orders%20table&domain=sql";
    let (_, context) = account.get(path).await;
    assert!(context.contains(lesson), "{context}");
    done().await;
    let requests = model.requests();
    let asked: Vec<String> = requests
        .iter()
        .map(|r| r.body["system"].to_string())
        .collect();
    assert!(!asked[0].contains(lesson), "{asked:?}");
    assert!(asked[1].contains(lesson), "{asked:?}");
    let (_, stats) = account.get("/elf/stats").await;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(
        (&stats["successful_jobs"], &stats["total_heuristics"]),
        (&json!(2), &json!(1))
    );
}
