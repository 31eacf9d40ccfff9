//! Tests of the folders that cannot be left.

use std::{fs, os::unix::fs::symlink};

use super::*;

fn relative(text: &str) -> Relative {
    text.parse().unwrap()
}

/// A folder `in` with a secret beside it.
fn place() -> (tempfile::TempDir, Folder) {
    let all = tempfile::tempdir().unwrap();
    fs::create_dir(all.path().join("in")).unwrap();
    fs::create_dir(all.path().join("out")).unwrap();
    fs::write(all.path().join("out/secret"), "secret").unwrap();
    let folder = Folder::open(&all.path().join("in")).unwrap();
    (all, folder)
}

#[test]
fn a_path_that_climbs_hides_or_is_absolute_is_refused() {
    for text in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "a//b",
        "a/./b",
        "a\\b",
        "a\nb",
        "\0",
    ] {
        assert!(text.parse::<Relative>().is_err(), "{text:?}");
    }
    assert!("x".repeat(256).parse::<Relative>().is_err());
    assert!("x/".repeat(33).parse::<Relative>().is_err());
}

#[test]
fn a_path_may_begin_with_a_dot_and_end_with_a_slash() {
    assert_eq!(relative("./models/").as_str(), "models");
    assert_eq!(
        relative("a/b.sql").names().collect::<Vec<_>>(),
        ["a", "b.sql"]
    );
}

#[test]
fn a_file_beneath_the_folder_is_read() {
    let (all, folder) = place();
    fs::write(all.path().join("in/a"), "text").unwrap();
    assert_eq!(folder.read(&relative("a"), 4).unwrap(), b"text");
    let big = folder.read(&relative("a"), 3);
    assert!(matches!(big, Err(PlaceError::TooBig(_, 3))), "{big:?}");
}

#[test]
fn a_link_that_stays_beneath_the_folder_is_followed() {
    let (all, folder) = place();
    fs::write(all.path().join("in/a"), "text").unwrap();
    symlink("a", all.path().join("in/b")).unwrap();
    assert_eq!(folder.read(&relative("b"), 10).unwrap(), b"text");
}

#[test]
fn no_link_leads_out_of_the_folder() {
    let (all, folder) = place();
    let inside = all.path().join("in");
    symlink("../out/secret", inside.join("file")).unwrap();
    symlink(all.path().join("out"), inside.join("dir")).unwrap();
    symlink("/proc/self/root", inside.join("magic")).unwrap();
    for path in ["file", "dir/secret", "magic/etc/passwd"] {
        let read = folder.read(&relative(path), 1000);
        assert!(
            matches!(read, Err(PlaceError::Outside(_))),
            "{path}: {read:?}"
        );
    }
    let dir = folder.folder(&relative("dir"));
    assert!(matches!(dir, Err(PlaceError::Outside(_))), "{dir:?}");
}

#[test]
fn without_the_kernels_help_no_link_is_followed() {
    let (all, folder) = place();
    let inside = all.path().join("in");
    fs::create_dir(inside.join("d")).unwrap();
    fs::write(inside.join("d/a"), "text").unwrap();
    symlink("a", inside.join("d/b")).unwrap();
    symlink("d", inside.join("e")).unwrap();
    assert!(folder.walk("d/a", OFlags::RDONLY).is_ok());
    assert_eq!(folder.walk("d/b", OFlags::RDONLY).unwrap_err(), Errno::LOOP);
    assert_eq!(folder.walk("e/a", OFlags::RDONLY).unwrap_err(), Errno::LOOP);
}

#[test]
fn a_link_that_is_swapped_in_meanwhile_never_shows_what_is_outside() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (all, folder) = place();
    let inside = all.path().join("in");
    fs::create_dir(inside.join("real")).unwrap();
    fs::write(inside.join("real/secret"), "mine").unwrap();
    symlink("real", inside.join("at")).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let to = if turn % 2 == 0 { "../out" } else { "real" };
                symlink(to, inside.join("next")).unwrap();
                fs::rename(inside.join("next"), inside.join("at")).unwrap();
            }
        });
        for _ in 0..2000 {
            if let Ok(bytes) = folder.read(&relative("at/secret"), 100) {
                assert_eq!(bytes, b"mine");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_named_pipe_or_a_folder_is_not_read_as_a_file() {
    let (all, folder) = place();
    let pipe = all.path().join("in/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
    fs::create_dir(all.path().join("in/dir")).unwrap();
    for path in ["pipe", "dir", "none", "pipe/x"] {
        let read = folder.read(&relative(path), 10);
        assert!(
            matches!(read, Err(PlaceError::Missing(..))),
            "{path}: {read:?}"
        );
    }
}

#[test]
fn a_written_file_replaces_a_link_and_never_follows_one() {
    let (all, folder) = place();
    let inside = all.path().join("in");
    symlink("../out/secret", inside.join("a")).unwrap();
    folder.write(&relative("a"), b"new").unwrap();
    assert_eq!(fs::read_to_string(inside.join("a")).unwrap(), "new");
    assert_eq!(
        fs::read_to_string(all.path().join("out/secret")).unwrap(),
        "secret"
    );
    symlink("../out", inside.join("dir")).unwrap();
    let through = folder.write(&relative("dir/x"), b"new");
    assert!(
        matches!(through, Err(PlaceError::Outside(_))),
        "{through:?}"
    );
    assert!(!all.path().join("out/x").exists());
}

#[test]
fn folders_on_the_way_of_a_written_file_are_made() {
    let (all, folder) = place();
    folder.write(&relative("x/y/z.md"), b"1").unwrap();
    folder.write(&relative("x/y/z.md"), b"2").unwrap();
    let text = fs::read_to_string(all.path().join("in/x/y/z.md")).unwrap();
    assert_eq!(text, "2");
    let made = folder.make(&relative("x/y")).unwrap();
    assert_eq!(
        made.real_path().unwrap(),
        all.path().join("in/x/y").canonicalize().unwrap()
    );
}

#[test]
fn the_list_is_breadth_first_and_leaves_out_what_nobody_wrote() {
    let (all, folder) = place();
    let inside = all.path().join("in");
    for dir in [".git", "node_modules", "models/sub", "logs", "build"] {
        fs::create_dir_all(inside.join(dir)).unwrap();
        fs::write(inside.join(dir).join("x.sql"), "").unwrap();
    }
    fs::write(inside.join("readme.md"), "").unwrap();
    fs::write(inside.join(".env"), "").unwrap();
    symlink("/etc", inside.join("etc")).unwrap();
    fs::write(
        inside.join(".gitignore"),
        "# no\nlogs/\n/build\n.env\n*.tmp\n",
    )
    .unwrap();
    let all_files = [".gitignore", "readme.md", "models/sub/x.sql"];
    assert_eq!(folder.files(50), all_files);
    assert_eq!(folder.files(2), all_files[..2]);
}
