//! Small files that are either there in full or not there, also after a power cut. Knows nothing
//! of seats.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, OFlags, RenameFlags, renameat_with},
    io::Errno,
};

/// Puts a file that is not there yet; says whether it was put. Durable in either case.
pub(crate) fn put_if_absent(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<bool> {
    let temp = write_temp(folder, bytes)?;
    let put = publish(&temp, &folder.join(name));
    if !matches!(put, Ok(true)) {
        // A leftover harms nobody: no reader looks at it, and it goes with the folder.
        let _ = fs::remove_file(&temp);
    }
    let put = put?;
    sync_folder(folder)?;
    Ok(put)
}

/// Puts a file in the place of an older one, at once.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temp = write_temp(folder, bytes)?;
    if let Err(e) = fs::rename(&temp, folder.join(name)) {
        let _ = fs::remove_file(&temp);
        return Err(e);
    }
    sync_folder(folder)
}

/// Reads a whole file of at most `limit` bytes; `None` when it is not there.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let text = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(Some(bytes))
}

/// Removes a folder in one step for everybody who looks, then its content.
pub(crate) fn remove_folder(folder: &Path, aside: &Path) -> io::Result<()> {
    remove_all(aside)?;
    match fs::rename(folder, aside) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    remove_all(aside)
}

/// Opens a regular file to read it. A runner may be somebody who wants to see our other files, or to
/// hold us for ever: a link is not followed, and a pipe is not waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(
        ErrorKind::InvalidData,
        "it is not a regular file",
    ))
}

fn remove_all(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// A new file of a name nobody else has: process ids repeat between containers that share a disk.
fn write_temp(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = folder.join(format!(".{}.tmp", uuid::Uuid::new_v4()));
    let mut file = match create(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            make_folder(folder)?;
            create(&path)
        }
        file => file,
    }?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(path)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder with its parents, each of them durable.
fn make_folder(folder: &Path) -> io::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty());
    match (made, parent) {
        (Ok(()), Some(parent)) => sync_folder(parent),
        (Err(e), _) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        (Err(e), Some(parent)) if e.kind() == ErrorKind::NotFound => {
            make_folder(parent)?;
            make_folder(folder)
        }
        (made, _) => made,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Gives the file its name unless somebody has it.
fn publish(temp: &Path, target: &Path) -> io::Result<bool> {
    match renameat_with(CWD, temp, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // Some file systems, NFS among them, know no such flag; all of these know links.
        Err(Errno::INVAL | Errno::NOSYS) => link(temp, target),
        Err(e) => Err(e.into()),
    }
}

fn link(temp: &Path, target: &Path) -> io::Result<bool> {
    match fs::hard_link(temp, target) {
        Ok(()) => fs::remove_file(temp).map(|()| true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_file_is_put_once_and_leaves_no_second_name() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, target) = (
            dir.path().join("a"),
            dir.path().join("b"),
            dir.path().join("t"),
        );
        fs::write(&a, "first").unwrap();
        fs::write(&b, "second").unwrap();
        assert!(link(&a, &target).unwrap());
        assert!(!link(&b, &target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"first");
        assert!(!a.exists());
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, [b'x'; 11]).unwrap();
        assert!(read(&path, 10).is_err());
        assert_eq!(read(&path, 11).unwrap().map(|b| b.len()), Some(11));
    }

    #[test]
    fn a_link_or_a_pipe_in_a_files_place_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, link, pipe) = (
            dir.path().join("s"),
            dir.path().join("l"),
            dir.path().join("p"),
        );
        fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        rustix::fs::mkfifoat(CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        assert!(read(&link, 10).is_err());
        assert!(read(&pipe, 10).is_err());
        assert!(read(dir.path(), 10).is_err());
        assert_eq!(read(&secret, 10).unwrap().as_deref(), Some(&b"secret"[..]));
    }

    #[test]
    fn a_folder_half_removed_by_a_crash_is_removed_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, aside) = (dir.path().join("f"), dir.path().join(".gone-f"));
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("left"), "x").unwrap();
        remove_folder(&folder, &aside).unwrap();
        assert!(!aside.exists());
    }
}
