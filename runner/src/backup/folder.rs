//! Reads what stands beneath a folder. Agents may have written there, and who makes a backup may be
//! root: the kernel sees to it that no link is followed and nothing is waited for.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2};

/// A folder that is open.
pub struct Folder(OwnedFd);

/// One name in a folder.
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a regular file.
    pub is_file: bool,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// It is not there, or none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(openat2(&self.0, path, flags, Mode::empty(), resolve)?)
    }

    /// What stands in a folder beneath this one, by name; nothing where there is no such folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let opened = match self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(e) if is_none(&e) => return Ok(Vec::new()),
            opened => opened?,
        };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let kind = self.kind(&path.join(&name), entry.file_type())?;
            entries.push(Entry {
                name,
                is_folder: kind == FileType::Directory,
                is_file: kind == FileType::RegularFile,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Some file systems do not tell in a list what a name is.
    fn kind(&self, path: &Path, told: FileType) -> io::Result<FileType> {
        if told != FileType::Unknown {
            return Ok(told);
        }
        match self.beneath(path, OFlags::PATH) {
            Err(e) if is_none(&e) => Ok(FileType::Unknown),
            opened => Ok(FileType::from_raw_mode(rustix::fs::fstat(opened?)?.st_mode)),
        }
    }

    /// Opens a regular file beneath this folder; nothing where there is none any more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&self, path: &Path) -> io::Result<Option<File>> {
        let file = match self.beneath(path, OFlags::RDONLY) {
            Err(e) if is_none(&e) => return Ok(None),
            opened => File::from(opened?),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// Calls for every name beneath this path that is no folder.
    ///
    /// # Errors
    /// A folder cannot be read, or what is called fails.
    pub fn walk<E: From<io::Error>>(
        &self,
        path: &Path,
        visit: &mut impl FnMut(PathBuf, &Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        for entry in self.list(path)? {
            let inner = path.join(&entry.name);
            if entry.is_folder {
                self.walk(&inner, visit)?;
            } else {
                visit(inner, &entry)?;
            }
        }
        Ok(())
    }
}

/// Gone meanwhile, or a link or a pipe in its place: there is nothing of ours.
fn is_none(e: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [
        Errno::NOENT,
        Errno::LOOP,
        Errno::NOTDIR,
        Errno::XDEV,
        Errno::NXIO,
    ];
    gone.iter()
        .any(|n| e.raw_os_error() == Some(n.raw_os_error()))
}
