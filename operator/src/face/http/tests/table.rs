//! The table of routes against the router, the document and what both promise.

use std::collections::BTreeSet;

use axum::{body::to_bytes, http::StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::world::{World, ask};
use crate::face::http::ROUTES;

#[tokio::test]
async fn every_served_route_stands_in_the_document_and_nothing_else_does() {
    let world = World::open();
    let document = world.get("/openapi.json").await.json;
    assert_eq!(document["openapi"], "3.1.0");
    let mut written = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            written.insert((method.clone(), path.clone()));
        }
    }
    let served: BTreeSet<_> = ROUTES
        .iter()
        .map(|r| (r.method.to_owned(), r.path.replace("{*", "{")))
        .collect();
    assert_eq!(written, served);
    assert_eq!(served.len(), ROUTES.len());
}

#[tokio::test]
async fn every_route_of_the_table_is_answered_by_its_own_handler() {
    let world = World::open();
    for route in ROUTES {
        let path = route.path.replace("{id}", "x").replace("{*path}", "y");
        let asked = ask(&route.method.to_uppercase(), &path).request();
        let answer = world.router.clone().oneshot(asked).await.unwrap();
        assert_ne!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        if answer.status() == 404 {
            let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(!text.contains("\"Not Found\",\"code\""), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references(node: &Value, found: &mut BTreeSet<String>) {
        match node {
            Value::Object(members) => {
                found.extend(
                    members
                        .get("$ref")
                        .and_then(|r| r.as_str())
                        .map(str::to_owned),
                );
                members.values().for_each(|v| references(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }
    let document = World::open().get("/openapi.json").await.json;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(
        found.contains("#/components/schemas/AgentJobStatus"),
        "{found:?}"
    );
    assert!(
        found.contains("#/components/schemas/JobRecord"),
        "{found:?}"
    );
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems() {
    let world = World::open();
    for path in ["/nope", "/jobs/", "/jobs/x/nope", "/docs"] {
        let told = world.get(path).await;
        told.is_problem(StatusCode::NOT_FOUND, "not_found");
        assert_eq!(told.json["detail"], "Not Found");
    }
    for (method, path) in [("PUT", "/jobs"), ("DELETE", "/jobs"), ("POST", "/health")] {
        let told = ask(method, path).to(&world).await;
        told.is_problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        assert!(told.header("allow").contains("GET"), "{path}");
    }
}

#[tokio::test]
async fn health_tells_what_stands() {
    let world = World::open();
    let told = world.get("/health").await;
    assert_eq!(told.json["status"], "healthy");
    assert_eq!(told.json["mode"], "vps");
    assert_eq!(told.json["database"], "available");
    assert_eq!(told.json["tmux"], "available");
    assert!(
        told.json["workspace"]
            .as_str()
            .unwrap()
            .ends_with("workspace")
    );
    let world = World::locked();
    assert_eq!(world.get("/health").await.json["workspace"], "available");
}

#[tokio::test]
async fn metrics_count_requests_jobs_and_events() {
    let world = World::open();
    let id = world.echo("x").await;
    world.echo("y").await;
    world.running(&id).await;
    world.get("/nope").await;
    for _ in 0..2 {
        let told = world.get("/metrics").await;
        assert_eq!(told.status, 200);
        assert!(
            told.header("content-type")
                .starts_with("application/openmetrics-text")
        );
        for line in [
            "sandbox_jobs{phase=\"QUEUED\"} 1",
            "sandbox_jobs{phase=\"RUNNING\"} 1",
            "sandbox_job_events_total{reason=\"Submitted\"} 2",
            "sandbox_http_requests_total{method=\"POST\",path=\"/jobs\",status=\"200\"} 2",
            "sandbox_http_requests_total{method=\"GET\",path=\"unknown\",status=\"404\"} 1",
        ] {
            assert!(told.text.contains(line), "{line}\n{}", told.text);
        }
    }
}

#[tokio::test]
async fn the_memorys_routes_answer_with_their_old_fields() {
    let world = World::open();
    let stats = world.get("/elf/stats").await.json;
    assert_eq!(
        (&stats["client_id"], &stats["total_outcomes"]),
        (&"default".into(), &7.into())
    );
    let rules = world.get("/elf/heuristics?domain=auth&limit=5").await.json;
    assert_eq!(rules["heuristics"][0]["domain"], "auth");
    let golden = world.get("/elf/golden-rules").await.json;
    assert_eq!(golden["golden_rules"][0]["is_golden"], true);
    let lesson = serde_json::json!({"domain": "rust", "rule": "run the tests"});
    assert_eq!(world.post("/elf/heuristics", &lesson).await.json["id"], 2);
    for bad in [
        serde_json::json!({"domain": "rust"}),
        serde_json::json!({"domain": "rust", "rule": "x"}),
        serde_json::json!({"domain": "rust", "rule": "run the tests", "is_golden": true}),
    ] {
        let told = world.post("/elf/heuristics", &bad).await;
        told.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    let without = World::with(|s| s.elf = None);
    for path in [
        "/elf/stats",
        "/elf/heuristics",
        "/elf/golden-rules",
        "/dashboard/memory",
    ] {
        let told = without.get(path).await;
        told.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
}
