//! Sessions of older revisions: whose they are, and how many there may be.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::world::{Ask, Told, World, ask};
use crate::face::mcp::SESSIONS_EACH;

fn said(message: &Value, key: &str) -> Ask {
    ask("POST", "/mcp")
        .key(key)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .json(message)
}

async fn begun(world: &World, key: &str) -> Told {
    let me = json!({"name": "test", "version": "1"});
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": me}});
    said(&hello, key).to(world).await
}

/// Lists the tools in this session.
async fn listed(world: &World, key: &str, session: &str) -> Told {
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let request = said(&list, key).header("mcp-session-id", session);
    request.to(world).await
}

#[tokio::test]
async fn a_session_is_there_only_for_the_tenant_that_began_it() {
    let world = World::locked();
    let hello = begun(&world, "key-a").await;
    let session = hello.header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{}", hello.text);
    let told = listed(&world, "key-b", &session).await;
    told.is_problem(StatusCode::NOT_FOUND, "not_found");
    for method in ["GET", "DELETE"] {
        let foreign = ask(method, "/mcp").key("key-b");
        let foreign = foreign.header("accept", "text/event-stream");
        let foreign = foreign.header("mcp-session-id", &session);
        let told = foreign.to(&world).await;
        told.is_problem(StatusCode::NOT_FOUND, "not_found");
    }
    let told = listed(&world, "key-a", &session).await;
    assert!(told.text.contains("elf_query"), "{}", told.text);
    let own = ask("DELETE", "/mcp").key("key-a");
    let ended = own.header("mcp-session-id", &session).to(&world).await;
    assert_eq!(ended.status, 202, "{}", ended.text);
    let told = listed(&world, "key-a", &session).await;
    told.is_problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn a_tenant_with_too_many_sessions_is_told_so_and_others_begin_theirs() {
    let world = World::locked();
    let mut last = String::new();
    for _ in 0..SESSIONS_EACH {
        let told = begun(&world, "key-a").await;
        assert_eq!(told.status, 200, "{}", told.text);
        told.header("mcp-session-id").clone_into(&mut last);
    }
    let told = begun(&world, "key-a").await;
    told.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert!(told.text.contains("end one"), "{}", told.text);
    assert_eq!(begun(&world, "key-b").await.status, 200);
    let own = ask("DELETE", "/mcp").key("key-a");
    own.header("mcp-session-id", &last).to(&world).await;
    assert_eq!(begun(&world, "key-a").await.status, 200, "one has ended");
}
