//! Several real `sandbox serve` on one Redis: of one data folder, which see the same and stand in for
//! each other, and of two, which leave to each other what runs at each.

use rustix::process::Signal;
use sandbox_tests::{
    node::{Node, PATIENCE},
    redis::RedisServer,
};
use serde_json::{Value, json};

const JOBS: usize = 200;

fn url(server: &RedisServer) -> String {
    format!("unix://{}", server.socket().display())
}

fn on(server: &RedisServer) -> Node {
    Node::start(&[("SANDBOX_STORE", &url(server)), ("SANDBOX_SLOTS", "8")])
}

/// Reads the job's events through a node until one has this reason.
async fn watch(node: &Node, id: &str, reason: &str) {
    let path = format!("/jobs/{id}/events");
    let mut stream = node
        .request(reqwest::Method::GET, &path)
        .send()
        .await
        .unwrap();
    let mut said = String::new();
    let told = async {
        while !said.contains(&format!("\"reason\":\"{reason}\"")) {
            let piece = stream.chunk().await.unwrap().unwrap();
            said.push_str(&String::from_utf8_lossy(&piece));
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    assert!(told.is_ok(), "never {reason}");
}

/// What the node says to a cancellation.
async fn cancel(node: &Node, id: &str) {
    let (status, said) = node.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 200, "{said}");
}

async fn log(node: &Node, id: &str) -> (u16, String) {
    let request = node.request(reqwest::Method::GET, &format!("/jobs/{id}/logs"));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn submit_all(nodes: [&Node; 2], from: usize, to: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in from..to {
        let message = json!({"message": format!("job {n}")});
        ids.push(nodes[n % 2].submit("echo", message).await);
    }
    ids
}

/// Waits for the ends through one node; each job is to have succeeded in its first attempt.
async fn all_end(node: &Node, ids: &[String]) {
    for id in ids {
        let job = node.ended(id).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
        assert_eq!(node.resource(id).await["status"]["attempt"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_of_one_folder_each_job_starts_once_and_the_one_that_is_left_ends_all() {
    let server = RedisServer::start().await.unwrap();
    let mut first = on(&server);
    let second = first.beside();
    let mut ids = submit_all([&first, &second], 0, JOBS / 2).await;
    first.kill(Signal::KILL);
    ids.extend(submit_all([&second, &second], JOBS / 2, JOBS).await);
    all_end(&second, &ids).await;
    for id in &ids {
        assert_eq!(second.starts(id).len(), 1);
    }
    let (status, jobs) = second.get("/jobs?limit=500").await;
    assert_eq!(status, 200);
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(JOBS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_a_node_of_the_folder_began_is_watched_read_and_cancelled_by_the_other_also_when_it_is_dead()
 {
    let server = RedisServer::start().await.unwrap();
    let mut first = on(&server);
    let second = first.beside();
    let long = json!({"type": "echo", "echo": {"message": "m", "delay": "10m"}});
    let id = first.submit_spec(long).await;
    watch(&second, &id, "Running").await;
    let (status, _) = log(&second, &id).await;
    assert_eq!(status, 200);
    first.kill(Signal::KILL);
    cancel(&second, &id).await;
    assert_eq!(second.ended(&id).await["outcome"], "Cancelled");
    assert_eq!(second.starts(&id).len(), 1);
    assert!(second.seat_processes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_at_another_folders_node_is_seen_watched_and_cancelled_from_here_and_its_log_is_not_here()
 {
    let server = RedisServer::start().await.unwrap();
    let first = on(&server);
    let long = json!({"type": "echo", "echo": {"message": "m", "delay": "10m"}});
    let id = first.submit_spec(long).await;
    first.running(&id).await;
    let second = on(&server);
    assert_eq!(second.job(&id).await["status"], "RUNNING");
    let (status, said) = log(&second, &id).await;
    assert!(status == 421 && said.contains("at site"), "{status} {said}");
    let watched = async { watch(&second, &id, "Cancelled").await };
    tokio::join!(watched, cancel(&second, &id));
    assert_eq!(first.job(&id).await["outcome"], "Cancelled");
    assert_eq!(first.starts(&id).len() + second.starts(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_folders_nodes_each_job_starts_once_and_those_of_a_dead_one_say_so_and_wait_for_it()
{
    let server = RedisServer::start().await.unwrap();
    let first = on(&server);
    let second = on(&server);
    let mut ids = submit_all([&first, &second], 0, JOBS / 2).await;
    let long = json!({"type": "echo", "echo": {"message": "m", "delay": "30s"}});
    let at_work = first.submit_spec(long).await;
    let site = at_site(&second, &at_work).await;
    // Whoever took it is the one that dies.
    let (mut dies, lives) = if site == own_site(&first) {
        (first, second)
    } else {
        (second, first)
    };
    lives.running(&at_work).await;
    dies.kill(Signal::KILL);
    ids.extend(submit_all([&lives, &lives], JOBS / 2, JOBS).await);
    watch(&lives, &at_work, "SiteAway").await;
    let waiting = lives.resource(&at_work).await;
    let reason = waiting["status"]["queuedReason"].as_str().unwrap();
    assert!(reason.contains(&site), "{reason}");
    let left: Vec<&String> = ids.iter().collect();
    for id in left {
        let job = lives.resource(id).await;
        if job["status"]["backendRef"]["site"] != json!(site) {
            lives.ended(id).await;
        }
    }
    dies.restart();
    watch(&lives, &at_work, "SiteBack").await;
    ids.push(at_work);
    all_end(&lives, &ids).await;
    for id in &ids {
        let starts = dies.starts(id).len() + lives.starts(id).len();
        assert_eq!(starts, 1, "{id}");
    }
}

fn own_site(node: &Node) -> String {
    std::fs::read_to_string(node.data().join("site")).unwrap()
}

/// The site that began the job, as any node knows it.
async fn at_site(node: &Node, id: &str) -> String {
    let begun = |job: &Value| job["status"]["backendRef"]["site"].is_string();
    let job = node.until_resource(id, begun).await;
    job["status"]["backendRef"]["site"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_site_had_that_a_person_calls_gone_is_begun_anew_and_that_site_serves_no_more() {
    let server = RedisServer::start().await.unwrap();
    let mut first = on(&server);
    let long = json!({"type": "echo", "echo": {"message": "m", "delay": "10m"}});
    let id = first.submit_spec(long).await;
    first.running(&id).await;
    let site = own_site(&first);
    first.kill(Signal::KILL);
    first.end_work();
    server
        .say(&["SET", &format!("{{sandbox}}:gone:{site}"), "1"])
        .unwrap();
    let second = on(&server);
    let anew = |job: &Value| {
        let status = &job["status"];
        status["attempt"] == 2 && status["intent"]["claim"].is_object()
    };
    second.until_resource(&id, anew).await;
    cancel(&second, &id).await;
    second.ended(&id).await;
    let told = first.command().output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(
        !told.status.success() && said.contains("gone for good"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_one_node_was_taught_is_recalled_by_the_other() {
    let server = RedisServer::start().await.unwrap();
    let (first, second) = (on(&server), on(&server));
    // The second has its own picture of memory before the first is taught.
    assert_eq!(second.get("/elf/heuristics").await.0, 200);
    let text = "Run the migrations before the deploy";
    let rule = json!({"domain": "db", "rule": text, "explanation": "they are needed"});
    let (status, said) = first.post("/elf/heuristics", &rule).await;
    assert!(status < 300, "{status} {said}");
    let (_, known) = second.get("/elf/heuristics?domain=db").await;
    assert!(known.to_string().contains(text), "{known}");
    let (status, said) = second
        .post(
            "/elf/heuristics",
            &json!({"domain": "ui", "rule": "Name each button", "explanation": "people read"}),
        )
        .await;
    assert!(status < 300, "{status} {said}");
    let (_, known) = first.get("/elf/heuristics").await;
    assert!(
        known.to_string().contains(text) && known.to_string().contains("Name each button"),
        "{known}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_whose_records_are_in_it_is_not_shared_with_one_whose_are_on_redis() {
    let server = RedisServer::start().await.unwrap();
    let first = on(&server);
    let mut command = first.command();
    let told = command.env_remove("SANDBOX_STORE").output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(
        !told.status.success() && said.contains("has the data folder"),
        "{said}"
    );
}
