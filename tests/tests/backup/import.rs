//! Import of what the Python ancestor has kept. Its databases are made here after their schema.

use std::{fs, path::Path, process::Command};

use rusqlite::{Connection, params};
use sandbox_tests::node::Node;
use serde_json::{Value, json};

use crate::rig::{bytes, done, refused, sandbox};

const DONE: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000001";
const FAILED: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000002";
const QUEUED: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000003";
const RUNNING: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000004";
const LARGE: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000005";
const REFUSED: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000006";
const OTHERS: &str = "0b9bb6c0-9a0a-4f5a-8f8f-000000000007";

/// The ancestor's table of jobs.
fn jobs(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.execute_batch(
        "CREATE TABLE jobs (job_id TEXT PRIMARY KEY, client_id TEXT, job_type TEXT, status TEXT,
            payload TEXT, result TEXT, created_at TEXT, updated_at TEXT);
        CREATE INDEX of_client ON jobs (client_id);
        CREATE TABLE agents (agent_id TEXT PRIMARY KEY, job_id TEXT, client_id TEXT, tmux_pane TEXT,
            status TEXT, started_at TEXT, last_heartbeat TEXT);",
    )
    .unwrap();
    db
}

/// One row: id, client, type, status, payload, result.
fn job(db: &Connection, row: [&str; 6]) {
    let sql = "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, '2025-11-01T10:00:00.000001', '2025-11-01T10:00:09.000001')";
    db.execute(sql, row).unwrap();
}

fn all_kinds(db: &Connection) {
    let echo = r#"{"message": "hi"}"#;
    job(
        db,
        [
            DONE,
            "default",
            "echo",
            "SUCCEEDED",
            echo,
            r#"{"echoed_message": "hi"}"#,
        ],
    );
    let failure = r#"{"error": "boom", "error_type": "ValueError", "worker_id": "w"}"#;
    job(db, [FAILED, "default", "echo", "FAILED", echo, failure]);
    job(db, [QUEUED, "default", "echo", "QUEUED", echo, ""]);
    job(db, [RUNNING, "default", "echo", "RUNNING", echo, ""]);
    let large = json!({"response": "x".repeat(20_000)}).to_string();
    let misfit = r#"{"repo_url": "https://u:ghp_secret@host/a/b", "claude_cmd": "x"}"#;
    job(
        db,
        [LARGE, "default", "agent_farm", "SUCCEEDED", misfit, &large],
    );
    job(db, [REFUSED, "default", "agent_farm", "QUEUED", misfit, ""]);
    job(
        db,
        [
            OTHERS,
            "client-a",
            "echo",
            "SUCCEEDED",
            echo,
            r#"{"echoed_message": "hi"}"#,
        ],
    );
}

/// The ancestor's memory, with these tables of it.
fn memory(file: &Path) -> Connection {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let db = Connection::open(file).unwrap();
    db.execute_batch(
        "CREATE TABLE heuristics (id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL,
            rule TEXT NOT NULL, explanation TEXT, source_type TEXT, source_id TEXT,
            confidence REAL DEFAULT 0.5, times_validated INTEGER DEFAULT 0, times_violated INTEGER DEFAULT 0,
            is_golden INTEGER DEFAULT 0, project_path TEXT, created_at TEXT, updated_at TEXT);
        CREATE TABLE learnings (id INTEGER PRIMARY KEY, type TEXT, title TEXT);
        CREATE TABLE plans (id INTEGER PRIMARY KEY, task_id TEXT UNIQUE, title TEXT, description TEXT,
            approach TEXT, risks TEXT, expected_outcome TEXT, domain TEXT, status TEXT DEFAULT 'active',
            created_at TEXT, completed_at TEXT);
        CREATE TABLE postmortems (id INTEGER PRIMARY KEY, plan_id INTEGER, title TEXT, actual_outcome TEXT,
            divergences TEXT, went_well TEXT, went_wrong TEXT, lessons TEXT, domain TEXT, created_at TEXT);
        CREATE TABLE trails (id INTEGER PRIMARY KEY, location TEXT, location_type TEXT DEFAULT 'file',
            scent TEXT, strength REAL DEFAULT 1.0, agent_id TEXT, message TEXT, tags TEXT,
            created_at TEXT, expires_at TEXT);
        CREATE TABLE job_outcomes (id INTEGER PRIMARY KEY, job_id TEXT, job_type TEXT, project_path TEXT,
            outcome TEXT, duration_seconds REAL, agent_count INTEGER, files_touched TEXT,
            learnings_json TEXT, error_message TEXT, created_at TEXT);",
    )
    .unwrap();
    db
}

fn filled(file: &Path) {
    let db = memory(file);
    let sql = "INSERT INTO heuristics (domain, rule, confidence, times_validated, is_golden) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.execute(
        sql,
        params!["sql", "Dates are UTC, never local.", 0.95, 9, 1],
    )
    .unwrap();
    db.execute(sql, params!["sql", "Quote every identifier.", 0.4, 1, 0])
        .unwrap();
    // The ancestor took any number for a confidence.
    db.execute(sql, params!["sql", "Never select a star.", 7.5, 0, 0])
        .unwrap();
    db.execute_batch(&format!(
        "INSERT INTO job_outcomes (job_id, job_type, outcome, created_at) VALUES
            ('{DONE}', 'echo', 'success', '2025-11-01T10:00:09'),
            ('{FAILED}', 'echo', 'failure', '2025-11-01 10:00:09'),
            ('told by an agent', 'task', 'partial', '2025-11-01 10:00:09');
        INSERT INTO trails (location, scent, created_at, expires_at) VALUES
            ('src/a.py', 'success', '2025-11-01T10:00:09', '2999-01-01T00:00:00'),
            ('src/b.py', 'success', '2025-11-01T10:00:09', '2025-11-02T10:00:09');
        INSERT INTO learnings (title) VALUES ('never read');
        INSERT INTO plans (id, title, approach, domain, status, created_at) VALUES
            (4, 'Move the queue', 'One table at a time', 'data lakes', 'completed', '2025-10-01T09:00:00'),
            (5, 'Drop the old index', '', '', 'active', '2025-10-02 09:00:00'),
            (6, 'Nobody said how it went', '', '', 'completed', '2025-10-03 09:00:00');
        INSERT INTO postmortems (plan_id, title, actual_outcome, lessons, domain, created_at) VALUES
            (4, NULL, 'It took twice as long', 'Copy first, then switch', NULL, '2025-10-05T09:00:00'),
            (4, 'A second word', 'It was undone later', '', '', '2025-10-06T09:00:00'),
            (NULL, NULL, 'The token ghp_0123456789abcdefghijABCDEFGHIJ012345 leaked', '', '', '2025-10-07T09:00:00');"
    ))
    .unwrap();
}

/// A folder of the ancestor with everything.
fn ancestor() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    all_kinds(&jobs(&folder.path().join("jobs.db")));
    filled(&folder.path().join("elf/default/memory.db"));
    filled(&folder.path().join("elf/client-a/memory.db"));
    let keys = r#"{"sk-secret-a": "client-a", "sk-secret-b": "client-b"}"#;
    fs::write(folder.path().join("clients.json"), keys).unwrap();
    folder
}

fn import(from: &Path, data: &Path) -> Command {
    let (data, from) = (data.to_str().unwrap(), from.to_str().unwrap());
    sandbox(&["import", "--data-dir", data, "--from", from])
}

fn apply(from: &Path, data: &Path) -> Command {
    let mut command = import(from, data);
    command.arg("--apply");
    command
}

#[test]
fn a_dry_run_tells_what_an_import_does_and_touches_neither_side() {
    let (from, to) = (ancestor(), tempfile::tempdir().unwrap());
    let data = to.path().join("data");
    let before = bytes(from.path());
    let dry = done(import(from.path(), &data));
    assert!(dry.contains("nothing was written"), "{dry}");
    assert!(!data.exists());
    let wet = done(apply(from.path(), &data));
    assert_eq!(dry.lines().count(), wet.lines().count());
    for line in dry
        .lines()
        .filter(|l| !l.starts_with("nothing was written"))
    {
        assert!(wet.contains(line), "{line} is not in {wet}");
    }
    for line in [
        "jobs: 1 failed, 3 succeeded, 1 were queued (suspended), 1 were running (suspended)",
        "rules: 6 on trial",
        "outcomes: 6 as history",
        "trails: 2 fading",
        "keys: 2 of 2 clients",
        "plans: 4 with their times",
        "postmortems: 6 with their times",
        "plan 6: it is completed, and no postmortem says how",
        "1 learnings: memory has no place for them",
    ] {
        assert!(dry.contains(line), "{line} is not in {dry}");
    }
    assert!(!dry.contains("sk-secret"), "{dry}");
    assert_eq!(bytes(from.path()), before);
}

#[test]
fn a_second_import_adds_nothing() {
    let (from, to) = (ancestor(), tempfile::tempdir().unwrap());
    let data = to.path().join("data");
    done(apply(from.path(), &data));
    let again = done(apply(from.path(), &data));
    assert!(again.contains("jobs: 6 there already\n"), "{again}");
    assert!(again.contains("memory: 24 known already"), "{again}");
    for new in ["rules:", "outcomes:", "trails:", "plans:", "postmortems:"] {
        assert!(!again.contains(new), "{again}");
    }
}

#[tokio::test]
async fn old_jobs_answer_by_their_ids_and_those_that_were_not_over_wait_and_can_be_resumed() {
    let from = ancestor();
    let mut node = Node::prepare(&[]);
    done(apply(from.path(), &node.data()));
    node.restart();
    let job = node.job(DONE).await;
    assert_eq!(job["status"], "SUCCEEDED");
    assert_eq!(job["result"], json!({"echoed_message": "hi"}));
    assert_eq!(job["payload"], json!({"message": "hi"}));
    assert_eq!(job["created_at"], "2025-11-01T10:00:00.000001");
    let job = node.job(FAILED).await;
    assert_eq!(
        (&job["status"], &job["failure"]["message"]),
        (&json!("FAILED"), &json!("boom"))
    );
    let job = node.job(LARGE).await;
    assert_eq!(
        job["result"]["response"].as_str().map(str::len),
        Some(20_000)
    );
    assert!(
        job["warnings"].to_string().contains("claude_cmd"),
        "{job:#}"
    );
    assert!(!job.to_string().contains("ghp_secret"), "{job:#}");
    let (status, _) = node.post(&format!("/jobs/{LARGE}/retry"), &json!({})).await;
    assert_eq!(status, 422, "it has no work to be tried again");
    assert_eq!(node.get(&format!("/jobs/{REFUSED}")).await.0, 404);
    for (id, attempt) in [(QUEUED, 1), (RUNNING, 2)] {
        let waits = |job: &Value| job["queued_reason"] == "suspended";
        node.until(id, waits).await;
        assert!(node.starts(id).is_empty(), "nothing begins by itself");
        done(sandbox(&["--server", node.url(), "resume", id]));
        let job = node.ended(id).await;
        let seen = (job["status"].clone(), job["attempt"].clone());
        assert_eq!(seen, (json!("SUCCEEDED"), json!(attempt)), "{job:#}");
        assert_eq!(node.starts(id).len(), 1);
    }
    assert_eq!(
        node.job(DONE).await["status"],
        "SUCCEEDED",
        "it is not swept away"
    );
}

#[tokio::test]
async fn an_old_golden_rule_is_on_trial_and_its_old_confidence_is_a_weak_claim() {
    let from = ancestor();
    let mut node = Node::prepare(&[]);
    done(apply(from.path(), &node.data()));
    node.restart();
    let rules = crate::rig::rules(&node).await;
    let of = |text: &str| {
        let all = rules.as_array().unwrap().iter();
        all.clone().find(|r| r["rule"] == text).unwrap().clone()
    };
    let golden = of("Dates are UTC, never local.");
    assert_eq!(golden["is_golden"], 0);
    assert_eq!(golden["provenance"], "legacy golden, on trial");
    assert_eq!(
        (&golden["times_validated"], &golden["injected"]),
        (&json!(0), &json!(0))
    );
    let doubted = of("Quote every identifier.");
    assert_eq!(doubted["provenance"], "legacy, on trial");
    let sure = |rule: &Value| rule["confidence"].as_f64().unwrap();
    let wild = of("Never select a star.");
    assert!(sure(&wild) >= sure(&golden) && sure(&golden) > sure(&doubted));
    assert!(sure(&wild) < 0.6 && sure(&doubted) > 0.4, "{rules}");
    let stats = node.get("/elf/stats").await.1;
    let counts = [
        "total_heuristics",
        "golden_rules",
        "total_outcomes",
        "successful_jobs",
        "failed_jobs",
    ];
    let counts = counts.map(|k| stats[k].as_u64().unwrap());
    assert_eq!(
        counts,
        [3, 0, 3, 0, 0],
        "old ends are history and teach nothing"
    );
}

#[tokio::test]
async fn old_plans_are_listed_with_their_old_times_and_over_where_their_postmortem_says_so() {
    let from = ancestor();
    let mut node = Node::prepare(&[]);
    done(apply(from.path(), &node.data()));
    node.restart();
    let asked = json!({"kind": "call", "tool": "elf_list_plans", "arguments": {"status": "all"}});
    let (status, told) = node.post("/elf/ask", &asked).await;
    assert_eq!(status, 200, "{told}");
    let told = told.to_string();
    for seen in [
        "move-the-queue-20251001-0900",
        "drop-the-old-index-20251002-0900",
        "One table at a time",
    ] {
        assert!(told.contains(seen), "{seen}: {told}");
    }
    let asked =
        json!({"kind": "call", "tool": "elf_list_plans", "arguments": {"status": "active"}});
    let active = node.post("/elf/ask", &asked).await.1.to_string();
    assert!(
        active.contains("Drop the old index") && !active.contains("Move the queue"),
        "{active}"
    );
    let rules = crate::rig::rules(&node).await.to_string();
    assert!(
        !rules.contains("Copy first"),
        "what they taught is among the old rules: {rules}"
    );
}

/// Client, type, status and payload of a row that makes no sense, and what is said of it.
const SENSELESS: [[&str; 5]; 6] = [
    [
        "default",
        "echo",
        "SUCCEEDED",
        "{broken",
        "its payload is no JSON",
    ],
    [
        "default",
        "echo",
        "SUCCEEDED",
        "[1]",
        "its payload is no JSON object",
    ],
    [
        "default",
        "teleport",
        "SUCCEEDED",
        "{}",
        "its type \"teleport\" is not known here",
    ],
    [
        "default",
        "echo",
        "LOST",
        "{}",
        "its status \"LOST\" is not known here",
    ],
    ["Client A", "echo", "FAILED", "{}", "name one with --tenant"],
    [
        "default",
        "echo",
        "QUEUED",
        r#"{"message": 5}"#,
        "its payload is not accepted any more",
    ],
];

#[test]
fn rows_that_make_no_sense_are_named_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let db = jobs(&at("jobs.db"));
    let id = |n: u32| format!("0b9bb6c0-9a0a-4f5a-8f8f-1000000000{n:02}");
    for (n, [client, kind, status, payload, _]) in (1..).zip(SENSELESS) {
        job(&db, [&id(n), client, kind, status, payload, ""]);
    }
    job(&db, ["not-a-uuid", "default", "echo", "FAILED", "{}", ""]);
    let text = "UPDATE jobs SET created_at = 'yesterday', updated_at = NULL WHERE job_id = ?1";
    job(&db, [&id(50), "default", "echo", "FAILED", "{}", ""]);
    db.execute(text, [id(50)]).unwrap();
    job(&db, [&id(51), "default", "echo", "FAILED", "{}", ""]);
    let bytes = "UPDATE jobs SET payload = CAST(x'7bff7d' AS TEXT) WHERE job_id = ?1";
    db.execute(bytes, [id(51)]).unwrap();
    job(&db, [&id(52), "default", "echo", "SUCCEEDED", "{}", "null"]);
    drop(db);
    let said = done(apply(folder.path(), &at("data")));
    for (n, [.., why]) in (1..).zip(SENSELESS) {
        let line = said
            .lines()
            .find(|l| l.contains(&id(n)))
            .unwrap_or_default();
        assert!(line.contains(why), "{n} {why}: {said}");
    }
    for why in [
        "\"not-a-uuid\" is not a UUID",
        "is no time: \"yesterday\"",
        "is not in UTF-8",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(said.contains("jobs: 1 succeeded\n"), "{said}");
}

#[test]
fn older_newer_and_damaged_databases_are_read_as_far_as_they_go() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Fewer columns and tables than it should have, and one that nobody knows.
    let db = Connection::open(at("memory.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE heuristics (id INTEGER PRIMARY KEY, domain TEXT, rule TEXT, novelty REAL);
        INSERT INTO heuristics (domain, rule) VALUES ('sql', 'Dates are UTC.'), (NULL, 'No domain.'), ('sql', 'no');",
    )
    .unwrap();
    drop(db);
    fs::write(
        at("index.db"),
        "this is no database at all, whatever its name says",
    )
    .unwrap();
    let db = jobs(&at("jobs.db"));
    for n in 10..60 {
        let id = format!("0b9bb6c0-9a0a-4f5a-8f8f-2000000000{n}");
        let long = json!({"message": "m".repeat(400)}).to_string();
        job(&db, [&id, "default", "echo", "SUCCEEDED", &long, "{}"]);
    }
    drop(db);
    let mut damaged = fs::read(at("jobs.db")).unwrap();
    let half = damaged.len() / 2;
    damaged[half..].fill(0x5a);
    fs::write(at("jobs.db"), damaged).unwrap();
    fs::write(at("clients.json"), "{\"sk-secret\": 5}").unwrap();
    let said = done(apply(folder.path(), &at("data")));
    assert!(said.contains("rules: 1 on trial\n"), "{said}");
    for why in [
        "it has no domain",
        "5 to 500 are kept",
        "it has no table job_outcomes",
        "index.db: read it as a SQLite database",
        "jobs.db: read the table jobs",
        "clients.json: read the API keys",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(!said.contains("sk-secret"), "{said}");
}

#[tokio::test]
async fn an_import_is_refused_while_somebody_writes_on_either_side() {
    let from = ancestor();
    let node = Node::start(&[]);
    let said = refused(apply(from.path(), &node.data()));
    assert!(
        said.contains("another `sandbox serve` has the data folder"),
        "{said}"
    );
    done(import(from.path(), &node.data()));
    let jobs = from.path().join("jobs.db");
    fs::write(from.path().join("jobs.db-journal"), "hot").unwrap();
    let said = done(import(&jobs, &node.data()));
    assert!(
        said.contains("the older server still writes to it"),
        "{said}"
    );
    let nothing = tempfile::tempdir().unwrap();
    let said = refused(import(nothing.path(), &node.data()));
    assert!(
        said.contains("there are none; name them with --from"),
        "{said}"
    );
}

#[test]
fn what_the_service_could_not_read_is_not_written_into_its_folder() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can write into another user's folder");
        return;
    }
    let (from, to) = (ancestor(), tempfile::tempdir().unwrap());
    std::os::unix::fs::chown(to.path(), Some(12345), Some(12345)).unwrap();
    let said = refused(apply(from.path(), to.path()));
    assert!(
        said.contains("belongs to the user 12345; import as that user"),
        "{said}"
    );
    assert!(crate::rig::names(to.path()).is_empty());
}

#[tokio::test]
async fn all_of_it_becomes_one_tenants_when_that_is_asked_for() {
    let from = ancestor();
    let mut node = Node::prepare(&[("API_KEYS", r#"{"k": "team"}"#)]);
    let mut command = apply(from.path(), &node.data());
    command.args(["--tenant", "team"]);
    let said = done(command);
    assert!(said.contains("rules: 3 on trial"), "{said}");
    node.restart();
    let asked = node.request(reqwest::Method::GET, &format!("/jobs/{OTHERS}"));
    let job: Value = asked
        .header("x-api-key", "k")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(job["client_id"], "team", "{job:#}");
}
