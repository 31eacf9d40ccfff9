//! The dashboard: what it shows, and that nothing it shows can run.

use sandbox_core::{Heartbeat, Outcome, seat::AgentCounts};
use serde_json::json;

use super::world::World;

fn is_safe(told: &super::world::Told) {
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(told.header("content-type").starts_with("text/html"));
    let policy = told.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    for bad in ["<script", "<b>status", "onerror=\"", "javascript:"] {
        assert!(!told.text.contains(bad), "{bad}: {}", told.text);
    }
}

#[tokio::test]
async fn the_list_shows_jobs_and_leads_on() {
    let world = World::open();
    is_safe(&world.get("/dashboard").await);
    let mut last = String::new();
    for n in 0..51 {
        last = world.echo(&n.to_string()).await;
    }
    let told = world.get("/dashboard?status=QUEUED").await;
    is_safe(&told);
    assert!(told.text.contains(&format!("/dashboard/jobs/{last}")));
    assert!(told.text.contains("Older jobs"));
    let link = told
        .text
        .split("href=\"")
        .find(|l| l.starts_with("/dashboard?cursor="))
        .unwrap();
    let link = link
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&")
        .replace("&#38;", "&");
    let older = world.get(&link).await;
    is_safe(&older);
    assert_eq!(older.text.matches("/dashboard/jobs/").count(), 1, "{link}");
    assert_eq!(world.get("/dashboard?status=x").await.status, 422);
}

#[tokio::test]
async fn a_job_shows_its_agents_its_failure_and_its_log_escaped() {
    let world = World::open();
    let id = world.echo("<script>alert(1)</script>").await;
    let page = format!("/dashboard/jobs/{id}");
    let waiting = world.get(&page).await;
    is_safe(&waiting);
    assert!(waiting.text.contains("waiting for a slot, position 1"));
    assert!(waiting.text.contains("http-equiv=\"refresh\""));
    let seat = world.running(&id).await.seat().unwrap();
    world.backend.say(&seat, "<script>steal()</script>\n");
    let beat = Heartbeat {
        agents: Some(AgentCounts::default()),
        detail: json!([{"name": "<img src=x onerror=\"x\">", "state": "working", "pane": "%1"}, {"status": "done"}]),
        ..Heartbeat::default()
    };
    world
        .services
        .seats
        .beat(&seat, "secret-nonce", beat)
        .await
        .unwrap();
    let told = world.get(&page).await;
    is_safe(&told);
    assert!(told.text.contains("steal()"));
    assert!(told.text.contains(&format!("{id}.2")));
    assert!(told.text.contains("memory-"), "{}", told.text);
    assert!(!told.text.contains("secret-nonce"));
    world.ended(&id, Outcome::Failed).await;
    let over = world.get(&page).await;
    is_safe(&over);
    assert!(over.text.contains("gave up"));
    assert!(!over.text.contains("http-equiv"));
    assert_eq!(world.get("/dashboard/jobs/nope").await.status, 404);
}

#[tokio::test]
async fn the_memory_shows_counters_and_rules_escaped() {
    let told = World::open().get("/dashboard/memory").await;
    is_safe(&told);
    assert!(told.text.contains("alert(1)"));
    assert!(told.text.contains("91 %"));
    assert!(told.text.contains("total outcomes"));
}

#[tokio::test]
async fn the_style_is_our_own_and_may_be_kept() {
    let told = World::open().get("/dashboard/style.css").await;
    assert!(told.header("content-type").starts_with("text/css"));
    assert_eq!(told.header("cache-control"), "max-age=3600");
}

#[tokio::test]
async fn agents_are_told_as_the_old_api_had_them_with_a_farms_own_beside_them() {
    let world = World::open();
    let waiting = world.echo("waits").await;
    let id = world.echo("works").await;
    assert_eq!(world.get("/agents").await.json["count"], 0);
    let seat = world.running(&id).await.seat().unwrap();
    let row = world.get(&format!("/agents/{id}")).await.json;
    assert_eq!((&row["agent_id"], &row["job_id"]), (&json!(id), &json!(id)));
    assert_eq!(
        (&row["client_id"], &row["status"]),
        (&json!("default"), &json!("working"))
    );
    assert_eq!(row["job_status"], "RUNNING");
    let beat = Heartbeat {
        at: jiff::Timestamp::UNIX_EPOCH,
        detail: json!([{"name": "a1", "state": "working", "pane": "%1"}, {"status": "done"}]),
        ..Heartbeat::default()
    };
    world
        .services
        .seats
        .beat(&seat, "secret-nonce", beat)
        .await
        .unwrap();
    let all = world.get("/agents").await.json;
    assert_eq!(all["count"], 3);
    assert_eq!(
        all["agents"][0]["last_heartbeat"],
        "1970-01-01T00:00:00.000000"
    );
    let second = world.get(&format!("/agents/{id}.2")).await.json;
    assert_eq!(
        (&second["status"], &second["job_id"]),
        (&json!("complete"), &json!(id))
    );
    for missing in [format!("{id}.3"), waiting, "nope".to_owned()] {
        let told = world.get(&format!("/agents/{missing}")).await;
        assert_eq!(
            (told.status, &told.json["detail"]),
            (404, &json!("Agent not found"))
        );
    }
    world.ended(&id, Outcome::Failed).await;
    assert_eq!(
        world.get(&format!("/agents/{id}")).await.json["status"],
        "error"
    );
}
