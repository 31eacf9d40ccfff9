//! Keys, hosts, origins, caps: who comes in.

use std::fs;

use axum::http::StatusCode;

use serde_json::json;

use super::world::{CLIENTS, World, ask, echo};
use crate::face::http::{
    ROUTES,
    auth::{BadKeys, KeySource, Keys},
    check_bind,
};

fn concrete(path: &str, id: &str) -> String {
    let path = path.replace("{id}", id).replace("{*path}", "a.txt");
    if path.starts_with("/workspace") {
        return format!("{path}?path=.&file=a");
    }
    path
}

#[tokio::test]
async fn without_a_key_only_health_and_the_way_in_are_open() {
    let world = World::locked();
    for route in ROUTES {
        let path = concrete(route.path, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        let method = route.method.to_uppercase();
        let told = ask(&method, &path).to(&world).await;
        if route.open {
            assert_ne!(told.status, 401, "{path}");
            assert!(told.header("location").is_empty() || path.ends_with("/logout"));
        } else if path.starts_with("/dashboard") {
            // A browser is asked for a key.
            assert_eq!(told.status, 303, "{path}");
        } else {
            told.is_problem(StatusCode::UNAUTHORIZED, "missing_key");
            assert!(told.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let open = ROUTES.iter().filter(|r| r.open).map(|r| r.path);
    let mut open: Vec<&str> = open.collect();
    open.dedup();
    let way_in = [
        "/dashboard/login",
        "/dashboard/logout",
        "/dashboard/style.css",
    ];
    assert_eq!(open, [["/health"].as_slice(), &way_in].concat());
    let told = ask("GET", "/nothing/here").to(&world).await;
    told.is_problem(StatusCode::UNAUTHORIZED, "missing_key");
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_and_without_authentication() {
    for world in [World::locked(), World::open()] {
        let told = ask("GET", "/jobs").key("wrong").to(&world).await;
        told.is_problem(StatusCode::FORBIDDEN, "unknown_key");
    }
}

#[tokio::test]
async fn a_key_in_either_header_opens_the_door_to_its_own_tenant() {
    let world = World::locked();
    let by_header = ask("GET", "/jobs").key("key-a").to(&world).await;
    assert_eq!(by_header.json["client_id"], "client-a");
    let bearer = ask("GET", "/jobs").header("authorization", "bearer key-b");
    assert_eq!(bearer.to(&world).await.json["client_id"], "client-b");
}

#[tokio::test]
async fn another_tenants_job_is_not_found_on_every_route_with_an_id() {
    let world = World::locked();
    let made = ask("POST", "/jobs")
        .key("key-a")
        .json(&echo("mine"))
        .to(&world)
        .await;
    let id = made.json["job_id"].as_str().unwrap().to_owned();
    assert_eq!(made.json["client_id"], "client-a");
    let mut tried = 0;
    let of_jobs = |path: &str| path.contains("{id}") && !path.starts_with("/elf/");
    for route in ROUTES.iter().filter(|r| of_jobs(r.path)) {
        let (method, path) = (route.method.to_uppercase(), concrete(route.path, &id));
        let asked = ask(&method, &path).key("key-b");
        let told = asked.json(&json!({"spec": {}})).to(&world).await;
        assert_eq!(told.status, 404, "{method} {path}: {}", told.text);
        tried += 1;
    }
    assert!(tried >= 11, "{tried}");
    let listed = ask("GET", "/jobs").key("key-b").to(&world).await;
    assert_eq!(listed.json["count"], 0);
    let own = ask("GET", &format!("/jobs/{id}"))
        .key("key-a")
        .to(&world)
        .await;
    assert_eq!(own.status, 200);
    assert!(!world.job(&id).await.spec.cancel);
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_ask_anything() {
    let world = World::open();
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:9999",
        "https://localhost",
    ] {
        for (method, path) in [("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/health")] {
            let asked = ask(method, path).header("origin", origin).json(&echo("x"));
            let told = asked.to(&world).await;
            told.is_problem(StatusCode::FORBIDDEN, "foreign_origin");
        }
    }
    let own = ask("GET", "/jobs").header("origin", "http://localhost:8000");
    assert_eq!(own.to(&world).await.status, 200);
    assert_eq!(world.get("/jobs").await.json["count"], 0);
}

#[tokio::test]
async fn without_authentication_only_known_names_are_answered() {
    let world = World::with(|s| s.limits.hosts = vec!["box.example".to_owned()]);
    for host in [
        "localhost",
        "127.0.0.1:8000",
        "[::1]:80",
        "LOCALHOST:1",
        "box.example:8443",
    ] {
        let told = ask("GET", "/jobs").header("host", host).to(&world).await;
        assert_eq!(told.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example:8000",
        "10.0.0.1",
        "",
        "127.0.0.1.nip.io",
    ] {
        let told = ask("GET", "/jobs").header("host", host).to(&world).await;
        told.is_problem(StatusCode::FORBIDDEN, "unknown_host");
    }
    let locked = World::locked();
    let told = ask("GET", "/jobs")
        .key("key-a")
        .header("host", "any.example")
        .to(&locked)
        .await;
    assert_eq!(told.status, 200);
}

#[tokio::test]
async fn a_request_beyond_the_cap_is_told_to_come_again_but_health_is_not() {
    let world = World::with(|s| s.limits.concurrency = 0);
    let told = world.get("/jobs").await;
    told.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(told.header("retry-after"), "1");
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_given_up() {
    let world = World::with(|s| s.limits.request_time = std::time::Duration::ZERO);
    let slow =
        axum::body::Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>());
    let told = ask("POST", "/jobs").body(slow).to(&world).await;
    told.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
}

#[test]
fn keys_that_cannot_be_used_are_refused_in_words_that_hold_no_key() {
    let keys = |text: &str, required| {
        let text = Some(text.to_owned());
        Keys::new(KeySource {
            required,
            text,
            file: None,
        })
        .err()
        .map(|e| e.to_string())
    };
    assert_eq!(keys(CLIENTS, true), None);
    for bad in [
        r#"{"sk-secret": "Client A"}"#,
        r#"{"sk-secret": 5}"#,
        r#"["sk-secret"]"#,
        r#"{"sk-secret": "a""#,
        r#"{"": "a"}"#,
    ] {
        let told = keys(bad, true).unwrap();
        assert!(told.contains("API_KEYS"), "{told}");
        assert!(!told.contains("sk-secret"), "{told}");
    }
    let none = Keys::new(KeySource {
        required: true,
        ..KeySource::default()
    });
    assert!(matches!(none.err(), Some(BadKeys::None)));
}

#[tokio::test]
async fn a_changed_key_file_is_read_again_and_a_broken_one_changes_nothing() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("clients.json");
    fs::write(&file, CLIENTS).unwrap();
    let source = KeySource {
        required: true,
        text: None,
        file: Some(file.clone()),
    };
    let world = World::with(|s| s.keys = Keys::new(source).unwrap());
    let status = |key: &'static str| ask("GET", "/jobs").key(key).to(&world);
    assert_eq!(status("key-a").await.status, 200);
    let next = dir.path().join("next");
    fs::write(&next, r#"{"key-c": "client-c"}"#).unwrap();
    fs::rename(&next, &file).unwrap();
    assert_eq!(status("key-a").await.status, 403);
    assert_eq!(status("key-c").await.status, 200);
    fs::write(&next, r#"{"key-d": "Not A Tenant"}"#).unwrap();
    fs::rename(&next, &file).unwrap();
    assert_eq!(status("key-d").await.status, 403);
    assert_eq!(status("key-c").await.status, 200);
}

#[test]
fn a_public_address_needs_keys_or_a_word_that_it_is_meant() {
    let public = "0.0.0.0:8000".parse().unwrap();
    let told = check_bind(public, false, false).unwrap_err().to_string();
    assert!(
        told.contains("0.0.0.0:8000") && told.contains("--insecure"),
        "{told}"
    );
    assert!(check_bind(public, true, false).is_ok());
    assert!(check_bind(public, false, true).is_ok());
    assert!(check_bind("127.0.0.1:8000".parse().unwrap(), false, false).is_ok());
    assert!(check_bind("[::1]:8000".parse().unwrap(), false, false).is_ok());
}
