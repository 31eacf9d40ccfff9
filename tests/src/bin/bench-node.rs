//! Measures a whole node: acknowledgement, throughput, latency, memory, start-up, each beside a
//! floor that is measured in the same run. Prints a table and judges no figure; it stops where a job
//! is refused, lost or fails.
//!
//! usage: bench-node [JOBS] [redis], 500 for the figures that are wanted; with `redis` the records stand
//! on a server of its own that syncs every write — uses the `sandbox` that stands beside this program; build both with
//! `cargo build --release --workspace --bins`. `wrk` is used for reads where it is installed.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement stops at what it did not expect; its figures are approximate"
)]

use std::{
    fs::OpenOptions,
    io::Write,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sandbox_tests::{node::Node, redis::RedisServer};
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    let jobs = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(500);
    let on_redis = std::env::args()
        .nth(2)
        .is_some_and(|store| store == "redis");
    let mut servers = Vec::new();
    for _ in 0..if on_redis { 2 } else { 0 } {
        servers.push(RedisServer::start().await.unwrap());
    }
    let urls: Vec<String> = servers
        .iter()
        .map(|s| format!("unix://{}", s.socket().display()))
        .collect();
    let store = |n: usize| {
        (
            "SANDBOX_STORE",
            urls.get(n).map_or("sqlite", String::as_str),
        )
    };
    let node = Node::start(&[store(0)]);
    row(
        "cores",
        &std::thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .to_string(),
    );
    let fsync = fsync(&node);
    row("floor: 4 KiB append + fsync, p50", &ms(fsync));
    row("floor: bare tmux new-session, p50", &ms(tmux(&node)));
    row("serve, idle, RSS (wanted 30 MB)", &rss(&node));
    row(
        "runner: start → claim, p50 (wanted 5 ms)",
        &ms(claim(&node)),
    );
    latency(&node).await;
    burst(&node, jobs, 32).await;
    row("serve, after the burst, RSS (wanted 60 MB)", &rss(&node));
    reads(&node).await;
    drop(node);
    let mut other = Node::start(&[store(1)]);
    acknowledgement(&other, jobs * 6, fsync).await;
    row("serve, holding those jobs, RSS", &rss(&other));
    start_up(&mut other, jobs * 20).await;
}

fn row(what: &str, figure: &str) {
    println!("{what:<52} {figure}");
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed(times: usize, mut work: impl FnMut(usize)) -> Duration {
    let one = |n| {
        let from = Instant::now();
        work(n);
        from.elapsed()
    };
    middle((0..times).map(one).collect())
}

fn fsync(node: &Node) -> Duration {
    let path = node.data().join("floor");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    timed(200, |_| {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_all().unwrap();
    })
}

fn tmux(node: &Node) -> Duration {
    let socket = node.data().join("floor.sock");
    let call = |words: &[&str]| {
        Command::new("tmux")
            .arg("-S")
            .arg(&socket)
            .args(["-f", "/dev/null"])
            .args(words)
            .status()
            .unwrap()
    };
    call(&["new-session", "-d", "-s", "first", "sleep", "600"]);
    let time = timed(50, |n| {
        call(&["new-session", "-d", "-s", &n.to_string(), "sleep", "600"]);
    });
    call(&["kill-server"]);
    time
}

/// From the start of the process to the register that stands on the disk. There is no brief, so the
/// runner ends right after.
fn claim(node: &Node) -> Duration {
    let data = tempfile::tempdir_in(node.data()).unwrap();
    let beside = std::env::current_exe().unwrap();
    let program = beside.with_file_name("sandbox");
    let one = |_| {
        let seat = format!("{}/1", uuid::Uuid::new_v4());
        let folder = data.path().join("seats").join(&seat);
        std::fs::create_dir_all(&folder).unwrap();
        let register = folder.join("register.json");
        let from = Instant::now();
        let mut runner = Command::new(&program)
            .args(["exec", "--seat", &seat, "--data-dir"])
            .arg(data.path())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !register.exists() {
            std::hint::spin_loop();
        }
        let took = from.elapsed();
        runner.wait().unwrap();
        took
    };
    middle((0..50).map(one).collect())
}

fn rss(node: &Node) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let kilobytes: f64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    format!("{:.1} MB", kilobytes / 1024.0)
}

fn echo() -> Value {
    json!({"job_type": "echo", "payload": {"message": "bench"}})
}

/// Held jobs only: what is measured is the answer, not the work.
fn held() -> Value {
    let spec = json!({"type": "echo", "echo": {}, "suspend": true});
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec})
}

async fn acknowledgement(node: &Node, jobs: usize, fsync: Duration) {
    let mut times = Vec::new();
    for _ in 0..jobs / 10 {
        let from = Instant::now();
        assert_eq!(node.post("/jobs", &held()).await.0, 200);
        times.push(from.elapsed());
    }
    let seen = middle(times);
    let limit = fsync.mul_f64(1.5) + Duration::from_millis(1);
    row(
        "POST /jobs, one client, p50",
        &format!("{} (limit {})", ms(seen), ms(limit)),
    );
    let (count, took) = many(node, jobs, 16, held()).await;
    row(
        "POST /jobs, 16 clients",
        &format!("{:.0}/s (wanted 1500)", count as f64 / took.as_secs_f64()),
    );
}

/// Posts this many from this many clients; gives how many and how long it took.
async fn many(node: &Node, posts: usize, clients: usize, body: Value) -> (usize, Duration) {
    let (url, body) = (Arc::new(format!("{}/jobs", node.url())), Arc::new(body));
    let from = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (url, body) = (Arc::clone(&url), Arc::clone(&body));
        tasks.spawn(async move {
            let client = reqwest::Client::new();
            for _ in 0..posts / clients {
                let answer = client.post(url.as_str()).json(&*body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    (posts / clients * clients, from.elapsed())
}

async fn latency(node: &Node) {
    let mut times = Vec::new();
    for _ in 0..60 {
        let from = Instant::now();
        let id = node.submit("echo", json!({"message": "bench"})).await;
        while node.job(&id).await["status"] != "SUCCEEDED" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(from.elapsed());
    }
    row(
        "echo: submit → SUCCEEDED, p50",
        &format!("{} (wanted 40 ms; the ancestor 567 ms)", ms(middle(times))),
    );
}

async fn burst(node: &Node, jobs: usize, clients: usize) {
    let from = Instant::now();
    let (count, took) = many(node, jobs, clients, echo()).await;
    let count_of = async |status: &str| {
        let path = format!("/jobs?type=echo&status={status}&limit=1");
        let (_, page) = node.get(&path).await;
        page["count"].as_u64().unwrap_or_default()
    };
    while count_of("RUNNING").await + count_of("QUEUED").await > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = from.elapsed();
    assert_eq!(count_of("FAILED").await, 0, "a job failed");
    row(
        &format!("burst of {count} echoes from {clients} clients: POST"),
        &format!("{:.0}/s", count as f64 / took.as_secs_f64()),
    );
    row(
        "the same, to the end",
        &format!(
            "{:.1} jobs/s (wanted 80; the ancestor 20)",
            count as f64 / all.as_secs_f64(),
        ),
    );
}

async fn reads(node: &Node) {
    let id = node.submit("echo", json!({})).await;
    node.ended(&id).await;
    let url = format!("{}/jobs/{id}", node.url());
    let wrk = Command::new("wrk")
        .args(["-t1", "-c16", "-d5s", "--latency", &url])
        .output();
    let said = wrk
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let line = said
        .lines()
        .find(|l| l.starts_with("Requests/sec"))
        .unwrap_or("wrk is not installed");
    row(
        "GET /jobs/{id}, wrk -t1 -c16",
        &format!("{line} (wanted 15000; the ancestor 1551)"),
    );
}

async fn start_up(node: &mut Node, jobs: usize) {
    let (count, _) = many(node, jobs, 16, finished()).await;
    node.kill(Signal::TERM);
    let from = Instant::now();
    node.restart();
    assert_eq!(node.get("/health").await.0, 200);
    row(
        &format!("start-up with {count} finished jobs"),
        &format!("{} (wanted 100 ms)", ms(from.elapsed())),
    );
}

/// A job that is over as soon as it is looked at.
fn finished() -> Value {
    let spec = json!({"type": "echo", "echo": {}, "cancel": true});
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec})
}
