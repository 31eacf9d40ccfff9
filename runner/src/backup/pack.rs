//! From a data folder to one file, while a server may be at work there. The file appears whole under
//! its name or not at all, and nothing is overwritten.
//!
//! The order makes a restore safe: jobs first, then the memory, then seats. A job that the picture
//! shows as recorded has its outcome in the memory's later picture; what the memory knows beyond that
//! belongs to attempts that a restore counts as begun, because their seats are in the backup too.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sandbox_core::Seat;
use sha2::{Digest, Sha256};

use super::{
    ARTIFACTS, FORMAT, HEAD, Head, JOBS, Listed, MANIFEST, MEMORY, Manifest, SEATS, SECRETS,
    copy_of, database, folder::Folder, hex,
};

/// What of a seat is kept. The rest is what its runner needed while it worked.
const SEAT_FILES: [&str; 5] = [
    "register.json",
    "heartbeat.json",
    "report.json",
    "late.json",
    "log",
];
/// How the folder is called in which a backup is made, beside where it is to stand.
const STAGING: &str = ".sandbox-backup-";

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// What it says of itself.
    pub head: Head,
    /// Files in it.
    pub files: usize,
    /// Its own size.
    pub bytes: u64,
    /// What was left out although it stands among artifacts: links, pipes, names that are no UTF-8.
    pub left_out: Vec<PathBuf>,
}

/// Makes a backup of this data folder.
///
/// # Errors
/// The file is there already, the data cannot be read, or there is no room.
pub fn make(data: &Path, file: &Path, with_keys: bool) -> Result<Made> {
    if !data.join(JOBS).is_file() {
        bail!(
            "looked for {} in {}: there is none; name the data folder of `sandbox serve` with --data-dir",
            JOBS,
            data.display()
        );
    }
    if file.symlink_metadata().is_ok() {
        bail!("{} is there already; name another file", file.display());
    }
    let beside = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let staging = Staging::new(beside)?;
    let head = pictures(data, &staging.path, with_keys)?;
    let source = Folder::open(data).with_context(|| format!("opened {}", data.display()))?;
    let packed = staging.path.join("packed");
    let mut pack = Pack::begin(&packed)?;
    pack.all(&source, &staging.path, &head)?;
    let (files, left_out) = (
        pack.manifest.files.len(),
        std::mem::take(&mut pack.left_out),
    );
    let bytes = pack
        .finish()
        .with_context(|| format!("wrote {}", file.display()))?;
    publish(&packed, file, beside)?;
    Ok(Made {
        head,
        files,
        bytes,
        left_out,
    })
}

/// Takes the pictures of both databases, jobs first.
fn pictures(data: &Path, staging: &Path, with_keys: bool) -> Result<Head> {
    let at = Timestamp::now();
    copy_of(data, staging)?;
    let count = |name: &str, sql: &str| {
        let file = staging.join(name);
        if !file.is_file() {
            return Ok(0);
        }
        database::count(&file, sql).with_context(|| format!("counted what is in {name}"))
    };
    let unfinished = "SELECT count(*) FROM jobs WHERE phase IN ('QUEUED', 'RUNNING')";
    Ok(Head {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at,
        jobs: count(JOBS, "SELECT count(*) FROM jobs")?,
        unfinished: count(JOBS, unfinished)?,
        rules: count(MEMORY, "SELECT count(*) FROM items WHERE kind = 'rule'")?,
        keys: with_keys,
    })
}

/// A folder for what is not whole yet. One that a killed backup has left goes with the next backup.
struct Staging {
    path: PathBuf,
    _lock: File,
}

impl Staging {
    fn new(beside: &Path) -> Result<Self> {
        let failed = || format!("made a folder in {}", beside.display());
        sweep(beside).with_context(failed)?;
        let path = beside.join(format!("{STAGING}{}", uuid::Uuid::new_v4().simple()));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(failed)?;
        let lock = lock(&path).with_context(failed)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left is taken away by the next backup.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let file = File::create(folder.join("lock"))?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}

/// Removes what backups left that were killed.
fn sweep(beside: &Path) -> io::Result<()> {
    for entry in fs::read_dir(beside)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(STAGING);
        if ours && entry.file_type()?.is_dir() && lock(&entry.path()).is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Gives the file its name unless somebody has it, and makes both durable.
fn publish(packed: &Path, file: &Path, beside: &Path) -> Result<()> {
    let named = match renameat_with(CWD, packed, CWD, file, RenameFlags::NOREPLACE) {
        // Some file systems know no such flag; all of these know links.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(packed, file),
        named => named.map_err(io::Error::from),
    };
    named.with_context(|| format!("named the backup {}", file.display()))?;
    File::open(beside)?.sync_all().context("synced the folder")
}

/// A backup that is being written.
struct Pack {
    tar: tar::Builder<GzEncoder<File>>,
    manifest: Manifest,
    left_out: Vec<PathBuf>,
}

impl Pack {
    fn begin(path: &Path) -> Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            tar: tar::Builder::new(GzEncoder::new(file, Compression::fast())),
            manifest: Manifest::default(),
            left_out: Vec::new(),
        })
    }

    fn all(&mut self, source: &Folder, staging: &Path, head: &Head) -> Result<()> {
        self.text(HEAD, &serde_json::to_vec_pretty(head)?)?;
        for name in [JOBS, MEMORY] {
            if let Ok(mut copy) = File::open(staging.join(name)) {
                self.file(name, &mut copy)?;
            }
        }
        self.seats(source)?;
        self.tree(source, ARTIFACTS)?;
        if head.keys {
            self.tree(source, SECRETS)?;
        }
        let manifest = serde_json::to_vec(&self.manifest)?;
        self.text(MANIFEST, &manifest)
    }

    fn seats(&mut self, source: &Folder) -> Result<()> {
        let root = Path::new(SEATS);
        for job in source.list(root)? {
            for attempt in source.list(&root.join(&job.name))? {
                let seat = Path::new(&job.name).join(&attempt.name);
                if seat.to_str().is_none_or(|s| s.parse::<Seat>().is_err()) {
                    continue;
                }
                for name in SEAT_FILES {
                    self.found(source, &root.join(&seat).join(name))?;
                }
            }
        }
        Ok(())
    }

    fn tree(&mut self, source: &Folder, root: &str) -> Result<()> {
        source.walk(Path::new(root), &mut |path, entry| {
            if entry.is_file && path.to_str().is_some() {
                return self.found(source, &path);
            }
            self.left_out.push(path);
            Ok(())
        })
    }

    /// Puts a file in, unless it is gone meanwhile.
    fn found(&mut self, source: &Folder, path: &Path) -> Result<()> {
        let text = path.to_str().unwrap_or_default();
        match source.file(path)? {
            Some(mut file) => self.file(text, &mut file),
            None => Ok(()),
        }
    }

    /// Puts a file in with the size that it has now: a log may grow meanwhile.
    fn file(&mut self, path: &str, file: &mut File) -> Result<()> {
        let seen = file.metadata()?;
        let mode = seen.permissions().mode() & 0o700;
        let modified = u64::try_from(seen.mtime()).unwrap_or_default();
        self.append((path, mode, modified), seen.len(), file)
            .with_context(|| format!("packed {path}"))
    }

    fn text(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let size = bytes.len() as u64;
        self.append((path, 0o600, 0), size, &mut &*bytes)
            .with_context(|| format!("packed {path}"))
    }

    /// Puts bytes in under this path, with a mode and seconds since 1970.
    fn append(
        &mut self,
        (path, mode, modified): (&str, u32, u64),
        bytes: u64,
        from: &mut dyn Read,
    ) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(mode);
        header.set_mtime(modified);
        let mut hashed = Hashed {
            // One that has become shorter is filled up, so that the rest of the backup keeps its place.
            from: from.chain(io::repeat(0)).take(bytes),
            sum: Sha256::new(),
        };
        self.tar.append_data(&mut header, path, &mut hashed)?;
        self.manifest.files.push(Listed {
            path: path.to_owned(),
            bytes,
            sha256: hex(&hashed.sum.finalize()),
        });
        Ok(())
    }

    /// Ends the file and makes it durable; gives its size.
    fn finish(self) -> Result<u64> {
        let mut file = self.tar.into_inner()?.finish()?;
        file.flush()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

/// Counts a digest of what is read through it.
struct Hashed<R> {
    from: R,
    sum: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        let bytes = to
            .get(..read)
            .ok_or_else(|| io::Error::other("read too much"))?;
        self.sum.update(bytes);
        Ok(read)
    }
}
