//! Measures a container job beside its floor: a bare `docker run` of the same image with the same
//! flags, limits, mounts and network. The two take turns, so that what the machine does meanwhile falls
//! on both. Prints figures and judges none; it stops where a job is refused, lost, fails or starts twice.
//!
//! usage: bench-container [ROUNDS], 30 for the figures that are wanted — uses the `sandbox` that stands
//! beside this program, and an engine as the tests do.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement stops at what it did not expect; its figures are approximate"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use sandbox_tests::{
    engine::{Engine, IMAGE},
    node::Node,
};
use serde_json::{Value, json};

/// Containers at a time, in the burst.
const MANY: usize = 50;
/// Rounds that are not counted.
const WARM: usize = 3;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let engine = Engine::shared();
    let slots = MANY.to_string();
    let env = [
        ("DOCKER_HOST", engine.host.as_str()),
        ("SANDBOX_SLOTS", &slots),
    ];
    let node = Node::start(&env);
    let floor = Floor::new(engine);
    row("cores", &cores().to_string());
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds.unwrap_or(30) + WARM {
        let (one, other) = (floor.run(), job(&node, "2").await);
        if round >= WARM {
            bare.push(one);
            ours.push(other);
        }
    }
    let ratio = middle(&ours).as_secs_f64() / middle(&bare).as_secs_f64();
    row("floor: docker run --rm, p50 [p10 … p90]", &spread(&bare));
    row("submit → SUCCEEDED, p50 [p10 … p90]", &spread(&ours));
    row("ratio of the two (wanted 1.30)", &format!("{ratio:.2}"));
    burst(&node).await;
    let left = engine.done(&["ps", "-aq", "--filter", "label=dev.multiagent.seat"]);
    row("containers left", &left.lines().count().to_string());
}

fn row(what: &str, figure: &str) {
    println!("{what:<52} {figure}");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

fn middle(times: &[Duration]) -> Duration {
    at(times, 50)
}

fn spread(times: &[Duration]) -> String {
    let ms = |percent| at(times, percent).as_secs_f64() * 1e3;
    format!("{:.0} ms [{:.0} … {:.0}]", ms(50), ms(10), ms(90))
}

/// A bare container as hard and as bounded as one of ours.
struct Floor {
    engine: &'static Engine,
    folder: tempfile::TempDir,
}

impl Floor {
    fn new(engine: &'static Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["seat", "artifacts", "work", "run", "secrets"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("runner.json"), "{}").unwrap();
        Self { engine, folder }
    }

    /// From the call to the end of `docker run`, which has removed the container by then.
    fn run(&self) -> Duration {
        let words = flags(self.folder.path());
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.extend([IMAGE, "--version"]);
        let from = Instant::now();
        self.engine.done(&words);
        from.elapsed()
    }
}

fn flags(folder: &Path) -> Vec<String> {
    let cpus = cores().min(2);
    let fixed = format!(
        "run --rm --network none --user 10001:10001 --read-only --cap-drop ALL --security-opt \
         no-new-privileges --ipc private --pids-limit 1024 --memory 2g --memory-swap 2g --cpus {cpus} \
         --log-driver json-file --log-opt max-size=1m --log-opt max-file=1"
    );
    let mut words: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    for place in ["/tmp", "/home/sandbox"] {
        let options = "rw,nosuid,nodev,exec,mode=0700,uid=10001,gid=10001,size=1g";
        words.extend(["--tmpfs".to_owned(), format!("{place}:{options}")]);
    }
    for (from, to) in [
        ("seat", "/sandbox/seats/x/1"),
        ("artifacts", "/sandbox/artifacts/default/x"),
        ("work", "/workspace/default"),
        ("runner.json", "/sandbox/runner.json:ro"),
        ("run", "/sandbox/run:ro"),
        ("secrets", "/sandbox/secrets:ro"),
    ] {
        let mount = format!("{}:{to}", folder.join(from).display());
        words.extend(["--volume".to_owned(), mount]);
    }
    words
}

fn echo(cpu: &str) -> Value {
    let resources = json!({"cpu": cpu, "memory": "2Gi"});
    let spec = json!({"type": "echo", "echo": {"message": "bench"},
        "backend": {"name": "container", "container": {"network": "none", "resources": resources}}});
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec})
}

/// From the submission to the answer that says SUCCEEDED; the container is removed by then.
async fn job(node: &Node, cpu: &str) -> Duration {
    let from = Instant::now();
    let (status, job) = node.post("/jobs", &echo(cpu)).await;
    assert_eq!(status, 200, "{job}");
    let id = job["job_id"].as_str().unwrap_or_default().to_owned();
    let ended = loop {
        let job = node.job(&id).await;
        if !job["outcome"].is_null() {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let took = from.elapsed();
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!((node.starts(&id).len(), &ended["attempt"]), (1, &json!(1)));
    took
}

async fn burst(node: &Node) {
    let from = Instant::now();
    let all = (0..MANY).map(|_| job(node, "100m"));
    let times = futures::future::join_all(all).await;
    let rate = MANY as f64 / from.elapsed().as_secs_f64();
    let what = format!("{MANY} at once, all SUCCEEDED, one start each");
    row(&what, &spread(&times));
    row("containers a second", &format!("{rate:.1}"));
}
