//! A secret of a tenant that its job names reaches the task by the seat door, and nothing else shows it.

use std::{fs, path::Path, process::Command};

use axum::http::{HeaderMap, StatusCode, Uri, header::AUTHORIZATION};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Method;
use sandbox_tests::{
    lambda::{Account, Plan},
    node::built,
};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-team-a-which-nobody-may-read";

/// A repository that is given to whoever shows the token; it is served as long as the test's runtime runs.
async fn repository(folder: &Path) -> String {
    let script = "git init -q -b main one && cd one && echo good >a && git add a \
        && git -c user.name=t -c user.email=t@t.invalid commit -q -m First \
        && cd .. && git clone -q --bare one bare && git -C bare update-server-info";
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .status();
    assert!(made.unwrap().success());
    let bare = folder.join("bare");
    let pair = BASE64_STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let wanted = format!("Basic {pair}");
    let app = axum::Router::new().fallback(async move |url: Uri, headers: HeaderMap| {
        let shown = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
        if shown != Some(&*wanted) {
            return Err(StatusCode::FORBIDDEN);
        }
        let file = fs::read(bare.join(url.path().trim_start_matches('/')));
        file.map_err(|_| StatusCode::NOT_FOUND)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn farm(url: &str, secret: &str) -> Value {
    let git = json!({"url": url, "ref": "main", "tokenSecret": secret});
    let farm = json!({"task": "Change a.", "agents": 1, "workspace": {"git": git}});
    json!({"type": "agent_farm", "agentFarm": farm})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_the_secret_of_its_tenant_and_nothing_else_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.yaml");
    let steps = "- steps: [{bash: 'echo better >a; git commit -q -a -m Mend'}, {say: Done.}]\n";
    fs::write(&scenario, steps).unwrap();
    let agent = built("scripted-agent");
    let agent = format!(
        "env SCRIPTED_AGENT_SCENARIO={} {}",
        scenario.display(),
        agent.display()
    );
    let plan = Plan::default().set("LOG_LEVEL", "debug");
    let account = Account::with(plan.tell_tasks("SANDBOX_AGENT_COMMAND", &agent)).await;
    let name = account.secret_name("team-a", "github");
    account.place.secret_of(&name, TOKEN).await;
    let url = repository(folder.path()).await;
    let id = account.submit(&farm(&url, "github")).await;
    let job = account.ended(&id).await;
    let (_, log) = account.get(&format!("/jobs/{id}/logs")).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}\n{log}");
    let pair = BASE64_STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let task = account.ecs.begun()[0].clone();
    let mut shown = vec![
        log,
        account.api().log(),
        account.reconcile.log(),
        json!(account.ecs.launches()).to_string(),
        account.ecs.printed(&task),
    ];
    for path in ["", "?view=resource", "/events", "/artifacts"] {
        shown.push(account.get(&format!("/jobs/{id}{path}")).await.1);
    }
    for text in shown {
        assert!(!text.contains(TOKEN) && !text.contains(&pair), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_not_there_is_said_with_the_command_that_makes_it_and_another_tenants_is_not_reached()
 {
    let account = Account::new().await;
    let other = account.secret_name("team-b", "github");
    account.place.secret_of(&other, TOKEN).await;
    let id = account.submit(&farm("http://127.0.0.1:9/", "github")).await;
    let says = |job: &Value| job["queued_reason"].to_string().contains("create-secret");
    let job = account.until(&id, says).await;
    let name = account.secret_name("team-a", "github");
    assert!(
        job["queued_reason"]
            .to_string()
            .contains(&format!("--name {name}")),
        "{job:#}"
    );
    assert_eq!(account.ecs.asked("RunTask"), 0);
    let odd = json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {},
        "spec": farm("http://127.0.0.1:9/", "../team-b/github"),
    });
    let refused = account
        .request(Method::POST, "/jobs")
        .json(&odd)
        .send()
        .await;
    assert_eq!(refused.unwrap().status(), 422);
    account.place.secret_of(&name, TOKEN).await;
    let job = account.until(&id, |job| job["status"] != "QUEUED").await;
    assert_eq!(job["attempt"], 1, "{job:#}");
    assert_eq!(account.ecs.launches().len(), 1);
}
