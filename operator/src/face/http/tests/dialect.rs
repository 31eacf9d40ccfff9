//! Payloads of the old API: what each key becomes, and what is refused.

use axum::http::StatusCode;
use sandbox_core::{AgentJobSpec, spec::span};
use serde_json::{Value, json};

use super::world::{Told, World, ask};

pub async fn submit(world: &World, job_type: &str, payload: Value) -> Told {
    world
        .post("/jobs", &json!({"job_type": job_type, "payload": payload}))
        .await
}

pub async fn spec(world: &World, job_type: &str, payload: Value) -> (AgentJobSpec, Value) {
    let told = submit(world, job_type, payload).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let id = told.json["job_id"].as_str().unwrap().to_owned();
    (world.job(&id).await.spec, told.json)
}

pub async fn refused(world: &World, job_type: &str, payload: Value, field: &str) {
    let told = submit(world, job_type, payload).await;
    told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    let fields: Vec<&Value> = told.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["field"])
        .collect();
    assert!(fields.contains(&&json!(field)), "{field}: {}", told.text);
}

#[tokio::test]
async fn the_readmes_farm_examples_work_without_a_task() {
    let world = World::open();
    let payload =
        json!({"repo_url": "https://github.com/you/your-repo", "branch": "main", "agent_count": 3});
    let (spec, _) = spec(&world, "agent_farm", payload).await;
    let farm = spec.agent_farm.unwrap();
    assert_eq!(farm.agents, 3);
    assert!(farm.task.contains("fix them"), "{}", farm.task);
    assert_eq!(farm.workspace.git.unwrap().git_ref, "main");
}

#[tokio::test]
async fn the_readmes_curl_line_with_a_path_works() {
    let world = World::open();
    let path = world.services.workspace_root.join("my-project");
    let body = json!({"job_type": "agent_farm", "payload": {"path": path, "agent_count": 3}});
    let kind = "application/x-www-form-urlencoded";
    let told = ask("POST", "/jobs")
        .header("content-type", kind)
        .json(&body)
        .to(&world)
        .await;
    assert_eq!(told.status, 200, "{}", told.text);
    let id = told.json["job_id"].as_str().unwrap();
    let farm = world.job(id).await.spec.agent_farm.unwrap();
    assert_eq!(farm.workspace.path.as_deref(), Some("my-project"));
    assert!(
        told.json["warnings"][0]
            .as_str()
            .unwrap()
            .contains("my-project")
    );
}

#[tokio::test]
async fn a_farms_keys_reach_its_spec_and_old_ones_are_told() {
    let world = World::open();
    let payload = json!({
        "path": "repo/./sub", "task": "fix it", "agent_count": 2, "stagger": 1.5, "stack": "rust",
        "prompt_file": "PROMPT.md", "model": "m", "inject_elf_context": false, "domain": "auth",
        "wait_after_cc": 15.0, "no_monitor": true, "session": "s", "surprise": null
    });
    let (spec, record) = spec(&world, "agent_farm", payload.clone()).await;
    let elf = spec.elf.unwrap();
    assert_eq!((elf.inject, elf.domain.as_deref()), (false, Some("auth")));
    let farm = spec.agent_farm.unwrap();
    assert_eq!(farm.workspace.path.as_deref(), Some("repo/sub"));
    assert_eq!((farm.task.as_str(), farm.agents), ("fix it", 2));
    assert_eq!(farm.stagger.map(|s| span(s).as_millis()), Some(1500));
    assert_eq!(farm.stack.as_deref(), Some("rust"));
    assert_eq!(farm.prompt_file.as_deref(), Some("PROMPT.md"));
    assert_eq!(record["payload"], payload);
    let warnings = record["warnings"].to_string();
    for key in ["wait_after_cc", "no_monitor", "session", "surprise"] {
        assert!(
            warnings.contains(&format!("payload.{key} ")),
            "{key}: {warnings}"
        );
    }
    assert!(
        warnings.contains("session has no meaning any more"),
        "{warnings}"
    );
    assert!(warnings.contains("surprise is not known"), "{warnings}");
}

#[tokio::test]
async fn a_command_from_a_payload_is_refused_in_words() {
    let world = World::open();
    let payload = json!({"path": "p", "claude_cmd": "rm -rf /"});
    let told = submit(&world, "agent_farm", payload).await;
    told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    assert!(
        told.json["detail"]
            .as_str()
            .unwrap()
            .starts_with("payload.claude_cmd: is not accepted")
    );
}

#[tokio::test]
async fn a_chats_keys_reach_its_spec() {
    let world = World::open();
    let payload = json!({"prompt": "Hello!", "system": "s", "max_tokens": 9, "repo": "r", "files_to_read": ["a"]});
    let (spec, _) = spec(&world, "claude_chat", payload).await;
    let chat = spec.claude_chat.unwrap();
    assert_eq!((chat.prompt.as_str(), chat.max_tokens), ("Hello!", 9));
    assert_eq!(
        (chat.system.as_deref(), chat.project.as_deref()),
        (Some("s"), Some("r"))
    );
    assert_eq!(chat.files_to_read, ["a"]);
    assert!(chat.model.starts_with("claude"));
    refused(&world, "claude_chat", json!({}), "payload.prompt").await;
    refused(
        &world,
        "claude_chat",
        json!({"prompt": ""}),
        "payload.prompt",
    )
    .await;
    refused(
        &world,
        "claude_chat",
        json!({"prompt": 5}),
        "payload.prompt",
    )
    .await;
    refused(
        &world,
        "claude_chat",
        json!({"prompt": "x", "max_tokens": 0}),
        "payload.max_tokens",
    )
    .await;
    refused(
        &world,
        "claude_chat",
        json!({"prompt": "x", "files_to_read": [1]}),
        "payload.files_to_read",
    )
    .await;
}

#[tokio::test]
async fn an_analytics_jobs_keys_reach_its_spec() {
    let world = World::open();
    let payload =
        json!({"task": "Create a revenue model", "repo": "client_dbt", "output_files": ["x"]});
    let (spec, record) = spec(&world, "analytics", payload).await;
    let work = spec.analytics.unwrap();
    assert_eq!((work.repo.as_str(), work.max_tokens), ("client_dbt", 4096));
    assert!(
        record["warnings"][0]
            .as_str()
            .unwrap()
            .contains("output_files")
    );
    refused(&world, "analytics", json!({"repo": "r"}), "payload.task").await;
    refused(&world, "analytics", json!({"task": "t"}), "payload.repo").await;
    refused(
        &world,
        "analytics",
        json!({"task": "t", "repo": "../other"}),
        "payload.repo",
    )
    .await;
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_refused_under_its_own_name() {
    let world = World::open();
    refused(&world, "echo", json!({"message": {}}), "payload.message").await;
    refused(&world, "echo", json!({"delay": -1}), "payload.delay").await;
    refused(&world, "echo", json!({"delay": 1e300}), "payload.delay").await;
    refused(
        &world,
        "echo",
        json!({"message": "x".repeat(70000)}),
        "payload.message",
    )
    .await;
    for (payload, field) in [
        (
            json!({"path": "p", "agent_count": "three"}),
            "payload.agent_count",
        ),
        (
            json!({"path": "p", "agent_count": 51}),
            "payload.agent_count",
        ),
        (
            json!({"path": "p", "agent_count": 0}),
            "payload.agent_count",
        ),
        (
            json!({"path": "p", "agent_count": 2.5}),
            "payload.agent_count",
        ),
        (
            json!({"path": "p", "inject_elf_context": "no"}),
            "payload.inject_elf_context",
        ),
        (json!({"path": "p", "task": ["x"]}), "payload.task"),
        (json!({"path": ["p"]}), "payload.path"),
        (json!({}), "payload.repo_url"),
    ] {
        refused(&world, "agent_farm", payload, field).await;
    }
}

#[tokio::test]
async fn a_payload_too_large_to_keep_twice_is_told_from_the_spec() {
    let world = World::open();
    let long = "x".repeat(5000);
    let (spec, record) = spec(
        &world,
        "claude_chat",
        json!({"prompt": long, "max_tokens": 5}),
    )
    .await;
    assert_eq!(spec.claude_chat.unwrap().prompt, long);
    assert_eq!(record["payload"]["prompt"], long);
    assert_eq!(record["payload"]["max_tokens"], 5);
    let job = record["job_id"].as_str().unwrap();
    assert_eq!(world.job(job).await.metadata.annotations, None);
}

#[tokio::test]
async fn every_type_reads_back_as_a_payload_that_asks_for_the_same() {
    let world = World::open();
    for (job_type, payload) in [
        ("echo", json!({"message": "m", "delay": 0.5})),
        (
            "claude_chat",
            json!({"prompt": "p", "path": "x", "domain": "d"}),
        ),
        (
            "analytics",
            json!({"task": "t", "repo": "r", "files_to_read": ["f"]}),
        ),
        (
            "agent_farm",
            json!({"task": "t", "repo_url": "https://h/r", "stagger": 2}),
        ),
        (
            "dbt_run",
            json!({"dbt_project_path": "d", "vars": {"a": "b"}, "full_refresh": true}),
        ),
    ] {
        let (first, _) = spec(&world, job_type, payload).await;
        let told = super::super::dialect::payload::of_spec(&first);
        let (second, record) = spec(&world, job_type, told.clone()).await;
        let same = (
            first.echo,
            first.claude_chat,
            first.analytics,
            first.agent_farm,
            first.dbt_run,
        );
        let and = (
            second.echo,
            second.claude_chat,
            second.analytics,
            second.agent_farm,
            second.dbt_run,
        );
        assert_eq!(same, and, "{told}");
        assert_eq!(record["warnings"], Value::Null, "{told}");
    }
}
