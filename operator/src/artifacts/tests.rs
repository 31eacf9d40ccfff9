//! What is kept, what is not, and what nobody else reads.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::convert::Infallible;

use futures::stream;
use object_store::{local::LocalFileSystem, memory::InMemory};

use super::*;

fn owner() -> (Tenant, Uid) {
    let uid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse();
    ("team-a".parse().unwrap(), uid.unwrap())
}

fn body(pieces: &[&str]) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|p| Ok(Bytes::from((*p).to_owned())))
        .collect();
    stream::iter(pieces)
}

async fn text(files: &Artifacts, owner: Owner<'_>, path: &str) -> Option<String> {
    let opened = files.open(owner, path).await.unwrap()?;
    let pieces: Vec<Bytes> = opened.pieces.try_collect().await.unwrap();
    let whole = pieces.concat();
    assert_eq!(opened.size, whole.len() as u64);
    Some(String::from_utf8(whole).unwrap())
}

/// A folder, and what has no folders.
fn stores() -> Vec<(Option<tempfile::TempDir>, Artifacts)> {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    vec![
        (Some(folder), Artifacts::new(Arc::new(local), by_tenant)),
        (None, Artifacts::new(Arc::new(InMemory::new()), by_tenant)),
    ]
}

#[tokio::test]
async fn what_was_kept_is_listed_and_read_until_it_is_forgotten() {
    for (_folder, files) in stores() {
        let (tenant, uid) = owner();
        let mine = (&tenant, &uid);
        assert_eq!(
            files
                .put(mine, "logs/dbt.log", body(&["one ", "two"]))
                .await
                .unwrap(),
            7
        );
        assert_eq!(
            files.put(mine, "a b#1%ü.txt", body(&[""])).await.unwrap(),
            0
        );
        assert_eq!(
            files
                .put(mine, "logs/dbt.log", body(&["again"]))
                .await
                .unwrap(),
            5
        );
        let listed = files.list(mine).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|(p, m)| (&**p, m.size)).collect();
        assert_eq!(listed, [("a b#1%ü.txt", 0), ("logs/dbt.log", 5)]);
        assert_eq!(text(&files, mine, "logs/dbt.log").await.unwrap(), "again");
        forget(&files.store, &by_tenant(mine, Kept::Files))
            .await
            .unwrap();
        assert!(files.list(mine).await.unwrap().is_empty());
        assert_eq!(text(&files, mine, "logs/dbt.log").await, None);
    }
}

#[tokio::test]
async fn nothing_leads_to_the_files_of_another() {
    for (_folder, files) in stores() {
        let (tenant, uid) = owner();
        let other: Tenant = "team-b".parse().unwrap();
        files
            .put((&other, &uid), "secret", body(&["s"]))
            .await
            .unwrap();
        for path in [
            "../secret",
            "../../team-b/x",
            "a/../../secret",
            "",
            "a//b",
            ".",
            "a\0b",
        ] {
            let put = files.put((&tenant, &uid), path, body(&["x"])).await;
            assert!(
                matches!(put, Err(PortError::Refused(_))),
                "{path:?}: {put:?}"
            );
            assert_eq!(text(&files, (&tenant, &uid), path).await, None, "{path:?}");
        }
        assert!(files.list((&tenant, &uid)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_or_breaks_off_is_not_kept() {
    for (_folder, files) in stores() {
        let (tenant, uid) = owner();
        let mine = (&tenant, &uid);
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let large = stream::iter((0..=(LARGEST >> 20)).map(|_| Ok::<_, Infallible>(piece.clone())));
        let put = files.put(mine, "large", large).await;
        assert!(
            matches!(&put, Err(PortError::Refused(f)) if f.message.contains("64 MiB")),
            "{put:?}"
        );
        let cut = stream::iter([Ok(Bytes::from("half")), Err("the connection was lost")]);
        let put = files.put(mine, "cut", cut).await;
        assert!(matches!(&put, Err(PortError::Unknown(_))), "{put:?}");
        assert!(files.list(mine).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_job_keeps_a_thousand_files_and_no_more() {
    let files = Artifacts::new(Arc::new(InMemory::new()), by_tenant);
    let (tenant, uid) = owner();
    for n in 0..MOST {
        files
            .put((&tenant, &uid), &format!("f/{n}"), body(&["x"]))
            .await
            .unwrap();
    }
    let put = files.put((&tenant, &uid), "one-more", body(&["x"])).await;
    assert!(matches!(put, Err(PortError::Refused(_))), "{put:?}");
}
