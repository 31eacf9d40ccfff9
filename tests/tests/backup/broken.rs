//! Backups that are not what they should be, and places that cannot take one.

use std::{fs, path::Path, process::Command};

use rusqlite::Connection;

use crate::rig::{backup, done, names, one_job, refused, restore};

fn unzipped(file: &Path) -> Option<Vec<u8>> {
    let zipped = fs::File::open(file).unwrap();
    let output = Command::new("gzip").arg("-dc").stdin(zipped).output();
    let output = output.unwrap();
    output.status.success().then_some(output.stdout)
}

#[tokio::test]
async fn a_flipped_byte_or_a_missing_end_is_found_before_anything_is_changed() {
    let (node, _) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    done(backup(&node.data(), &at("b")));
    let whole = fs::read(at("b")).unwrap();
    // The ten bytes of gzip's header tell nothing of the content.
    let step = (whole.len() / 40).max(1);
    let mut found = 0;
    for place in (10..whole.len()).step_by(step) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        fs::write(at("flipped"), flipped).unwrap();
        if unzipped(&at("flipped")) == unzipped(&at("b")) {
            // A bit of the compression that says nothing.
            continue;
        }
        let said = refused(restore(&at("flipped"), &at("data")));
        assert!(
            said.contains("damaged, cut off, or no backup"),
            "{place}: {said}"
        );
        assert!(!at("data").exists());
        found += 1;
    }
    assert!(found > 30, "{found}");
    for length in [0, 5, whole.len() / 2, whole.len() - 9] {
        fs::write(at("cut"), &whole[..length]).unwrap();
        let said = refused(restore(&at("cut"), &at("data")));
        assert!(
            said.contains("is damaged, cut off, or no backup"),
            "{length}: {said}"
        );
    }
    assert_eq!(names(folder.path()), ["b", "cut", "flipped"]);
}

#[tokio::test]
async fn a_backup_of_a_newer_release_is_refused_in_words() {
    let (node, _) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (database, newer) in [("sandbox.db", 99), ("elf.db", 98)] {
        let db = Connection::open(node.data().join(database)).unwrap();
        let known: u32 = db
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .unwrap();
        db.pragma_update(None, "user_version", newer).unwrap();
        done(backup(&node.data(), &at(database)));
        let said = refused(restore(&at(database), &at("data")));
        let expected = format!("it has schema {newer}, this program knows {known}");
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains("use the newer release"), "{said}");
        assert!(!at("data").exists());
        db.pragma_update(None, "user_version", known).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_database_makes_no_backup() {
    let (node, _) = one_job().await;
    let path = node.data().join("elf.db");
    let db = Connection::open(&path).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    let mut damaged = fs::read(&path).unwrap();
    damaged[4096..].fill(0x5a);
    fs::write(&path, damaged).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = refused(backup(&node.data(), &folder.path().join("b")));
    assert!(said.contains("elf.db"), "{said}");
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_says_where_no_data_is() {
    let (node, _) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b");
    fs::write(&file, "mine").unwrap();
    let said = refused(backup(&node.data(), &file));
    assert!(
        said.contains("is there already; name another file"),
        "{said}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let said = refused(backup(folder.path(), &folder.path().join("c")));
    assert!(
        said.contains("name the data folder") && said.contains("--data-dir"),
        "{said}"
    );
    let said = refused(backup(&node.data(), &folder.path().join("no/such/b")));
    assert!(said.contains("no/such"), "{said}");
}

#[tokio::test]
async fn a_link_among_artifacts_is_left_out_and_what_it_leads_to_stays_unread() {
    let (node, id) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("secret"), "secret").unwrap();
    let artifacts = node.data().join("artifacts/default").join(&id);
    std::os::unix::fs::symlink(at("secret"), artifacts.join("link")).unwrap();
    let log = node.seat(&id, 1).join("log");
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(at("secret"), &log).unwrap();
    let said = done(backup(&node.data(), &at("b")));
    assert!(said.contains("link: it is no plain file"), "{said}");
    done(restore(&at("b"), &at("data")));
    let restored = crate::rig::bytes(&at("data"));
    assert!(restored.values().all(|b| b != b"secret"));
}

/// A small disk, where this may be mounted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mounted(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        let done = mount.arg(folder.path()).output().ok()?.status.success();
        done.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_mount_is_not_replaced_and_a_folder_beneath_it_will_do() {
    let Some(disk) = SmallDisk::mounted("4m") else {
        eprintln!("skipped: a disk can be mounted by root only");
        return;
    };
    let (node, _) = one_job().await;
    let file = node.data().with_file_name("b");
    done(backup(&node.data(), &file));
    let said = refused(restore(&file, disk.path()));
    assert!(said.contains("use a folder beneath it"), "{said}");
    assert!(names(disk.path()).is_empty());
    done(restore(&file, &disk.path().join("data")));
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half() {
    let Some(disk) = SmallDisk::mounted("64k") else {
        eprintln!("skipped: a disk can be mounted by root only");
        return;
    };
    let (node, _) = one_job().await;
    let said = refused(backup(&node.data(), &disk.path().join("b")));
    assert!(said.contains("the disk is full: make room"), "{said}");
    assert!(names(disk.path()).is_empty(), "{:?}", names(disk.path()));
    let file = node.data().with_file_name("b");
    done(backup(&node.data(), &file));
    let said = refused(restore(&file, &disk.path().join("data")));
    assert!(said.contains("the disk is full: make room"), "{said}");
    assert!(names(disk.path()).is_empty(), "{:?}", names(disk.path()));
}
