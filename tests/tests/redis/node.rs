//! A real `sandbox serve` whose records are on Redis.

use rustix::process::Signal;
use sandbox_tests::{node::Node, redis::RedisServer};
use serde_json::json;

fn on(server: &RedisServer) -> Node {
    Node::start(&[(
        "SANDBOX_STORE",
        &format!("unix://{}", server.socket().display()),
    )])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_and_memory_learns_and_both_outlive_the_server_and_the_node() {
    let mut server = RedisServer::start().await.unwrap();
    let mut node = on(&server);
    let id = node
        .submit(
            "echo",
            json!({"message": "[LEARNED:db] Run migrations before the deploy"}),
        )
        .await;
    let ended = node.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED");
    node.kill(Signal::KILL);
    server.kill().unwrap();
    server.again().await.unwrap();
    node.restart();
    assert_eq!(node.job(&id).await, ended);
    assert_eq!(node.get("/elf/stats").await.1["total_outcomes"], 1);
    assert!(!node.data().join("sandbox.db").exists() && !node.data().join("elf.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_while_redis_was_killed_under_load_ends_once() {
    let mut server = RedisServer::start().await.unwrap();
    let node = on(&server);
    let mut acknowledged = Vec::new();
    for n in 0..60 {
        if n == 30 {
            server.kill().unwrap();
            let (status, said) = node
                .post(
                    "/jobs",
                    &json!({"job_type": "echo", "payload": {"message": "lost"}}),
                )
                .await;
            assert!(status >= 500, "{status} {said}");
            server.again().await.unwrap();
        }
        let body = json!({"job_type": "echo", "payload": {"message": format!("{n}")}});
        let (status, said) = node.post("/jobs", &body).await;
        if status == 200 {
            acknowledged.push(said["job_id"].as_str().unwrap().to_owned());
        }
    }
    assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
    for id in acknowledged {
        let job = node.ended(&id).await;
        assert_eq!(
            (&job["status"], node.starts(&id).len()),
            (&json!("SUCCEEDED"), 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_server_work_ends_and_its_records_can_be_removed_though_nothing_new_is_taken() {
    let server = RedisServer::start().await.unwrap();
    let node = on(&server);
    let over = node.submit("echo", json!({"message": "over"})).await;
    node.ended(&over).await;
    let at_work = node
        .submit("echo", json!({"message": "at work", "delay": 600}))
        .await;
    node.running(&at_work).await;
    server.say(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    let body = json!({"job_type": "echo", "payload": {"message": "new"}});
    let (status, said) = node.post("/jobs", &body).await;
    assert!(
        status >= 500 && said.to_string().contains("full"),
        "{status} {said}"
    );
    let (status, _) = node
        .post(&format!("/jobs/{at_work}/cancel"), &json!({}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(node.ended(&at_work).await["outcome"], "Cancelled");
    let remove = node.request(reqwest::Method::DELETE, &format!("/jobs/{over}"));
    assert_eq!(remove.send().await.unwrap().status().as_u16(), 202);
    while node.get(&format!("/jobs/{over}")).await.0 != 404 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_whether_redis_keeps_what_it_acknowledges() {
    for (options, word) in [
        (
            &["--appendonly yes", "--appendfsync always"][..],
            "keeps what it acknowledges",
        ),
        (&[][..], "appendonly yes"),
    ] {
        let server = RedisServer::with(options).await.unwrap();
        let told = std::process::Command::new(sandbox_tests::node::built("sandbox"))
            .arg("doctor")
            .env(
                "SANDBOX_STORE",
                format!("unix://{}", server.socket().display()),
            )
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_backup_of_a_data_folder_is_refused_where_the_records_are_on_redis() {
    let folder = tempfile::tempdir().unwrap();
    let told = std::process::Command::new(sandbox_tests::node::built("sandbox"))
        .args(["backup", "--data-dir"])
        .arg(folder.path())
        .arg(folder.path().join("backup.tar.gz"))
        .env("SANDBOX_STORE", "redis://127.0.0.1:1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(
        !told.status.success() && said.contains("docs/redis.md"),
        "{said}"
    );
}
