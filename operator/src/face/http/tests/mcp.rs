//! Memory's tools by HTTP: who may ask, for whom, how much, and in which revision.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::world::{Told, World, ask};
use crate::face::{
    mcp::{Door, Limited},
    rate::{Bounds, Rate, Rates},
};

/// A call of a tool in the revision without sessions.
fn call(tool: &str, arguments: &Value) -> Value {
    let about = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": about}})
}

/// Calls it with these headers besides.
async fn called(world: &World, tool: &str, arguments: &Value, headers: &[(&str, &str)]) -> Told {
    let mut request = ask("POST", "/mcp").json(&call(tool, arguments));
    let own = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    for (name, value) in own.iter().chain(headers) {
        request = request.header(name, value);
    }
    request.to(world).await
}

/// The message in an answer, whether it came as JSON or as an event.
fn message(told: &Told) -> Value {
    let events = told.text.lines().filter_map(|l| l.strip_prefix("data:"));
    let mut read = events.filter_map(|l| serde_json::from_str(l.trim()).ok());
    let found = read.next_back().unwrap_or_else(|| told.json.clone());
    assert_eq!(found["jsonrpc"], "2.0", "{} {}", told.status, told.text);
    found
}

fn rule() -> Value {
    json!({"domain": "db", "rule": "Lock the table before the move"})
}

#[tokio::test]
async fn a_tool_is_called_without_a_session_and_answers_for_model_and_program() {
    let world = World::open();
    let told = called(&world, "elf_record_heuristic", &rule(), &[]).await;
    let result = &message(&told)["result"];
    assert_eq!(result["structuredContent"]["heuristic_id"], 1, "{result}");
    assert_eq!(result["isError"], false);
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("Rule 1")
    );
    assert_eq!(result["resultType"], "complete");
}

#[tokio::test]
async fn nobody_calls_a_tool_without_the_key_that_every_route_asks_for() {
    let world = World::locked();
    let told = called(&world, "elf_stats", &json!({}), &[]).await;
    told.is_problem(StatusCode::UNAUTHORIZED, "missing_key");
    let told = called(&world, "elf_stats", &json!({}), &[("x-api-key", "wrong")]).await;
    told.is_problem(StatusCode::FORBIDDEN, "unknown_key");
    let said = json!({"kind": "call", "tool": "elf_stats", "arguments": {}});
    let told = ask("POST", "/elf/ask").json(&said).to(&world).await;
    told.is_problem(StatusCode::UNAUTHORIZED, "missing_key");
}

#[tokio::test]
async fn a_key_names_the_tenant_and_no_header_or_argument_names_another() {
    let world = World::locked();
    let key_a = [("x-api-key", "key-a")];
    called(&world, "elf_record_heuristic", &rule(), &key_a).await;
    let foreign = [("x-api-key", "key-b"), ("x-client-id", "client-a")];
    let told = called(&world, "elf_stats", &json!({}), &foreign).await;
    let counters = &message(&told)["result"]["structuredContent"];
    assert_eq!(counters["client_id"], "client-b");
    assert_eq!(counters["total_heuristics"], 0);
    let told = called(
        &world,
        "elf_stats",
        &json!({"client_id": "client-a"}),
        &foreign,
    )
    .await;
    assert_eq!(message(&told)["result"]["isError"], true);
    let vote = json!({"heuristic_id": 1});
    let told = called(&world, "elf_validate_heuristic", &vote, &foreign).await;
    let result = &message(&told)["result"];
    assert_eq!(result["isError"], true, "{result}");
    assert!(result.get("structuredContent").is_none());
}

#[tokio::test]
async fn without_keys_a_client_may_name_itself_and_a_name_that_is_none_is_refused() {
    let world = World::open();
    let named = [("x-client-id", "client-a")];
    called(&world, "elf_record_heuristic", &rule(), &named).await;
    let told = called(&world, "elf_stats", &json!({}), &named).await;
    let counters = &message(&told)["result"]["structuredContent"];
    assert_eq!(counters["client_id"], "client-a");
    assert_eq!(counters["total_heuristics"], 1);
    let told = called(&world, "elf_stats", &json!({}), &[]).await;
    let counters = &message(&told)["result"]["structuredContent"];
    assert_eq!(
        counters["total_heuristics"], 0,
        "that of nobody in particular"
    );
    let odd = [("x-client-id", "../etc")];
    let told = called(&world, "elf_stats", &json!({}), &odd).await;
    told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn a_foreign_page_and_an_oversize_body_are_turned_away_before_memory_is_asked() {
    let world = World::open();
    let foreign = [("origin", "http://evil.example")];
    let told = called(&world, "elf_record_heuristic", &rule(), &foreign).await;
    told.is_problem(StatusCode::FORBIDDEN, "foreign_origin");
    let host = [("host", "evil.example")];
    let told = called(&world, "elf_record_heuristic", &rule(), &host).await;
    told.is_problem(StatusCode::FORBIDDEN, "unknown_host");
    let large = json!({"domain": "db", "rule": "x".repeat(2 << 20)});
    let told = called(&world, "elf_record_heuristic", &large, &[]).await;
    assert_eq!(told.status, 413, "{}", told.text);
    let told = called(&world, "elf_stats", &json!({}), &[]).await;
    let counters = &message(&told)["result"]["structuredContent"];
    assert_eq!(counters["total_heuristics"], 0);
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_told_when_to_come_again_and_others_are_not() {
    let world = World::with(|services| {
        let rates = Rates {
            asks: Rate::new(1, 2),
            ..Rates::default()
        };
        let tools = services.tools.clone().unwrap();
        let tools = Arc::new(Limited::new(tools, Arc::new(Bounds::new(rates))));
        services.mcp = Some(Door::of_memory(tools.clone(), 1 << 20));
        services.tools = Some(tools);
    });
    let named = [("x-client-id", "client-a")];
    let mut told = Vec::new();
    for _ in 0..20 {
        told.push(message(
            &called(&world, "elf_stats", &json!({}), &named).await,
        ));
    }
    let refused = told.iter().find(|t| t["result"]["isError"] == true);
    let text = &refused.expect("one of them is too much")["result"]["content"][0]["text"];
    assert!(text.as_str().unwrap().contains("ask again in"), "{text}");
    let other = message(&called(&world, "elf_stats", &json!({}), &[]).await);
    assert_eq!(other["result"]["isError"], false);
}

#[tokio::test]
async fn who_changes_memory_too_often_is_told_when_to_come_again_and_may_still_read() {
    let world = World::with(|services| {
        let rates = Rates {
            writes: Rate::new(1, 2),
            ..Rates::default()
        };
        services.bounds = Arc::new(Bounds::new(rates));
    });
    let mut told = Vec::new();
    for _ in 0..20 {
        told.push(world.post("/elf/rules/no-rule/pin", &json!({})).await);
    }
    let refused = told.iter().find(|t| t.status == 429);
    let refused = refused.expect("one of them is too much");
    refused.is_problem(StatusCode::TOO_MANY_REQUESTS, "too_often");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(world.get("/elf/rules").await.status, 200);
}

#[tokio::test]
async fn an_unknown_tool_text_or_session_is_an_error_and_never_a_success() {
    let world = World::open();
    let told = called(&world, "elf_forget", &json!({}), &[]).await;
    assert_eq!(message(&told)["error"]["code"], -32602);
    let odd = format!("elf_\u{202e}{}", "x".repeat(5_000));
    let told = world.post("/mcp", &json!({})).await;
    assert!((400..500).contains(&told.status), "{}", told.text);
    let said = json!({"kind": "call", "tool": odd, "arguments": {}});
    let told = ask("POST", "/elf/ask").json(&said).to(&world).await;
    assert_eq!(told.json["failed"]["kind"], "notFound", "{}", told.text);
    assert!(told.text.len() < 500 && !told.text.contains('\u{202e}'));
    let said = json!({"kind": "read", "uri": "elf://rule/77"});
    let told = ask("POST", "/elf/ask").json(&said).to(&world).await;
    assert_eq!(told.json["failed"]["kind"], "notFound", "{}", told.text);
    let told = ask("POST", "/elf/ask")
        .json(&json!({"kind": "drop"}))
        .to(&world)
        .await;
    told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    let told = ask("GET", "/mcp")
        .header("accept", "text/event-stream")
        .header("mcp-session-id", "00000000-0000-0000-0000-000000000000")
        .to(&world)
        .await;
    assert_eq!(told.status, 404, "{}", told.text);
}
