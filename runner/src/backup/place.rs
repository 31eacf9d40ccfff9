//! Puts a new folder where the data folder is, in one step; the old one is kept beside it. Knows nothing
//! of what is in a backup.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, lchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use rustix::{
    fs::{CWD, RenameFlags, renameat_with, syncfs},
    io::Errno,
};
use sandbox_operator::backend::vps::seats_at_work;

use super::{ARTIFACTS, JOBS, MEMORY, SEATS, SECRETS};
use crate::serve::lock;

/// Stands in a folder that is not whole yet.
const MARKER: &str = "restoring";

/// What stands where the data folder is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nothing,
    Empty,
    Old,
}

/// Where a restore puts its folder. Dropped before that, it leaves nothing.
pub struct Place {
    data: PathBuf,
    building: PathBuf,
    standing: Standing,
    done: bool,
    /// Held until this is dropped.
    locks: Vec<File>,
}

impl Place {
    /// Locks the place and makes a folder beside it.
    ///
    /// # Errors
    /// A server or another restore is at it, or the data folder is not empty and is not to be replaced.
    pub fn prepare(data: &Path, replace: bool) -> Result<Self> {
        // A link stays one: what it leads to is replaced.
        let data = fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
        let standing = standing(&data)?;
        if standing == Standing::Old && !replace {
            bail!(
                "{} is not empty; --replace puts the backup in its place and keeps what is there beside it",
                data.display()
            );
        }
        let mut locks = Vec::new();
        if standing == Standing::Old {
            locks.push(lock(&data)?);
            nobody_at_work(&data)?;
        }
        let (parent, name) = split(&data)?;
        if standing != Standing::Nothing
            && fs::metadata(&data)?.dev() != fs::metadata(parent)?.dev()
        {
            bail!(
                "{} is a mount of its own, whose place nothing else can take; use a folder beneath it",
                data.display()
            );
        }
        let failed = || format!("made a folder in {}", parent.display());
        fs::create_dir_all(parent).with_context(failed)?;
        let building = parent.join(format!(".{name}.restoring"));
        clear(&building, &data)?;
        let mut builder = DirBuilder::new();
        builder.mode(0o700).create(&building).with_context(failed)?;
        let mut place = Self {
            data: data.clone(),
            building: building.clone(),
            standing,
            done: false,
            locks,
        };
        File::create(building.join(MARKER)).with_context(failed)?;
        place.locks.push(lock(&building)?);
        Ok(place)
    }

    /// The folder that is to be the data folder.
    pub fn building(&self) -> &Path {
        &self.building
    }

    /// Puts the folder in its place; gives where the old one is now.
    ///
    /// # Errors
    /// It could not be put there, and the old folder is where it was; or it is there, and something of the
    /// old one could not be moved: the text says what stands where.
    pub fn put(mut self, with_keys: bool) -> Result<Option<PathBuf>> {
        let put = || format!("put the restored folder at {}", self.data.display());
        self.give_away().with_context(put)?;
        fs::remove_file(self.building.join(MARKER)).with_context(put)?;
        let opened = File::open(&self.building).with_context(put)?;
        syncfs(&opened).context("synced the restored folder")?;
        self.swap().with_context(put)?;
        self.done = true;
        let (parent, _) = split(&self.data)?;
        File::open(parent)?.sync_all()?;
        if self.standing != Standing::Old {
            return Ok(None);
        }
        let aside = aside(&self.data);
        fs::rename(&self.building, &aside)
            .with_context(|| format!("moved the old folder from {}", self.building.display()))?;
        carry_over(&aside, &self.data, with_keys)?;
        File::open(parent)?.sync_all()?;
        Ok(Some(aside))
    }

    /// Whoever the folder belonged to has the new one too: a restore may be root's.
    fn give_away(&self) -> io::Result<()> {
        if self.standing == Standing::Nothing || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(&self.data)?;
        give(&self.building, (owner.uid(), owner.gid()))
    }

    fn swap(&self) -> io::Result<()> {
        let (new, data) = (&self.building, &self.data);
        let how = match self.standing {
            Standing::Nothing => RenameFlags::NOREPLACE,
            // Refused where somebody has put something in meanwhile.
            Standing::Empty => return fs::rename(new, data),
            Standing::Old => RenameFlags::EXCHANGE,
        };
        match renameat_with(CWD, new, CWD, data, how) {
            Err(Errno::INVAL | Errno::NOSYS) => self.swap_in_steps(),
            swapped => Ok(swapped?),
        }
    }

    /// Where the file system cannot exchange two names.
    fn swap_in_steps(&self) -> io::Result<()> {
        let between = self.building.with_extension("old");
        if self.standing == Standing::Old {
            fs::rename(&self.data, &between)?;
        }
        fs::rename(&self.building, &self.data)?;
        if self.standing == Standing::Old {
            fs::rename(&between, &self.building)?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.done {
            // What is left is taken away by the next restore.
            let _ = fs::remove_dir_all(&self.building);
        }
    }
}

fn standing(data: &Path) -> Result<Standing> {
    match fs::read_dir(data) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        Err(e) => Err(e).with_context(|| format!("read {}", data.display())),
        Ok(mut names) => Ok(match names.next() {
            None => Standing::Empty,
            Some(_) => Standing::Old,
        }),
    }
}

/// Work that goes on although nobody serves would meet the restored jobs in their own seats.
fn nobody_at_work(data: &Path) -> Result<()> {
    let seats = seats_at_work().context("looked for work that goes on")?;
    let mut ours = seats
        .iter()
        .filter(|s| data.join(SEATS).join(s.uid.as_str()).is_dir());
    match ours.next() {
        None => Ok(()),
        Some(seat) => bail!(
            "job {} is at work from {}, also while nobody serves; serve once more and end it \
             (`sandbox suspend` or `sandbox cancel`), then restore",
            seat.uid,
            data.display()
        ),
    }
}

fn split(data: &Path) -> Result<(&Path, &str)> {
    let name = data.file_name().and_then(|n| n.to_str());
    match (data.parent(), name) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(anyhow!(
            "{} cannot be a data folder; name another with --data-dir",
            data.display()
        )),
    }
}

fn aside(data: &Path) -> PathBuf {
    let at = Timestamp::now().strftime("%Y%m%dT%H%M%S%6f");
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".replaced-{at}"));
    PathBuf::from(name)
}

/// Removes what a killed restore has left. Without its mark it may be an old data folder whose place the
/// new one has taken already: that one is kept.
fn clear(building: &Path, data: &Path) -> Result<()> {
    if building.symlink_metadata().is_err() {
        return Ok(());
    }
    if !building.join(MARKER).exists() {
        fs::rename(building, aside(data))?;
        return Ok(());
    }
    let _lock = lock(building).context("another restore is under way")?;
    fs::remove_dir_all(building).with_context(|| format!("removed {}", building.display()))
}

/// The folder itself goes last: until then nobody but us can enter it and put a link in a file's place.
fn give(path: &Path, owner: (u32, u32)) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    lchown(path, Some(owner.0), Some(owner.1))
}

/// What no backup holds stays in use: workspaces, settings, sockets, and keys unless the backup has them.
fn carry_over(from: &Path, to: &Path, with_keys: bool) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        let of_a_backup = text.starts_with(JOBS)
            || text.starts_with(MEMORY)
            || [SEATS, ARTIFACTS, "lock"].contains(&&*text)
            || (with_keys && text == SECRETS);
        let there = to.join(&name);
        if !of_a_backup && there.symlink_metadata().is_err() {
            fs::rename(from.join(&name), &there)
                .with_context(|| format!("took {text} over from {}", from.display()))?;
        }
    }
    Ok(())
}
