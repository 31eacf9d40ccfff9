//! A real `sandbox serve` whose jobs and memory are in a DynamoDB table: what it keeps, what a job costs, several on one
//! table.

use std::process::Command;

use rustix::process::Signal;
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_tests::{
    dynamodb::DynamoServer,
    node::{Node, built},
};
use serde_json::{Value, json};

/// What the jobs of an echo may cost, from its submission to the end of its record.
const MOST_WRITTEN: f64 = 12.0;

async fn table() -> (&'static DynamoServer, DynamoSettings) {
    let server = DynamoServer::shared().await.unwrap();
    (server, server.table_for_jobs().await.unwrap())
}

fn on(server: &DynamoServer, settings: &DynamoSettings) -> Node {
    let env = server.environment(settings);
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    Node::start(&env)
}

/// The sum that a node's metrics tell under this name.
async fn metric(node: &Node, name: &str) -> f64 {
    let (status, text) = node.get("/metrics").await;
    assert_eq!(status, 200);
    let text = text.as_str().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

fn is_recorded(job: &Value) -> bool {
    let all = job["status"]["conditions"].as_array();
    all.is_some_and(|all| {
        all.iter()
            .any(|c| c["type"] == "Recorded" && c["status"] == "True")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_and_memory_learns_and_both_outlive_the_node() {
    let (server, settings) = table().await;
    let mut node = on(server, &settings);
    let message = json!({"message": "[LEARNED:db] Run migrations before the deploy"});
    let id = node.submit("echo", message).await;
    let ended = node.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED");
    let long = json!({"message": "goes on", "delay": 600});
    let at_work = node.submit("echo", long).await;
    node.running(&at_work).await;
    node.kill(Signal::KILL);
    node.restart();
    assert_eq!(node.job(&id).await, ended);
    assert_eq!(node.get("/elf/stats").await.1["total_outcomes"], 1);
    let (status, _) = node
        .post(&format!("/jobs/{at_work}/cancel"), &json!({}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(node.ended(&at_work).await["outcome"], "Cancelled");
    assert_eq!(node.starts(&at_work).len(), 1);
    assert!(!node.data().join("sandbox.db").exists() && !node.data().join("elf.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_costs_at_most_twelve_write_units_until_it_is_recorded() {
    let (server, settings) = table().await;
    let node = on(server, &settings);
    let written = async || metric(&node, "sandbox_dynamodb_write_units_total").await;
    let read = async || metric(&node, "sandbox_dynamodb_read_units_total").await;
    let mut costs = Vec::new();
    for n in 0..3 {
        let before = (written().await, read().await);
        let id = node
            .submit("echo", json!({"message": format!("job {n}")}))
            .await;
        node.until_resource(&id, is_recorded).await;
        costs.push((written().await - before.0, read().await - before.1));
    }
    println!("write and read units of an echo: {costs:?}");
    let most = costs.iter().map(|c| c.0).fold(0.0, f64::max);
    assert!((1.0..=MOST_WRITTEN).contains(&most), "{costs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_each_job_starts_once_and_each_hears_of_the_others() {
    let (server, settings) = table().await;
    let (first, second) = (on(server, &settings), on(server, &settings));
    let mut ids = Vec::new();
    for n in 0..20 {
        let node = if n % 2 == 0 { &first } else { &second };
        ids.push(
            node.submit("echo", json!({"message": format!("job {n}")}))
                .await,
        );
    }
    for id in &ids {
        assert_eq!(first.ended(id).await["status"], "SUCCEEDED");
        assert_eq!(first.starts(id).len() + second.starts(id).len(), 1, "{id}");
    }
    let long = json!({"message": "m", "delay": 600});
    let id = first.submit("echo", long).await;
    second.running(&id).await;
    let (status, _) = second.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(second.ended(&id).await["outcome"], "Cancelled");
    assert_eq!(first.starts(&id).len() + second.starts(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_of_the_folder_ends_what_a_dead_one_began() {
    let (server, settings) = table().await;
    let mut first = on(server, &settings);
    let second = first.beside();
    let long = json!({"message": "m", "delay": 600});
    let id = first.submit("echo", long).await;
    first.running(&id).await;
    first.kill(Signal::KILL);
    let (status, _) = second.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(second.ended(&id).await["outcome"], "Cancelled");
    assert_eq!(second.starts(&id).len(), 1);
}

#[tokio::test]
async fn serve_refuses_a_missing_table_and_says_the_command_that_makes_it_which_then_does() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.settings();
    let env = server.environment(&settings);
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let mut node = Node::prepare(&env);
    let told = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    let command = format!("sandbox table {}", settings.table);
    assert!(!told.status.success(), "{said}");
    assert!(
        said.contains(&command) && said.contains("eu-central-1"),
        "{said}"
    );
    let sandbox = |words: &[&str]| {
        let mut run = Command::new(built("sandbox"));
        let told = run.args(words).envs(env.iter().copied()).output();
        let told = told.unwrap();
        String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned()
    };
    assert!(sandbox(&["doctor"]).contains(&command));
    let made = sandbox(&["table", &settings.table]);
    assert!(made.contains("is there"), "{made}");
    let seen = sandbox(&["doctor"]);
    assert!(
        seen.contains(&format!("{} is fit", settings.table)),
        "{seen}"
    );
    node.restart();
    assert_eq!(node.get("/jobs").await.0, 200);
    let backup = sandbox(&["backup", "--data-dir", "/nowhere", "/nowhere/backup.tar.gz"]);
    assert!(backup.contains("docs/dynamodb.md"), "{backup}");
}
