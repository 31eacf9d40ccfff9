//! The group commit: who shares a transaction, and what each is told when it fails.

use std::time::Duration;

use rusqlite::Connection;
use sandbox_core::port::{Answer, Created, PortError};
use tokio::sync::oneshot::{self, Receiver};

use super::{
    super::{
        open::Opening,
        write,
        writer::{Request, commit_together},
    },
    a_job,
};

fn empty(folder: &tempfile::TempDir) -> Connection {
    let (path, busy) = (&folder.path().join("x.db"), Duration::ZERO);
    Opening { path, busy }.writing().unwrap()
}

/// Submits these together; what each was told.
fn together(db: &mut Connection, jobs: &[(&str, usize)]) -> Vec<Answer<Created>> {
    let requests = jobs.iter().map(|(name, bytes)| {
        let (to, answer) = oneshot::channel();
        (
            Request::Create(Box::new(a_job(name, *bytes)), None, to),
            answer,
        )
    });
    let (batch, answers): (Vec<Request>, Vec<Receiver<_>>) = requests.unzip();
    commit_together(db, batch);
    answers
        .into_iter()
        .map(|mut a| a.try_recv().unwrap())
        .collect()
}

fn count(db: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    db.query_row(&sql, [], |r| r.get(0)).unwrap()
}

#[test]
fn a_refused_request_leaves_nothing_and_its_neighbours_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = empty(&folder);
    let told = together(&mut db, &[("one", 1), ("one", 1), ("two", 1)]);
    assert!(matches!(told[0], Ok(Created::New(_))), "{told:?}");
    assert!(matches!(told[1], Err(PortError::Conflict(_))), "{told:?}");
    assert!(matches!(told[2], Ok(Created::New(_))), "{told:?}");
    assert_eq!((count(&db, "jobs"), count(&db, "events")), (2, 2));
}

#[test]
fn when_the_disk_is_full_nobody_of_the_batch_is_told_anything_definite() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = empty(&folder);
    let pages: i64 = db.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    let limit = |db: &Connection, pages: i64| {
        db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };
    limit(&db, pages + 8);
    // The second is refused only because of the first, and the fourth would have fitted.
    let told = together(
        &mut db,
        &[("one", 1), ("one", 1), ("large", 200_000), ("two", 1)],
    );
    for answer in &told {
        assert!(matches!(answer, Err(PortError::Unknown(_))), "{told:?}");
    }
    let culprit = told[2].as_ref().unwrap_err().to_string();
    assert!(culprit.contains("make room"), "{culprit}");
    assert_eq!((count(&db, "jobs"), count(&db, "events")), (0, 0));
    limit(&db, pages + 800);
    let told = together(&mut db, &[("one", 1), ("large", 200_000)]);
    assert!(
        told.iter().all(|t| matches!(t, Ok(Created::New(_)))),
        "{told:?}"
    );
}

#[test]
fn old_events_are_forgotten_a_few_at_a_time_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = empty(&folder);
    let names: Vec<String> = (0..600).map(|n| format!("job-{n}")).collect();
    let jobs: Vec<(&str, usize)> = names.iter().map(|n| (n.as_str(), 1)).collect();
    together(&mut db, &jobs);
    write::prune_events(&db, 10).unwrap();
    assert_eq!(count(&db, "events"), 600 - 512);
    write::prune_events(&db, 10).unwrap();
    write::prune_events(&db, 10).unwrap();
    assert_eq!(count(&db, "events"), 10);
    together(&mut db, &[("next", 1)]);
    let kept = super::super::read::kept(&db).unwrap();
    assert_eq!((kept.forgotten, kept.newest), (590, 601));
}
