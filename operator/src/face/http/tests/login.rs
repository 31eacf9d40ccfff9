//! Browsers: the page that asks for a key, the cookie it gives, and what the cookie may do.

use axum::http::StatusCode;
use serde_json::json;

use super::world::{Told, World, ask};

async fn enter(world: &World, key: &str) -> Told {
    let form =
        ask("POST", "/dashboard/login").header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("key={key}")).to(world).await
}

fn cookie(told: &Told) -> String {
    let set = told.header("set-cookie");
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_without_a_session_is_sent_to_the_page_that_asks_for_a_key() {
    let world = World::locked();
    for path in ["/dashboard", "/dashboard/memory", "/dashboard/jobs/x"] {
        let told = world.get(path).await;
        assert_eq!(
            (told.status, told.header("location")),
            (303, "/dashboard/login")
        );
    }
    let page = world.get("/dashboard/login").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("type=\"password\"") && !page.text.contains("<script"));
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self'")
    );
    assert_eq!(world.get("/dashboard/style.css").await.status, 200);
    world
        .get("/jobs")
        .await
        .is_problem(StatusCode::UNAUTHORIZED, "missing_key");
    let told = World::open().get("/dashboard/login").await;
    assert_eq!((told.status, told.header("location")), (303, "/dashboard"));
}

#[tokio::test]
async fn a_key_that_was_shown_once_opens_the_pages_of_its_tenant_until_the_way_out() {
    let world = World::locked();
    let told = enter(&world, "key-a").await;
    assert_eq!((told.status, told.header("location")), (303, "/dashboard"));
    let set = told.header("set-cookie");
    assert!(
        set.contains("HttpOnly")
            && set.contains("SameSite=Strict")
            && set.contains("Max-Age=43200"),
        "{set}"
    );
    assert!(!set.contains("key-a"));
    let cookie = cookie(&told);
    let read = |path| ask("GET", path).header("cookie", &cookie);
    let page = read("/dashboard").to(&world).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("client-a") && page.text.contains("Log out"));
    assert_eq!(read("/jobs").to(&world).await.json["client_id"], "client-a");
    let out = ask("POST", "/dashboard/logout").header("cookie", &cookie);
    let out = out.to(&world).await;
    assert_eq!(
        (out.status, out.header("location")),
        (303, "/dashboard/login")
    );
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(read("/dashboard").to(&world).await.status, 303);
}

#[tokio::test]
async fn a_cookie_that_was_given_over_tls_never_leaves_it() {
    let world = World::locked();
    let set = async |scheme: &str| {
        let form = ask("POST", "/dashboard/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-forwarded-proto", scheme);
        let told = form.body("key=key-a".to_owned()).to(&world).await;
        told.header("set-cookie").to_owned()
    };
    assert!(set("https").await.ends_with("; Secure"));
    assert!(!set("http").await.contains("Secure"));
}

#[tokio::test]
async fn a_session_reads_and_never_writes() {
    let world = World::locked();
    let cookie = cookie(&enter(&world, "key-a").await);
    let asked = ask("POST", "/jobs").header("cookie", &cookie);
    let told = asked
        .json(&json!({"job_type": "echo", "payload": {}}))
        .to(&world)
        .await;
    told.is_problem(StatusCode::UNAUTHORIZED, "missing_key");
    let foreign = ask("POST", "/dashboard/login").header("origin", "https://elsewhere.example");
    let told = foreign.body("key=key-a").to(&world).await;
    told.is_problem(StatusCode::FORBIDDEN, "foreign_origin");
}

#[tokio::test]
async fn a_wrong_key_or_a_made_up_session_opens_nothing() {
    let world = World::locked();
    let told = enter(&world, "key-x").await;
    assert_eq!((told.status, told.header("set-cookie")), (403, ""));
    assert!(told.text.contains("not known"));
    for cookie in ["sandbox_session=", "sandbox_session=key-a", "other=1"] {
        let told = ask("GET", "/dashboard")
            .header("cookie", cookie)
            .to(&world)
            .await;
        assert_eq!(told.status, 303, "{cookie}");
    }
}
