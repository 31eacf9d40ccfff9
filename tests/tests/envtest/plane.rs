//! The control plane of the tests itself: it is real, and nothing of it is left behind.

use std::{
    io::{BufRead, BufReader},
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::FutureExt;
use rustix::process::Signal;
use sandbox_tests::{cluster::Cluster, node::send};

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|s| !s.contains(") Z ") && !s.contains(") X "))
}

async fn gone(pids: &[u32]) {
    let from = Instant::now();
    while pids.iter().any(|pid| lives(*pid)) {
        assert!(
            from.elapsed() < Duration::from_secs(30),
            "still there: {pids:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_control_plane_answers_kubectl_and_leaves_nothing_when_it_is_dropped() {
    let cluster = Cluster::start().await.unwrap();
    let mut kubectl = cluster.kubectl().unwrap();
    kubectl.args(["get", "namespaces", "-o", "name"]);
    let seen = kubectl.output().unwrap();
    assert!(
        String::from_utf8_lossy(&seen.stdout).contains("namespace/default"),
        "{seen:?}"
    );
    let (pids, folder) = (cluster.pids(), cluster.folder().to_owned());
    assert!(pids.iter().all(|pid| lives(*pid)));
    drop(cluster);
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_test_that_panics_leaves_no_control_plane() {
    let mut left: Option<([u32; 2], PathBuf)> = None;
    let test = async {
        let cluster = Cluster::start().await.unwrap();
        left = Some((cluster.pids(), cluster.folder().to_owned()));
        std::panic::resume_unwind(Box::new("as a failed assertion would"));
    };
    assert!(AssertUnwindSafe(test).catch_unwind().await.is_err());
    let (pids, folder) = left.unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_test_process_that_is_killed_leaves_no_control_plane() {
    let mut holder = Command::new(std::env::current_exe().unwrap());
    holder.args([
        "--ignored",
        "--exact",
        "--nocapture",
        "plane::holds_a_control_plane",
    ]);
    let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let said = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("HELD ")?.1.to_owned()));
    let said = said.unwrap();
    let words: Vec<&str> = said.split(' ').collect();
    let pids: Vec<u32> = words[..2].iter().map(|w| w.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| lives(*pid)), "{said}");
    send(holder.id(), Signal::KILL);
    holder.wait().unwrap();
    gone(&pids).await;
    std::fs::remove_dir_all(Path::new(words[2])).unwrap();
}

/// Begun by the test above in a process of its own, which is then killed.
#[tokio::test]
#[ignore = "waits until it is killed"]
async fn holds_a_control_plane() {
    let cluster = Cluster::start().await.unwrap();
    let [api, etcd] = cluster.pids();
    println!("\nHELD {api} {etcd} {}", cluster.folder().display());
    std::future::pending::<()>().await;
}
