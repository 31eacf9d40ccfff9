//! SIGKILL of the server, of a runner, of the tmux server: what was accepted still ends, and no
//! attempt begins twice.

use rustix::process::Signal;
use sandbox_tests::node::{Node, send};
use serde_json::{Value, json};

fn quick_retries() -> Value {
    json!({"limit": 5, "on": {"Infrastructure": {"base": "0s"}, "Preempted": {"base": "0s"}}})
}

fn each_began_once(starts: &[String]) -> bool {
    let mut seen = starts.to_vec();
    seen.sort();
    seen.dedup();
    seen.len() == starts.len()
}

#[tokio::test]
async fn a_runner_goes_on_while_the_server_is_dead_and_is_found_again() {
    let mut node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m", "delay": "1s"}}))
        .await;
    node.running(&id).await;
    let runner = node.runner(&id, 1);
    node.kill(Signal::KILL);
    node.restart();
    assert_eq!(node.runner(&id, 1), runner);
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
    assert_eq!(node.starts(&id).len(), 1);
}

#[tokio::test]
async fn a_job_that_ends_while_the_server_is_dead_keeps_its_result() {
    let mut node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m", "delay": "1s"}}))
        .await;
    node.running(&id).await;
    node.kill(Signal::KILL);
    let report = node.seat(&id, 1).join("report.json");
    while !report.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    node.restart();
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
}

#[tokio::test]
async fn a_killed_runner_is_followed_by_another_attempt() {
    let node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"delay": "2s"}, "retry": quick_retries()}))
        .await;
    node.running(&id).await;
    send(node.runner(&id, 1), Signal::KILL);
    let job = node.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}"
    );
    assert_eq!(
        node.starts(&id),
        [format!("{id}/1 began"), format!("{id}/2 began")]
    );
    assert_eq!(node.seat_processes(), [0; 0]);
}

#[tokio::test]
async fn work_survives_the_death_of_the_tmux_server() {
    let node = Node::start(&[]);
    let spec = json!({"type": "echo", "echo": {"delay": "2s"}, "retry": quick_retries()});
    let id = node.submit_spec(spec.clone()).await;
    node.running(&id).await;
    send(node.tmux_server().unwrap(), Signal::KILL);
    assert_eq!(node.ended(&id).await["status"], "SUCCEEDED");
    assert!(each_began_once(&node.starts(&id)));
    let next = node.submit_spec(json!({"type": "echo", "echo": {}})).await;
    assert_eq!(node.ended(&next).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn two_servers_never_share_a_data_folder() {
    let node = Node::start(&[]);
    let second = node.command().output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(
        said.contains("another `sandbox serve` has the data folder"),
        "{said}"
    );
}

/// Kills at moments that a seeded generator chooses, while jobs run; at the end all of them have
/// ended, and each attempt began at most once.
#[tokio::test]
async fn random_kills_under_load_lose_nothing_and_start_nothing_twice() {
    let mut node = Node::start(&[("SANDBOX_SLOTS", "6")]);
    let spec = json!({"type": "echo", "echo": {"delay": "300ms"}, "retry": {"limit": 10, "on": {"Infrastructure": {"base": "0s"}, "Preempted": {"base": "0s"}}}});
    let mut ids = Vec::new();
    let mut dice = Dice(42);
    for round in 0..6 {
        for _ in 0..6 {
            ids.push(node.submit_spec(spec.clone()).await);
        }
        node.until(&ids[round * 3], |j| j["attempt"] != 0).await;
        match dice.roll(3) {
            0 => {
                node.kill(Signal::KILL);
                node.restart();
            }
            1 => node
                .seat_processes()
                .first()
                .into_iter()
                .for_each(|pid| send(*pid, Signal::KILL)),
            _ => node
                .tmux_server()
                .into_iter()
                .for_each(|pid| send(pid, Signal::KILL)),
        }
    }
    for id in &ids {
        let job = node.ended(id).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
        assert!(each_began_once(&node.starts(id)), "{:?}", node.starts(id));
    }
    assert_eq!(node.seat_processes(), [0; 0]);
}

/// A small generator, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
