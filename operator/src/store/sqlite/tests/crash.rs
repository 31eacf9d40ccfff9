//! Losing the process, and a disk that takes no more. The second process is this test program again,
//! asked for one of the ignored tests below.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use sandbox_core::{
    Uid,
    port::{PortError, Store},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{SqliteStore, created};

/// Names the file to the second process.
const FILE: &str = "SANDBOX_TEST_STORE";

/// Starts the second process at this test.
fn second(test: &str, path: &Path) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            &format!("{module}::{test}"),
        ])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn say(word: &str, text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{word} {text}").unwrap();
    out.flush().unwrap();
}

/// What was said with this word; a line that was cut off does not count.
fn said<'a>(output: &'a str, word: &str) -> Vec<&'a str> {
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    let lines = whole.lines().filter_map(|l| l.split_once(' '));
    lines
        .filter(|(w, _)| *w == word)
        .map(|(_, text)| text)
        .collect()
}

async fn assert_kept(store: &SqliteStore, acknowledged: &[&str]) {
    for uid in acknowledged {
        let uid: Uid = uid.parse().unwrap();
        assert!(
            store.load(&uid).await.unwrap().is_some(),
            "{uid} was acknowledged and is lost"
        );
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let mut child = second("submits_until_it_is_killed", &path);
    let mut output = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while said(&output, "kept").len() < 300 {
        assert_ne!(
            lines.read_line(&mut output).unwrap(),
            0,
            "it ended early: {output}"
        );
    }
    child.kill().unwrap();
    lines.read_to_string(&mut output).unwrap();
    child.wait().unwrap();

    let store = SqliteStore::open(&path).unwrap();
    assert_kept(&store, &said(&output, "kept")).await;
    let db = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    let (jobs, events) = (
        count("SELECT count(*) FROM jobs"),
        count("SELECT count(*) FROM events"),
    );
    assert_eq!(jobs, events, "a job stands with its event or not at all");
    let whole: String = db
        .query_row("PRAGMA integrity_check", [], |r| r.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[test]
#[ignore = "the second process of a_killed_process_loses_nothing_that_it_acknowledged"]
fn submits_until_it_is_killed() {
    let Some(path) = env::var_os(FILE) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(Path::new(&path)).unwrap());
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for n in 0.. {
                    let job = created(&store, &format!("job-{task}-{n}"), 2000)
                        .await
                        .unwrap();
                    say("kept", job.uid().unwrap().as_str());
                }
            });
        }
        tasks.join_all().await;
    });
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_told_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let output = second("submits_until_the_disk_is_full", &path)
        .wait_with_output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said(&output, "refused").len(), 1, "{output}");
    assert!(
        said(&output, "refused")[0].contains("make room on the disk"),
        "{output}"
    );
    assert_eq!(said(&output, "still"), ["readable"], "{output}");

    let store = SqliteStore::open(&path).unwrap();
    assert!(!said(&output, "kept").is_empty(), "{output}");
    assert_kept(&store, &said(&output, "kept")).await;
    created(&store, "later", 20_000).await.unwrap();
}

#[test]
#[ignore = "the second process of a_disk_that_takes_no_more_is_told_and_loses_nothing_that_was_acknowledged"]
fn submits_until_the_disk_is_full() {
    let Some(path) = env::var_os(FILE) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Caught, so that a write beyond the limit fails instead of ending the process.
        let _caught = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).unwrap();
        let store = SqliteStore::open(Path::new(&path)).unwrap();
        let limit = Some(1024 * 1024);
        setrlimit(
            Resource::Fsize,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        )
        .unwrap();
        let (mut n, mut last) = (0, None);
        let refused = loop {
            match created(&store, &format!("job-{n}"), 20_000).await {
                Ok(job) => last = Some(job.uid().unwrap()),
                Err(PortError::Unknown(text)) => break text,
                Err(other) => panic!("{other:?}"),
            }
            say("kept", last.as_ref().unwrap().as_str());
            n += 1;
            assert!(n < 1000, "the limit was never met");
        };
        say("refused", &refused);
        assert!(store.load(&last.unwrap()).await.unwrap().is_some());
        say("still", "readable");
    });
}
