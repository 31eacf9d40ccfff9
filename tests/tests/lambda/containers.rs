//! The whole way on one machine: requests as API Gateway tells them, the real `bootstrap`, tables with their streams, and
//! each task a container of the runner's image as people build it, with the real terminal agent and the real dbt.

use std::{collections::BTreeSet, fs, path::Path};

use sandbox_tests::{
    images::{EVERYTHING, everything},
    lambda::{Account, Plan},
    model_server::{ModelServer, Script},
    repository::Repository,
};
use serde_json::{Value, json};

const LESSON: &str = "Dates in the orders table are UTC, never local.";

/// What the model says to each job.
const MODEL: &str = r"
- when: {tool_result: ''}
  reply: {text: Done.}
- when: {contains: You are agent 1 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: 'echo three >c && git add c && git commit -q -m Third', description: Add}}]
- when: {contains: You are agent 2 of 2}
  reply:
    tool_use: [{name: Bash, input: {command: 'echo four >d', description: Add}}]
- when: {contains: Describe the orders}
  reply: {text: '````file orders.md

    Orders have an id.

    ````'}
- when: {contains: How are dates stored}
  times: 1
  reply: {text: 'Done.

    [LEARNED:sql] Dates in the orders table are UTC, never local.'}
- reply: {text: Done.}
";

/// Files of the tenant, as the image of an account has them: a project of dbt, and something to read.
fn files(folder: &Path) {
    let shop = folder.join("shop");
    fs::create_dir_all(shop.join("models")).unwrap();
    let put = |name: &str, text: &str| fs::write(shop.join(name), text).unwrap();
    put(
        "dbt_project.yml",
        "{name: shop, version: '1.0', profile: shop}",
    );
    put(
        "profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: target/shop.duckdb}}}",
    );
    put("models/orders.sql", "select 1 as id union all select 2");
    put(
        "models/schema.yml",
        "models: [{name: orders, columns: [{name: id, data_tests: [unique, not_null]}]}]",
    );
}

fn chat() -> Value {
    json!({"type": "claude_chat", "claudeChat": {"prompt": "How are dates stored in the orders table?"}, "elf": {"domain": "sql"}})
}

/// One of each kind that has something to show, and echoes.
fn jobs(repository: &Repository) -> Vec<Value> {
    let git = json!({"url": repository.url(), "ref": "main"});
    let land = json!({"branch": "farm/mend", "push": true});
    let farm = json!({"task": "Mend it.", "agents": 2, "workspace": {"git": git}, "land": land});
    let orders = json!({"task": "Describe the orders", "repo": "shop", "filesToRead": ["models/orders.sql"]});
    let mut jobs = vec![
        json!({"type": "agent_farm", "agentFarm": farm}),
        json!({"type": "dbt_run", "dbtRun": {"projectPath": "shop", "command": "build"}}),
        json!({"type": "analytics", "analytics": orders}),
        chat(),
    ];
    let echo = |n: usize| json!({"type": "echo", "echo": {"message": n.to_string()}});
    jobs.extend((jobs.len()..19).map(echo));
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_jobs_of_every_kind_go_the_whole_way_in_containers() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let path = folder.path().to_owned();
    let image = tokio::task::spawn_blocking(move || everything(&path)).await;
    let model = ModelServer::start(Script::parse(MODEL).unwrap());
    let model = model.await.unwrap();
    let repository = Repository::with("echo one >a").await;
    let plan = Plan {
        image: Some((image.unwrap(), EVERYTHING)),
        ..Plan::default()
    };
    let plan = plan
        .set("SANDBOX_SLOTS", "4")
        .tell_tasks("ANTHROPIC_BASE_URL", &model.base_url())
        .tell_tasks("ANTHROPIC_API_KEY", "sk-dummy");
    let account = Account::with(plan).await;
    let teaches = account.submit(&chat()).await;
    succeeded(&account, &teaches).await;
    let mut ids = Vec::new();
    for spec in jobs(&repository) {
        ids.push(account.submit(&spec).await);
    }
    let mut done = Vec::new();
    for id in &ids {
        done.push(succeeded(&account, id).await);
    }
    let begun = account.ecs.begun();
    let seats: BTreeSet<String> = account.ecs.launches().iter().map(seat).collect();
    assert_eq!((begun.len(), seats.len()), (20, 20));
    let landed = ["show", "farm/mend:c", "farm/mend:d"];
    assert_eq!(repository.git(&landed), "three\nfour\n");
    assert_eq!(done[1]["result"]["summary"]["pass"], 3, "{:#}", done[1]);
    let written = account.get(&format!("/jobs/{}/artifacts", ids[2])).await.1;
    assert!(written.contains("orders.md"), "{written}\n{:#}", done[2]);
    let asked = model.requests();
    let asked = asked.iter().filter(|r| r.body["tools"].is_null());
    let told = asked.filter(|r| r.body["system"].to_string().contains(LESSON));
    assert!(told.count() >= 1, "the lesson of the first was not told");
}

/// The job when it has succeeded, at once.
async fn succeeded(account: &Account, id: &str) -> Value {
    let job = account.ended(id).await;
    let log = account.get(&format!("/jobs/{id}/logs")).await.1;
    let seen = (job["status"].as_str(), job["attempt"].as_u64());
    assert_eq!(seen, (Some("SUCCEEDED"), Some(1)), "{job:#}\n{log}");
    job
}

fn seat(launch: &Value) -> String {
    launch["startedBy"].as_str().unwrap_or_default().to_owned()
}
