//! Folders that cannot be left: every path of a job is opened beneath one.
//!
//! A path is parsed first ([`Relative`]) and then resolved by the kernel from an open folder
//! (`openat2`), so that neither `..` nor a link, not even one that is swapped in meanwhile, leads
//! outside. Where the kernel or a seccomp filter has no `openat2`, the path is walked one name at
//! a time and no link is followed at all. Nothing here knows a tenant or a job.

mod list;
mod relative;

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, open, openat, openat2},
    io::Errno,
};

pub use relative::Relative;

/// How often the kernel is asked again when a rename elsewhere disturbed it.
const TRIES: u32 = 16;
/// Mode of folders that are made.
const FOLDER: Mode = Mode::from_raw_mode(0o755);
/// Mode of files that are made.
const FILE: Mode = Mode::from_raw_mode(0o644);

/// Why a path was not used. The texts name paths as the job gave them, never the machine's own.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text is no path that could be used.
    #[error("{0:?} is not a relative path beneath its folder: {1}")]
    Bad(String, &'static str),
    /// It leads out of the folder, or over a link where none is followed.
    #[error("{0:?} leads out of its folder")]
    Outside(String),
    /// There is nothing, or something else.
    #[error("{0:?} is not there, or is not a {1}")]
    Missing(String, &'static str),
    /// More than may be read.
    #[error("{0:?} has more than {1} bytes")]
    TooBig(String, u64),
    /// The machine failed.
    #[error("{0:?}: {1}")]
    Io(String, std::io::Error),
}

impl PlaceError {
    /// Whether the path is to blame, and not the machine.
    pub fn is_of_the_path(&self) -> bool {
        !matches!(self, Self::Io(..))
    }

    fn of(path: &Relative, wanted: &'static str, errno: Errno) -> Self {
        let name = path.as_str().to_owned();
        match errno {
            Errno::XDEV | Errno::LOOP => Self::Outside(name),
            Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => {
                Self::Missing(name, wanted)
            }
            other => Self::Io(name, other.into()),
        }
    }
}

/// Which links a path may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    /// Those that stay beneath the folder.
    Beneath,
    /// None.
    Never,
}

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    dir: OwnedFd,
}

impl Folder {
    /// Opens a folder by a path of the server's own. Links in it are the server's affair.
    ///
    /// # Errors
    /// It is not there or cannot be opened.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(path, flags, Mode::empty())?;
        Ok(Self { dir })
    }

    /// Opens a folder beneath this one.
    ///
    /// # Errors
    /// It is not there, is no folder, or leads outside.
    pub fn folder(&self, path: &Relative) -> Result<Self, PlaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.open_beneath(path.as_str(), flags, Links::Beneath)
            .map(|dir| Self { dir })
            .map_err(|e| PlaceError::of(path, "folder", e))
    }

    /// Reads a regular file beneath this folder, if it has at most `most` bytes.
    ///
    /// # Errors
    /// It is not there, is no regular file, is too big, or leads outside.
    pub fn read(&self, path: &Relative, most: u64) -> Result<Vec<u8>, PlaceError> {
        let failed = |e: std::io::Error| PlaceError::Io(path.as_str().to_owned(), e);
        // Without NONBLOCK a named pipe would hold the runner until somebody writes to it.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self
            .open_beneath(path.as_str(), flags, Links::Beneath)
            .map_err(|e| PlaceError::of(path, "file", e))?;
        let stat = fstat(&fd).map_err(|e| failed(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(PlaceError::Missing(path.as_str().to_owned(), "file"));
        }
        let mut bytes = Vec::new();
        let mut file = File::from(fd).take(most.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(PlaceError::TooBig(path.as_str().to_owned(), most));
        }
        Ok(bytes)
    }

    /// Opens a folder beneath this one and makes what is missing of it. Follows no link.
    ///
    /// # Errors
    /// A link or a file is in the way, or the disk refuses.
    pub fn make(&self, path: &Relative) -> Result<Self, PlaceError> {
        self.make_names(path.names())
            .map_err(|e| PlaceError::of(path, "folder", e))
    }

    /// Writes a file beneath this folder, in the place of one that is there; makes the folders on
    /// its way and follows no link.
    ///
    /// # Errors
    /// A link or a folder is in the way, or the disk refuses.
    pub fn write(&self, path: &Relative, bytes: &[u8]) -> Result<(), PlaceError> {
        let of = |e| PlaceError::of(path, "file", e);
        let failed = |e| PlaceError::Io(path.as_str().to_owned(), e);
        let (folders, name) = path.split();
        let folder = self.make_names(folders).map_err(of)?;
        match rustix::fs::unlinkat(&folder.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(of(e)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&folder.dir, name, flags, FILE).map_err(of)?;
        let mut file = File::from(fd);
        file.write_all(bytes).map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    /// The path at which this folder stands now, free of links: for programs that want a path.
    ///
    /// # Errors
    /// `/proc` is not there, or the folder was removed.
    pub fn real_path(&self) -> std::io::Result<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.dir.as_raw_fd()))
    }

    fn make_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Self, Errno> {
        let mut at = Self {
            dir: rustix::io::fcntl_dupfd_cloexec(&self.dir, 0)?,
        };
        for name in names {
            match mkdirat(&at.dir, name, FOLDER) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e),
            }
            at = Self {
                dir: step(&at.dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?,
            };
        }
        Ok(at)
    }

    fn open_beneath(&self, path: &str, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if links == Links::Never {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        let flags = flags | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            match openat2(&self.dir, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Older kernels do not know it, and container filters of their time forbid it.
                Err(Errno::NOSYS | Errno::PERM) => return self.walk(path, flags),
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    fn walk(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at: Option<OwnedFd> = None;
        for folder in folders.split('/').filter(|f| !f.is_empty()) {
            let from = at.as_ref().unwrap_or(&self.dir);
            at = Some(step(from, folder, OFlags::PATH | OFlags::DIRECTORY)?);
        }
        step(at.as_ref().unwrap_or(&self.dir), name, flags)
    }
}

/// Opens one name in a folder; a link there is an error.
fn step(dir: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        // With DIRECTORY the kernel says of a link only that it is no folder.
        Err(Errno::NOTDIR) if is_link(dir, name) => Err(Errno::LOOP),
        other => other,
    }
}

fn is_link(dir: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink)
}

#[cfg(test)]
mod tests;
