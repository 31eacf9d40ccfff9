//! Jobs that ask models and memory, on a real node: a scripted model server, the real store, and
//! what one job learned in the prompt of the next.

use sandbox_tests::{
    model_server::{ModelServer, Script},
    node::Node,
};
use serde_json::json;

async fn model(script: &str) -> ModelServer {
    ModelServer::start(Script::parse(script).unwrap())
        .await
        .unwrap()
}

fn with_model(server: &ModelServer) -> Node {
    Node::start(&[
        ("ANTHROPIC_BASE_URL", &server.base_url()),
        ("ANTHROPIC_API_KEY", "sk-dummy"),
    ])
}

#[tokio::test]
async fn a_lesson_of_one_job_stands_in_the_prompt_of_the_next() {
    let server = model(
        "- reply: {text: \"Done.\\n[LEARNED:sql] Dates in the orders table are UTC, never local.\", usage: {input_tokens: 10, output_tokens: 20}}",
    )
    .await;
    let node = with_model(&server);
    let ask = json!({"prompt": "How are dates stored in the orders table?", "domain": "sql"});
    let first = node.submit("claude_chat", ask.clone()).await;
    let job = node.ended(&first).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(
        job["result"]["usage"],
        json!({"input_tokens": 10, "output_tokens": 20})
    );
    let second = node.submit("claude_chat", ask).await;
    node.ended(&second).await;
    let asked: Vec<String> = server
        .requests()
        .iter()
        .map(|r| r.body["system"].to_string())
        .collect();
    assert!(!asked[0].contains("never local"), "{asked:?}");
    assert!(
        asked[1].contains("Dates in the orders table are UTC, never local."),
        "{asked:?}"
    );
    let (_, log) = node.get(&format!("/jobs/{second}/logs")).await;
    let said = "from memory: [sql] Dates in the orders table are UTC, never local.";
    assert!(log.to_string().contains(said), "{log}");
    let (_, stats) = node.get("/elf/stats").await;
    assert_eq!(
        (&stats["successful_jobs"], &stats["total_heuristics"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(stats["golden_rules"], 0);
}

#[tokio::test]
async fn a_wrong_key_fails_with_its_class_and_remedy_and_is_not_tried_again() {
    let server = model(
        "- reply: {error: {status: 401, type: authentication_error, message: invalid x-api-key}}",
    )
    .await;
    let node = with_model(&server);
    let id = node.submit("claude_chat", json!({"prompt": "hi"})).await;
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("FAILED"), &json!(1)),
        "{job:#}"
    );
    let said = job["failure"].to_string();
    assert!(
        said.contains("ANTHROPIC_API_KEY") && !said.contains("sk-dummy"),
        "{said}"
    );
}

#[tokio::test]
async fn a_job_without_a_key_fails_and_names_the_setting() {
    let node = Node::start(&[]);
    let id = node.submit("claude_chat", json!({"prompt": "hi"})).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "FAILED");
    assert!(
        job["failure"].to_string().contains("ANTHROPIC_API_KEY"),
        "{job:#}"
    );
}

#[tokio::test]
async fn analytics_writes_only_beneath_its_output_folder() {
    let server = model(
        "- reply: {text: \"Here.\\n````file models/revenue.sql\\nselect 1\\n````\\n\", usage: {input_tokens: 1, output_tokens: 1}}",
    )
    .await;
    let node = with_model(&server);
    let repo = node.data().join("workspace/default/shop");
    std::fs::create_dir_all(&repo).unwrap();
    std::fs::write(repo.join("orders.sql"), "select * from orders").unwrap();
    let payload =
        json!({"task": "a revenue model", "repo": "shop", "files_to_read": ["orders.sql"]});
    let id = node.submit("analytics", payload).await;
    let job = node.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let written = repo
        .join("_agent_output")
        .join(&id)
        .join("models/revenue.sql");
    assert_eq!(std::fs::read_to_string(written).unwrap().trim(), "select 1");
    let outside = json!({"task": "t", "repo": "../..", "files_to_read": []});
    let (status, said) = node
        .post(
            "/jobs",
            &json!({"job_type": "analytics", "payload": outside}),
        )
        .await;
    if status == 200 {
        let job = node.ended(said["job_id"].as_str().unwrap()).await;
        assert_eq!(job["failure"]["class"], "InvalidSpec", "{job:#}");
    } else {
        assert_eq!(status, 422, "{said}");
    }
}

#[tokio::test]
async fn a_dbt_run_that_fails_is_a_failed_job() {
    let folder = tempfile::tempdir().unwrap();
    let dbt = folder.path().join("dbt");
    std::fs::write(
        &dbt,
        "#!/bin/sh\necho 'Done. PASS=1 WARN=0 ERROR=1 SKIP=0 TOTAL=2'\nexit 1\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&dbt, mode).unwrap();
    let node = Node::start(&[("SANDBOX_DBT_COMMAND", dbt.to_str().unwrap())]);
    std::fs::create_dir_all(node.data().join("workspace/default/shop")).unwrap();
    let id = node
        .submit("dbt_run", json!({"dbt_project_path": "shop"}))
        .await;
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["failure"]["class"]),
        (&json!("FAILED"), &json!("AgentError")),
        "{job:#}"
    );
}

#[tokio::test]
async fn a_rule_that_a_person_teaches_is_listed_and_a_wrong_one_is_refused() {
    let node = Node::start(&[]);
    let rule = json!({"domain": "Shell Scripts", "rule": "Quote every variable."});
    let (status, made) = node.post("/elf/heuristics", &rule).await;
    assert!(status == 200 || status == 201, "{made}");
    let (_, listed) = node.get("/elf/heuristics").await;
    assert_eq!(
        listed["heuristics"][0]["rule"], "Quote every variable.",
        "{listed}"
    );
    assert_eq!(listed["heuristics"][0]["domain"], "shell-scripts");
    let (status, said) = node
        .post("/elf/heuristics", &json!({"domain": "x", "rule": "no"}))
        .await;
    assert_eq!(status, 422, "{said}");
}
