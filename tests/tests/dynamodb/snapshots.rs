//! What a cold start reads: the newest snapshot object that can be trusted and the log after it; and that the table
//! answers alone where none can.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sandbox_elf::store::{
    Ledger,
    dynamodb::{DynamoSettings, Picture},
};
use sandbox_tests::{
    contract::memory::tenant,
    dynamodb::DynamoServer,
    s3::{BUCKET, S3Server},
};
use tempfile::TempDir;

use crate::ways::{opened, writes};

/// A new table, with snapshots in a folder, after every fourth write.
async fn folder() -> (DynamoSettings, TempDir) {
    let server = DynamoServer::shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = DynamoSettings {
        snapshots: format!("file://{}", folder.path().display()),
        snapshot_every: 4,
        ..server.table().await.unwrap()
    };
    (settings, folder)
}

/// Snapshot objects, oldest first.
fn objects(beneath: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(beneath)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                objects(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    found.sort();
    found
}

/// So many writes, and the snapshots that follow them.
async fn written(settings: &DynamoSettings, from: u64, to: u64) {
    let ledger = opened(settings).await;
    for at in from..to {
        writes(&ledger, at, at + 1).await;
        ledger.rest().await;
    }
}

async fn cold(settings: &DynamoSettings) -> Picture {
    let ledger = opened(settings).await;
    let picture = ledger.picture(&tenant("a")).await.unwrap();
    ledger.rest().await;
    picture
}

/// That the picture is the one of the whole log, whatever it began with.
async fn is_whole(settings: &DynamoSettings, picture: &Picture) {
    let without = DynamoSettings {
        snapshots: "memory:".to_owned(),
        ..settings.clone()
    };
    let whole = cold(&without).await;
    assert_eq!(whole.began, None);
    assert_eq!(picture.snapshot, whole.snapshot);
}

#[tokio::test]
async fn a_cold_start_reads_the_newest_snapshot_and_what_came_after_it() {
    let (settings, _folder) = folder().await;
    written(&settings, 0, 10).await;
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.read), (Some(8), 2));
    assert!(picture.passed_over.is_empty());
    is_whole(&settings, &picture).await;
}

#[tokio::test]
async fn only_the_newest_few_snapshots_are_kept() {
    let (settings, folder) = folder().await;
    written(&settings, 0, 24).await;
    let kept = objects(folder.path());
    let names = kept
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap());
    let at: Vec<u64> = names.map(|n| n[..20].parse().unwrap()).collect();
    assert_eq!(at, [16, 20, 24]);
}

#[tokio::test]
async fn a_reader_who_had_much_to_read_leaves_a_snapshot_for_the_next() {
    let (settings, folder) = folder().await;
    let without = DynamoSettings {
        snapshots: "memory:".to_owned(),
        ..settings.clone()
    };
    written(&without, 0, 5).await;
    assert_eq!(cold(&settings).await.began, None);
    assert_eq!(objects(folder.path()).len(), 1);
    let next = cold(&settings).await;
    assert_eq!((next.began, next.read), (Some(5), 0));
}

#[tokio::test]
async fn several_who_keep_one_snapshot_keep_one() {
    let (settings, folder) = folder().await;
    let nodes = [opened(&settings).await, opened(&settings).await];
    writes(&nodes[0], 0, 3).await;
    let a = tenant("a");
    let (first, second) = futures::join!(nodes[0].keep_snapshot(&a), nodes[1].keep_snapshot(&a));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(nodes[0].keep_snapshot(&a).await, Ok(None));
    assert_eq!(objects(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_named() {
    let (settings, folder) = folder().await;
    written(&settings, 0, 10).await;
    // Readers leave none here, so that each finds what the one before it found.
    let settings = DynamoSettings {
        snapshot_every: 100,
        ..settings
    };
    let newest = objects(folder.path()).pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damaged in [&flipped[..], &bytes[..bytes.len() / 2], b"", b"no snapshot"] {
        fs::write(&newest, damaged).unwrap();
        let picture = cold(&settings).await;
        assert_eq!((picture.began, picture.read), (Some(4), 6));
        assert!(picture.passed_over[0].contains("damaged"), "{picture:?}");
        is_whole(&settings, &picture).await;
    }
}

#[tokio::test]
async fn without_any_snapshot_that_can_be_read_the_table_answers() {
    let (settings, folder) = folder().await;
    written(&settings, 0, 8).await;
    let all = objects(folder.path());
    for path in &all {
        fs::write(path, "x").unwrap();
    }
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.read), (None, 8));
    assert_eq!(picture.passed_over.len(), 2);
    is_whole(&settings, &picture).await;
    for path in objects(folder.path()) {
        fs::remove_file(path).unwrap();
    }
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.passed_over.len()), (None, 0));
    is_whole(&settings, &picture).await;
}

#[tokio::test]
async fn a_snapshot_of_a_newer_release_is_passed_over_and_left_as_it_is() {
    let (settings, folder) = folder().await;
    written(&settings, 0, 5).await;
    let newest = objects(folder.path()).pop().unwrap();
    let title = r#"{"format":2,"what":"nobody knows yet"}"#;
    let mut newer = Vec::new();
    let mut squeezed = flate2::GzBuilder::new().read(title.as_bytes(), flate2::Compression::fast());
    std::io::Read::read_to_end(&mut squeezed, &mut newer).unwrap();
    fs::write(&newest, &newer).unwrap();
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.read), (None, 5));
    assert!(
        picture.passed_over[0].contains("newer release"),
        "{picture:?}"
    );
    is_whole(&settings, &picture).await;
    assert_eq!(fs::read(&newest).unwrap(), newer);
}

/// As after a table was restored to an earlier time and written on.
#[tokio::test]
async fn a_snapshot_of_another_history_is_passed_over() {
    let (settings, folder) = folder().await;
    written(&settings, 0, 5).await;
    let other = DynamoServer::shared().await.unwrap().table().await.unwrap();
    let other = DynamoSettings {
        snapshots: settings.snapshots.clone(),
        snapshot_every: 100,
        ..other
    };
    written(&other, 0, 6).await;
    let theirs = objects(folder.path()).pop().unwrap();
    let path = theirs.display().to_string();
    let ours = PathBuf::from(path.replace(&settings.table, &other.table));
    fs::create_dir_all(ours.parent().unwrap()).unwrap();
    fs::copy(&theirs, &ours).unwrap();
    let picture = cold(&other).await;
    assert_eq!((picture.began, picture.read), (None, 6));
    assert!(
        picture.passed_over[0].contains("another write"),
        "{picture:?}"
    );
    is_whole(&other, &picture).await;
}

#[tokio::test]
async fn without_a_place_for_snapshots_writes_and_reads_go_on() {
    let (settings, folder) = folder().await;
    let ledger = opened(&settings).await;
    writes(&ledger, 0, 1).await;
    // A file where the folder was: nothing can be listed or kept there.
    fs::remove_dir_all(folder.path()).unwrap();
    fs::write(folder.path(), "in the way").unwrap();
    writes(&ledger, 1, 9).await;
    ledger.rest().await;
    let why = ledger.keep_snapshot(&tenant("a")).await.unwrap_err();
    assert!(why.contains("snapshot"), "{why}");
    let snapshot = ledger.snapshot(&tenant("a")).await.unwrap();
    assert_eq!(snapshot.head, 9);
    fs::remove_file(folder.path()).unwrap();
    fs::create_dir(folder.path()).unwrap();
}

#[tokio::test]
async fn snapshots_in_a_bucket_are_kept_once_read_and_tidied() {
    let server = S3Server::start().await.unwrap();
    let settings = DynamoSettings {
        snapshots: format!("s3://{BUCKET}/memory"),
        s3_endpoint: Some(server.endpoint()),
        snapshot_every: 2,
        ..DynamoServer::shared().await.unwrap().table().await.unwrap()
    };
    written(&settings, 0, 9).await;
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.read), (Some(8), 1), "{picture:?}");
    is_whole(&settings, &picture).await;
    let a = tenant("a");
    let nodes = [opened(&settings).await, opened(&settings).await];
    let both = futures::join!(nodes[0].keep_snapshot(&a), nodes[1].keep_snapshot(&a));
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    let listed = server.list().await.unwrap();
    let folder = format!("<Key>memory/{}/elf/a/", settings.table);
    assert_eq!(listed.matches(&folder).count(), 3, "{listed}");
    drop(server);
    let picture = cold(&settings).await;
    assert_eq!((picture.began, picture.read), (None, 9));
    assert!(picture.passed_over[0].contains("listed snapshots"));
}
