//! What a server would hold open ends here, and says when and where to go on.

use reqwest::Method;
use sandbox_tests::lambda::{Account, Plan, account::OTHER_KEY};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_ends_with_when_to_come_again_and_another_instance_goes_on_where_it_ended()
 {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let id = account
        .submit(&json!({"type": "echo", "echo": {"message": "hello"}}))
        .await;
    let path = format!("/jobs/{id}/events");
    let first = account.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let first = first.text().await.unwrap();
    assert!(first.starts_with("retry: 3000\n"), "{first}");
    assert!(first.contains("event: Submitted"), "{first}");
    let last = first.lines().rev().find_map(|l| l.strip_prefix("id: "));
    let last = last.unwrap().to_owned();
    account.cold().await;
    let again = async || {
        let asked = account
            .request(Method::GET, &path)
            .header("last-event-id", &last);
        asked.send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(again().await, format!("retry: 3000\nid: {last}\n\n"));
    let cancelled = account
        .request(Method::POST, &format!("/jobs/{id}/cancel"))
        .send()
        .await;
    assert_eq!(cancelled.unwrap().status(), 200);
    account.cold().await;
    let rest = again().await;
    assert!(
        rest.contains("event: CancelRequested") && !rest.contains("Submitted"),
        "{rest}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_a_tenant_tells_what_other_instances_have_written() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let heard = async |last: &str| {
        let asked = account.request(Method::GET, "/events");
        let asked = if last.is_empty() {
            asked
        } else {
            asked.header("last-event-id", last)
        };
        asked.send().await.unwrap().text().await.unwrap()
    };
    let first = heard("").await;
    let last = first.lines().find_map(|l| l.strip_prefix("id: "));
    let last = last.unwrap().to_owned();
    assert_eq!(
        first,
        format!("retry: 3000\nid: {last}\n\n"),
        "it begins now"
    );
    let id = account
        .submit(&json!({"type": "echo", "echo": {"message": "hello"}}))
        .await;
    account.cold().await;
    let from = std::time::Instant::now();
    let told = loop {
        let told = heard(&last).await;
        if told.contains("event: ") {
            break told;
        }
        assert!(from.elapsed() < sandbox_tests::node::PATIENCE, "never told");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(
        told.contains("event: Submitted") && told.contains(&id),
        "{told}"
    );
    let last = told.lines().rev().find_map(|l| l.strip_prefix("id: "));
    let last = last.unwrap().to_owned();
    assert_eq!(heard(&last).await, format!("retry: 3000\nid: {last}\n\n"));
    let other = account
        .open(Method::GET, "/events")
        .header("x-api-key", OTHER_KEY);
    let other = other
        .header("last-event-id", "0")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(!other.contains(&id), "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_of_memory_is_answered_at_once_and_without_a_session() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let ask = async |body: serde_json::Value| {
        let asked = account.request(Method::POST, "/mcp").json(&body);
        let asked = asked.header("accept", "application/json, text/event-stream");
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().get("mcp-session-id").is_none());
        answer.text().await.unwrap()
    };
    let client = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}});
    let hello =
        ask(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})).await;
    assert!(hello.contains("serverInfo"), "{hello}");
    account.cold().await;
    let tools = ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})).await;
    assert!(tools.contains("elf_search"), "{tools}");
    let held = account
        .request(Method::GET, "/mcp")
        .header("accept", "text/event-stream");
    assert_eq!(held.send().await.unwrap().status(), 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_workspace_is_there_and_a_page_is() {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let (status, text) = account.get("/workspace/status?path=.").await;
    assert_eq!(status, 404, "{text}");
    let (status, page) = account.get("/dashboard").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<html"), "{page}");
}
