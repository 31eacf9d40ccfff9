//! A folder as one file and back. What is in it was written by agents: no link is followed or kept, and nothing is put
//! outside of the folder that it is unpacked into. Asks nobody.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Component, Path},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::backup::{create, folder::Folder, hex};

/// Most bytes of all that an archive holds, unpacked.
const UNPACKED: u64 = 4 << 30;
/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Its size.
    pub(super) bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub(super) sha256: String,
}

/// Puts every regular file beneath this folder into one file, which must not be there yet.
///
/// # Errors
/// It would have more than `most` bytes, or the disk refuses.
pub(super) fn pack(folder: &Path, into: &Path, most: u64) -> io::Result<Packed> {
    let from = Folder::open(folder)?;
    let file = create(into, 0o600).map_err(io::Error::other)?;
    let out = Bounded { file, left: most };
    let mut tar = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    from.walk(Path::new("."), &mut |path, entry| {
        let opened = if entry.is_file {
            from.file(&path)?
        } else {
            None
        };
        let Some(file) = opened else { return Ok(()) };
        let size = file.metadata()?.len();
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        let name = path.strip_prefix(".").unwrap_or(&path);
        tar.append_data(&mut header, name, file.take(size))
    })?;
    tar.into_inner()?.finish()?;
    digest(into)
}

/// What a file holds.
///
/// # Errors
/// It cannot be read.
pub(super) fn digest(file: &Path) -> io::Result<Packed> {
    let (mut file, mut sum, mut bytes) = (File::open(file)?, Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        let Some(some) = piece.get(..read).filter(|some| !some.is_empty()) else {
            break;
        };
        sum.update(some);
        bytes += read as u64;
    }
    let sha256 = hex(&sum.finalize());
    Ok(Packed { bytes, sha256 })
}

/// Unpacks such a file into this folder.
///
/// # Errors
/// It is none, it leads outside, it holds too much, or the disk refuses.
pub(super) fn unpack(file: &Path, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(file)?));
    let mut left = UNPACKED;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
        if !plain || !entry.header().entry_type().is_file() {
            let text = format!("{} has no place in it", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        left = left.checked_sub(entry.size()).ok_or_else(too_large)?;
        let mut to = create(&into.join(&path), 0o600).map_err(io::Error::other)?;
        io::copy(&mut entry, &mut to)?;
    }
    Ok(())
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is too large")
}

/// A file that takes no more than so many bytes.
struct Bounded {
    file: File,
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.left = self
            .left
            .checked_sub(written as u64)
            .ok_or_else(too_large)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_links_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("from/a")).unwrap();
        fs::write(at("from/a/b"), "text").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("from/link")).unwrap();
        let packed = pack(&at("from"), &at("packed"), 1 << 20).unwrap();
        assert_eq!(digest(&at("packed")).unwrap(), packed);
        unpack(&at("packed"), &at("to")).unwrap();
        assert_eq!(fs::read_to_string(at("to/a/b")).unwrap(), "text");
        assert_eq!(fs::read_dir(at("to")).unwrap().count(), 1);
    }

    #[test]
    fn more_than_may_be_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("from")).unwrap();
        fs::write(at("from/a"), "text").unwrap();
        let refused = pack(&at("from"), &at("packed"), 10).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn an_archive_that_leads_outside_is_refused_and_writes_nothing_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, kind) in [
            ("../out", tar::EntryType::Regular),
            ("link", tar::EntryType::Symlink),
        ] {
            let file = File::create(at("packed")).unwrap();
            let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            let bytes = header.as_old_mut();
            bytes.name[..name.len()].copy_from_slice(name.as_bytes());
            if kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            tar.append(&header, io::empty()).unwrap();
            tar.into_inner().unwrap().finish().unwrap();
            let refused = unpack(&at("packed"), &at("to")).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{name}");
            assert!(!at("out").exists() && !at("to/link").exists());
        }
    }

    #[test]
    fn half_an_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("from")).unwrap();
        fs::write(at("from/a"), "text".repeat(1000)).unwrap();
        pack(&at("from"), &at("packed"), 1 << 20).unwrap();
        let bytes = fs::read(at("packed")).unwrap();
        fs::write(at("packed"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(unpack(&at("packed"), &at("to")).is_err());
    }
}
