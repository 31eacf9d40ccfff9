//! From one file to a data folder: everything is checked before anything of the old folder is touched.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::{
    ARTIFACTS, FORMAT, HEAD, Head, JOBS, Listed, MANIFEST, MEMORY, Manifest, SEATS, SECRETS, hex,
    place::Place,
    revive::{self, Revived},
};

/// Largest head, and largest manifest, in bytes.
const LARGEST: (u64, u64) = (64 << 10, 1 << 30);
/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// What is to be restored where.
pub struct Asked<'a> {
    /// The backup.
    pub file: &'a Path,
    /// The data folder.
    pub data: &'a Path,
    /// Whether a data folder that is there is put aside.
    pub replace: bool,
}

/// What was restored.
pub struct Restored {
    /// What the backup says of itself.
    pub head: Head,
    /// What became of jobs that were not over.
    pub revived: Revived,
    /// Where the old data folder stands now, if there was one.
    pub aside: Option<PathBuf>,
}

/// Restores a backup. The data folder is the old one or the new one at every moment, also when this is
/// killed.
///
/// # Errors
/// The backup is damaged, none, or of a newer release; the data folder is in use or not empty; there is
/// no room. Nothing was changed then.
pub async fn restore(asked: &Asked<'_>) -> Result<Restored> {
    let place = Place::prepare(asked.data, asked.replace)?;
    let head = into(asked.file, place.building())
        .with_context(|| format!("read the backup {}", asked.file.display()))?;
    let revived = revive::suspend(place.building(), &head)
        .await
        .with_context(|| format!("took up the backup of release {}", head.version))?;
    let aside = place.put(head.keys)?;
    Ok(Restored {
        head,
        revived,
        aside,
    })
}

/// Unpacks into this folder and checks everything.
fn into(file: &Path, folder: &Path) -> Result<Head> {
    let opened = BufReader::new(File::open(file)?);
    let mut archive = tar::Archive::new(GzDecoder::new(opened));
    let mut unpacking = Unpacking::new(folder);
    for entry in archive.entries().context(DAMAGED)? {
        unpacking.one(&mut entry.context(DAMAGED)?)?;
    }
    // The checksum of the whole stands behind its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).context(DAMAGED)?;
    unpacking.whole()
}

/// What is said of a file whose bytes make no sense.
const DAMAGED: &str = "it is damaged, cut off, or no backup; use another copy";

type Entry<'a> = tar::Entry<'a, GzDecoder<BufReader<File>>>;

struct Unpacking<'a> {
    folder: &'a Path,
    head: Option<Head>,
    seen: BTreeMap<String, Listed>,
    manifest: Option<Manifest>,
}

impl<'a> Unpacking<'a> {
    const fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            head: None,
            seen: BTreeMap::new(),
            manifest: None,
        }
    }

    fn one(&mut self, entry: &mut Entry<'_>) -> Result<()> {
        let path = checked(entry)?;
        if self.manifest.is_some() || (self.head.is_none() && path != HEAD) {
            bail!("{DAMAGED}: {path:?} is not in its place");
        }
        match path.as_str() {
            HEAD => {
                let text = self.text(&path, entry, LARGEST.0)?;
                self.head = Some(head(&text)?);
            }
            MANIFEST => {
                let text = self.text(&path, entry, LARGEST.1)?;
                self.manifest = Some(serde_json::from_slice(&text).context(DAMAGED)?);
            }
            _ => {
                let mode = entry.header().mode().context(DAMAGED)? & 0o700 | 0o600;
                let mut file = create(&self.folder.join(&path), mode)?;
                let modified = entry.header().mtime().context(DAMAGED)?;
                self.copied(&path, entry, &mut file)?;
                let modified = UNIX_EPOCH.checked_add(Duration::from_secs(modified));
                file.set_modified(modified.unwrap_or(UNIX_EPOCH))?;
            }
        }
        Ok(())
    }

    fn text(&mut self, path: &str, entry: &mut Entry<'_>, most: u64) -> Result<Vec<u8>> {
        if entry.size() > most {
            bail!("{DAMAGED}: {path} has {} bytes", entry.size());
        }
        let mut text = Vec::new();
        self.copied(path, entry, &mut text)?;
        Ok(text)
    }

    fn copied(&mut self, path: &str, from: &mut impl Read, to: &mut impl Write) -> Result<()> {
        let mut sum = Sha256::new();
        let mut bytes = 0;
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).context(DAMAGED)?;
            let Some(some) = piece.get(..read).filter(|some| !some.is_empty()) else {
                break;
            };
            sum.update(some);
            bytes += read as u64;
            to.write_all(some)
                .with_context(|| format!("wrote {path}"))?;
        }
        let sha256 = hex(&sum.finalize());
        let listed = Listed {
            path: path.to_owned(),
            bytes,
            sha256,
        };
        if self.seen.insert(path.to_owned(), listed).is_some() {
            bail!("{DAMAGED}: {path} is twice in it");
        }
        Ok(())
    }

    /// Whether all that the manifest lists was read as it was written, and nothing else.
    fn whole(mut self) -> Result<Head> {
        let (Some(head), Some(manifest)) = (self.head, self.manifest) else {
            bail!("{DAMAGED}: its end is missing");
        };
        self.seen.remove(MANIFEST);
        for listed in &manifest.files {
            if self.seen.remove(&listed.path).as_ref() != Some(listed) {
                bail!("{DAMAGED}: {} is not what was packed", listed.path);
            }
        }
        if let Some((path, _)) = self.seen.pop_first() {
            bail!("{DAMAGED}: {path} is not in its manifest");
        }
        Ok(head)
    }
}

fn head(text: &[u8]) -> Result<Head> {
    #[derive(serde::Deserialize)]
    struct Form {
        format: u32,
        version: String,
    }
    // The form first: a newer head may have another shape.
    let form: Form = serde_json::from_slice(text).context(DAMAGED)?;
    if form.format > FORMAT {
        bail!(
            "release {} made it in form {}, this program knows {FORMAT}; use that release",
            form.version,
            form.format
        );
    }
    serde_json::from_slice(text).context(DAMAGED)
}

/// The path of an entry: a regular file in a place where a backup has files.
fn checked(entry: &Entry<'_>) -> Result<String> {
    let path = entry.path().context(DAMAGED)?;
    let text = path.to_str().context(DAMAGED)?.to_owned();
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let depth = path.components().count();
    let first = text.split('/').next().unwrap_or_default();
    let known = match first {
        HEAD | MANIFEST | JOBS | MEMORY => depth == 1,
        SEATS | ARTIFACTS | SECRETS => depth > 1,
        _ => false,
    };
    if !(plain && known && entry.header().entry_type().is_file()) {
        bail!("{DAMAGED}: {text:?} has no place in a backup");
    }
    Ok(text)
}

/// Makes a file that is not there yet, and the folders above it.
///
/// # Errors
/// It is there, or the disk refuses.
pub(crate) fn create(path: &Path, mode: u32) -> Result<File> {
    let failed = || format!("made {}", path.display());
    if let Some(parent) = path.parent() {
        let mut builder = DirBuilder::new();
        let done = builder.recursive(true).mode(0o700).create(parent);
        done.with_context(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    opened.with_context(failed)
}
