//! SIGKILL in the middle of a backup and of a restore: under its name stands the whole or nothing.

use std::{
    io::Write,
    path::Path,
    process::{Child, Stdio},
};

use rusqlite::Connection;
use sandbox_tests::node::{Node, PATIENCE};

use crate::rig::{backup, bytes, done, names, one_job, restore};

/// Waits until this is so while the process lives.
fn until(child: &mut Child, wanted: impl Fn() -> bool) {
    let from = std::time::Instant::now();
    while !wanted() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(from.elapsed() < PATIENCE, "it never came so far");
        std::thread::yield_now();
    }
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn staging(folder: &Path) -> Option<String> {
    let mut all = names(folder).into_iter();
    all.find(|n| n.starts_with(".sandbox-backup-"))
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_file_and_the_next_one_takes_its_traces_away() {
    let (node, _) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.tar.gz");
    // Whoever has the memory to itself holds the backup up between the two databases.
    let memory = Connection::open(node.data().join("elf.db")).unwrap();
    memory
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; CREATE TABLE t (x)")
        .unwrap();
    let mut child = backup(&node.data(), &file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(&mut child, || {
        staging(folder.path()).is_some_and(|s| folder.path().join(s).join("sandbox.db").exists())
    });
    killed(child);
    assert!(!file.exists());
    drop(memory);
    done(backup(&node.data(), &file));
    assert_eq!(names(folder.path()), ["b.tar.gz"]);
}

/// A restore that has read the first half of the backup and waits for the rest.
fn half_restored(file: &Path, data: &Path, more: &[&str]) -> (Child, std::fs::File) {
    let pipe = file.with_extension("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let mut command = restore(&pipe, data);
    let mut child = command.args(more).stderr(Stdio::null()).spawn().unwrap();
    let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
    let all = std::fs::read(file).unwrap();
    writer.write_all(&all[..all.len() * 9 / 10]).unwrap();
    let building = data.with_file_name(".data.restoring");
    until(&mut child, || building.join("sandbox.db").exists());
    std::fs::remove_file(pipe).unwrap();
    (child, writer)
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_no_data_folder_and_can_be_done_again() {
    let (node, id) = one_job().await;
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let mut other = Node::prepare(&[]);
    let (child, _writer) = half_restored(&file, &other.data(), &[]);
    killed(child);
    assert!(!other.data().exists());
    done(restore(&file, &other.data()));
    let beside = other.data().parent().unwrap().to_owned();
    assert_eq!(names(&beside), ["data"]);
    other.restart();
    assert_eq!(other.job(&id).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_replacing_restore_that_is_killed_leaves_the_old_data_as_it_was() {
    let (node, _) = one_job().await;
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let before = bytes(&node.data());
    let (child, _writer) = half_restored(&file, &node.data(), &["--replace"]);
    killed(child);
    assert_eq!(bytes(&node.data()), before);
}

#[tokio::test]
async fn a_folder_whose_place_a_killed_restore_had_taken_is_kept_by_the_next_one() {
    let (node, _) = one_job().await;
    let file = node.data().with_file_name("b.tar.gz");
    done(backup(&node.data(), &file));
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join(".data.restoring");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("sandbox.db"), "the old one").unwrap();
    done(restore(&file, &folder.path().join("data")));
    let names = names(folder.path());
    assert!(names[1].starts_with("data.replaced-"), "{names:?}");
    let kept = folder.path().join(&names[1]).join("sandbox.db");
    assert_eq!(std::fs::read(kept).unwrap(), b"the old one");
}
