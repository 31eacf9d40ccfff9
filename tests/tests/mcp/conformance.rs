//! The suite of the protocol's makers against the product's transport and handler, with the fixtures it
//! calls. `./scripts/test mcp` fetches it; where it is not there, these tests fail and say so.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use sandbox_tests::node::built;

/// The release of the suite whose figures are in the documentation.
const VERSION: &str = "0.2.0-alpha.12";

/// A program that `./scripts/setup mcp` has put into the cache.
fn cached(name: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    let base = || std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let ours = || base().join("multi-agent-sandbox");
    let cache = std::env::var_os("SANDBOX_CACHE").map_or_else(ours, PathBuf::from);
    let path = cache.join(format!(
        "mcp-conformance-{VERSION}/node_modules/.bin/{name}"
    ));
    let shown = path.display();
    assert!(
        path.exists(),
        "{shown} is not there: run ./scripts/test mcp"
    );
    path
}

/// The fixtures, served while this lives.
struct Served {
    process: Child,
    url: String,
}

impl Served {
    fn start() -> Self {
        let mut process = Command::new(built("mcp-fixture"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let url = out.lines().next().unwrap().unwrap();
        Self { process, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs what the suite takes these words for; gives its summary. It says by its exit code whether all
/// that it scores has passed.
fn suite(words: &[&str]) -> String {
    let (served, folder) = (Served::start(), tempfile::tempdir().unwrap());
    let output = Command::new(cached("node"))
        .arg(cached("conformance"))
        .args(["server", "--url", &served.url])
        .args(words)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let summary = said.split("=== SUMMARY ===").nth(1).unwrap_or(&said);
    assert!(output.status.success(), "{summary}");
    summary.to_owned()
}

/// How many scored scenarios have passed, and which have not. Those that are not scored come after.
fn scored(summary: &str) -> (usize, Vec<&str>) {
    let (all, not_scored) = summary.split_once("Not scored").unwrap_or((summary, ""));
    let is_scored = |line: &&str| {
        let name = line.get(4..).and_then(|l| l.split(':').next());
        name.is_some_and(|n| !not_scored.contains(&format!(" {n} (")))
    };
    let lines: Vec<&str> = all.lines().filter(is_scored).collect();
    let failed = lines
        .iter()
        .filter(|l| l.starts_with('✗'))
        .copied()
        .collect();
    (lines.iter().filter(|l| l.starts_with('✓')).count(), failed)
}

#[test]
fn every_scored_server_scenario_of_the_newest_revision_passes() {
    let summary = suite(&["--requirements", "2026-07-28"]);
    assert_eq!(scored(&summary), (37, Vec::new()), "{summary}");
}

#[test]
fn every_scored_server_scenario_of_the_last_revision_with_sessions_passes() {
    let summary = suite(&["--requirements", "2025-11-25"]);
    assert_eq!(scored(&summary), (30, Vec::new()), "{summary}");
}

#[test]
fn every_server_scenario_that_there_is_for_older_revisions_passes() {
    for (revision, most) in [("2025-06-18", 20), ("2025-03-26", 1)] {
        let summary = suite(&["--spec-version", revision]);
        let (passed, failed) = scored(&summary);
        assert!(passed >= most && failed.is_empty(), "{summary}");
    }
}
