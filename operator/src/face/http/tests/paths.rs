//! Payloads that name places and programs: paths, repositories, dbt command lines.

use serde_json::{Value, json};

use super::{
    dialect::{refused, spec, submit},
    world::{World, ask},
};

#[tokio::test]
async fn paths_and_repositories_that_lead_elsewhere_are_refused() {
    let world = World::open();
    let root = world.services.workspace_root.display().to_string();
    for path in [
        "/etc",
        "../x",
        "a/../../x",
        "",
        "a\0b",
        "/",
        &format!("{root}/../etc"),
    ] {
        refused(&world, "agent_farm", json!({"path": path}), "payload.path").await;
    }
    for url in [
        "--upload-pack=x",
        "ext::sh -c x",
        "https://me:secret@host/r",
        "/etc/passwd",
    ] {
        refused(
            &world,
            "agent_farm",
            json!({"repo_url": url}),
            "payload.repo_url",
        )
        .await;
    }
    let payload = json!({"repo_url": "https://host/r", "branch": "--force"});
    refused(&world, "agent_farm", payload, "payload.branch").await;
}

#[tokio::test]
async fn an_absolute_path_must_lie_in_the_tenants_own_folder() {
    let world = World::locked();
    let root = world.services.workspace_root.clone();
    let farm = |path: std::path::PathBuf| {
        let body = json!({"job_type": "agent_farm", "payload": {"path": path}});
        ask("POST", "/jobs").key("key-a").json(&body).to(&world)
    };
    let own = farm(root.join("client-a/repo")).await;
    assert_eq!(own.status, 200, "{}", own.text);
    assert_eq!(own.json["warnings"], Value::Null);
    assert_eq!(farm(root.join("client-b/repo")).await.status, 422);
    assert_eq!(farm(root.join("repo")).await.status, 422);
    assert_eq!(farm(root.join("client-a-too/repo")).await.status, 422);
}

#[tokio::test]
async fn a_dbt_command_line_is_taken_apart() {
    let world = World::open();
    let line = "dbt build --select +orders --exclude=old -t prod --threads 4 --full-refresh -x";
    let payload = json!({"workspace_path": "dbt", "command": line, "vars": {"day": "x", "n": 3}});
    let told = submit(&world, "dbt_run", payload).await;
    refused(
        &world,
        "dbt_run",
        json!({"dbt_project_path": "d", "command": "run --threads x"}),
        "payload.threads",
    )
    .await;
    assert_eq!(
        told.json["errors"][0]["field"], "payload.threads",
        "{}",
        told.text
    );
    let line = "dbt build --select +orders --exclude=old -t prod --full-refresh -x";
    let payload = json!({"workspace_path": "dbt", "command": line, "threads": 4, "vars": {"day": "x", "n": 3}});
    let (spec, _) = spec(&world, "dbt_run", payload).await;
    let dbt = serde_json::to_value(spec.dbt_run.unwrap()).unwrap();
    assert_eq!(
        dbt,
        json!({
            "projectPath": "dbt", "command": "build", "target": "prod", "select": "+orders",
            "exclude": "old", "fullRefresh": true, "vars": {"day": "x", "n": "3"}, "threads": 4, "failFast": true
        })
    );
    for (command, field) in [
        ("docs serve", "payload.command"),
        ("run --profiles-dir", "payload.command"),
        ("run; rm -rf /", "payload.command"),
        ("run --log-path /etc", "payload.command"),
        ("run --profiles-dir /etc", "payload.profiles_dir"),
        ("run --target=-x", "payload.target"),
    ] {
        let payload = json!({"dbt_project_path": "d", "command": command});
        refused(&world, "dbt_run", payload, field).await;
    }
    refused(&world, "dbt_run", json!({}), "payload.dbt_project_path").await;
    refused(
        &world,
        "dbt_run",
        json!({"dbt_project_path": "d", "vars": 5}),
        "payload.vars",
    )
    .await;
}

#[tokio::test]
async fn a_whole_agent_job_may_name_no_path_that_leads_out() {
    let world = World::open();
    for (spec, field) in [
        (
            json!({"type": "agent_farm", "agentFarm": {"task": "t", "workspace": {"path": "../x"}}}),
            "spec.agentFarm.workspace.path",
        ),
        (
            json!({"type": "agent_farm", "agentFarm": {"task": "t", "promptFile": "/etc/passwd", "workspace": {"path": "x"}}}),
            "spec.agentFarm.promptFile",
        ),
        (
            json!({"type": "dbt_run", "dbtRun": {"projectPath": "/etc"}}),
            "spec.dbtRun.projectPath",
        ),
        (
            json!({"type": "dbt_run", "dbtRun": {"projectPath": "d", "profilesDir": "a/../../b"}}),
            "spec.dbtRun.profilesDir",
        ),
        (
            json!({"type": "analytics", "analytics": {"task": "t", "repo": "r", "filesToRead": ["a", "../b"]}}),
            "spec.analytics.filesToRead[1]",
        ),
    ] {
        let body =
            json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "spec": spec});
        let told = world.post("/jobs", &body).await;
        assert_eq!(
            (told.status, &told.json["errors"][0]["field"]),
            (422, &json!(field)),
            "{}",
            told.text
        );
    }
    let files = json!({"task": "t", "repo": "r", "files_to_read": ["/etc/passwd"]});
    refused(&world, "analytics", files, "payload.files_to_read[0]").await;
    let prompt = json!({"path": "p", "prompt_file": "../p"});
    refused(&world, "agent_farm", prompt, "payload.prompt_file").await;
}

#[tokio::test]
async fn a_job_may_only_retry_a_job_of_its_own_tenant_that_is_over() {
    let world = World::locked();
    let made = ask("POST", "/jobs")
        .key("key-a")
        .json(&super::world::echo("x"))
        .to(&world)
        .await;
    let id = made.json["job_id"].as_str().unwrap();
    let retry = |key: &str| {
        let spec = json!({"type": "echo", "echo": {}, "retryOf": {"uid": id}});
        let body =
            json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "spec": spec});
        ask("POST", "/jobs").key(key).json(&body).to(&world)
    };
    assert_eq!(
        retry("key-a").await.json["errors"][0]["field"],
        "spec.retryOf.uid"
    );
    world.ended(id, sandbox_core::Outcome::Failed).await;
    assert_eq!(
        retry("key-b").await.json["errors"][0]["field"],
        "spec.retryOf.uid"
    );
    assert_eq!(retry("key-a").await.status, 200);
}
