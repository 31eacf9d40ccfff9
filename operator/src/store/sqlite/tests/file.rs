//! Opening: what was kept is there again, and what cannot be opened says why and what to do.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;
use sandbox_core::port::{PortError, Store};

use super::{super::OpenError, SqliteStore, created};

/// The text of the refusal to open this file.
fn refused(path: &Path) -> String {
    match SqliteStore::open_within(path, Duration::from_millis(20)) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(e) => e.to_string(),
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let store = SqliteStore::open(&path).unwrap();
    let job = created(&store, "one", 10).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load(&job.uid().unwrap()).await.unwrap(), Some(job));
    assert_eq!(store.last_seq().unwrap(), 1);
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("x.db")).unwrap();
    created(&store, "one", 10).await.unwrap();
    drop(store);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let text = "these are notes, not a database\n".repeat(200);
    fs::write(&path, &text).unwrap();
    let said = refused(&path);
    assert!(said.contains("restore it from a backup"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn damage_within_the_file_is_told_and_never_taken_for_absence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let store = SqliteStore::open(&path).unwrap();
    let mut uids = Vec::new();
    for n in 0..30 {
        let job = created(&store, &format!("job-{n}"), 3000).await.unwrap();
        uids.push(job.uid().unwrap());
    }
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    // The first pages hold the schema; everything after them is overwritten.
    bytes[8 * 4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    for uid in uids {
        let read = store.load(&uid).await;
        assert!(
            matches!(&read, Err(PortError::Unknown(text)) if text.contains("restore it from a backup")),
            "{read:?}"
        );
    }
}

#[test]
fn a_file_of_a_newer_release_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    drop(SqliteStore::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let said = refused(&path);
    assert!(
        said.contains("schema 999") && said.contains("newer release"),
        "{said}"
    );
    let db = Connection::open(&path).unwrap();
    let version = db.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0));
    assert_eq!(version.unwrap(), 999);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE recipes (text TEXT)")
        .unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let said = refused(&path);
    assert!(said.contains("name another file"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_folder_that_is_missing_or_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("no/x.db"), "/proc/x.db".into()] {
        let said = refused(&path);
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        assert!(said.contains("see that its folder exists"), "{said}");
    }
}

#[test]
fn a_file_that_another_program_keeps_to_itself_is_told_and_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    drop(SqliteStore::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; COMMIT").unwrap();
    let said = refused(&path);
    assert!(said.contains("end that program"), "{said}");
}

#[tokio::test]
async fn a_write_beside_another_programs_transaction_is_unknown_and_works_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let store = SqliteStore::open_within(&path, Duration::from_millis(20)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let made = created(&store, "one", 10).await;
    assert!(
        matches!(&made, Err(PortError::Unknown(text)) if text.contains("end that program")),
        "{made:?}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    created(&store, "one", 10).await.unwrap();
}

#[test]
fn two_that_open_a_new_file_at_once_both_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let opened: Vec<Result<SqliteStore, OpenError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| SqliteStore::open(&path)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for store in opened {
        store.unwrap();
    }
}

#[tokio::test]
async fn a_farm_that_waits_in_a_file_of_an_older_release_keeps_its_slots_in_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(include_str!("../schema.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.pragma_update(None, "application_id", 0x4d41_5342)
        .unwrap();
    let body = r#"{"spec": {"backend": {"name": "vps"}, "agentFarm": {"agents": 3}}}"#;
    let sql = "INSERT INTO jobs VALUES ('u', 'a', 'n', 'agent_farm', 'QUEUED', 9, 0, 1, 1, 1, ?1)";
    db.execute(sql, [body]).unwrap();
    drop(db);
    let store = SqliteStore::open(&path).unwrap();
    let after = super::a_job("after", 1);
    let found = store.admission("slots/vps", &after).await.unwrap();
    assert_eq!((found.ahead, found.wanted_ahead), (1, 3));
}
