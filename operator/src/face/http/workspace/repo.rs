//! One repository beneath a tenant's root, and the few things that are asked of it.

use std::{
    fs,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::DirBuilderExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, statat};
use sandbox_core::Tenant;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use super::git::{Ran, git};
use crate::face::http::{
    app::App,
    artifacts::blocking,
    beneath::{not_opened, open_dir, open_dir_in, outside, relative},
    problem::{Problem, Told},
};

/// The tree of no files, which every git knows.
const EMPTY: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// How a diff is written, whatever the repository's settings say.
const PLAIN: &[&str] = &[
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--submodule=short",
    "--ignore-submodules=dirty",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

/// One changed file.
#[derive(Serialize, JsonSchema)]
pub(super) struct Changed {
    /// Git's letters, such as `M` or `??`.
    status: String,
    file: String,
}

/// A repository that was found to lie beneath its tenant's root, all of it.
pub(super) struct Repo<'a> {
    folder: OwnedFd,
    filters: Vec<String>,
    _turn: SemaphorePermit<'a>,
}

impl<'a> Repo<'a> {
    /// Opens a folder; `None` when it is no repository.
    ///
    /// # Errors
    /// 403 when it, or what git would read for it, lies outside; 404 when it is not there.
    pub async fn open(app: &'a App, tenant: &Tenant, path: &str) -> Told<Option<Self>> {
        let workspace = &app.services.workspace_root;
        let found = relative(workspace, tenant, path);
        let path = found.map_err(|why| outside(format!("path {why}")))?.path;
        let root = workspace.join(tenant.as_str());
        let (folder, root) = blocking(move || enter(&root, &path)).await?;
        if !has_git(&folder)? {
            return Ok(None);
        }
        let turn = app.gits.acquire().await;
        let closing = |_| Problem::unavailable("the server is closing");
        let mut repo = Self {
            folder,
            filters: Vec::new(),
            _turn: turn.map_err(closing)?,
        };
        repo.stays_beneath(&root).await?;
        repo.filters = repo.filters().await?;
        Ok(Some(repo))
    }

    /// Git reads where `.git` points to; that must be the tenant's own as well.
    async fn stays_beneath(&self, root: &Path) -> Told<()> {
        let found = self
            .text(&["rev-parse", "--absolute-git-dir", "--git-common-dir"])
            .await?;
        let here = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        let here = fs::read_link(here).map_err(|e| not_opened(&e, "path"))?;
        for line in found.lines() {
            let real = fs::canonicalize(here.join(line));
            if !real.is_ok_and(|real| real.starts_with(root)) {
                let text = "the repository keeps its data outside of the tenant's folder";
                return Err(outside(text));
            }
        }
        Ok(())
    }

    /// Filters are programs that the repository names and git would run on files it compares.
    async fn filters(&self) -> Told<Vec<String>> {
        let asked = ["config", "-z", "--name-only", "--get-regexp", "^filter[.]"];
        let found = self.run(&asked, None).await?.out;
        Ok(names(&found).collect())
    }

    async fn run(&self, arguments: &[&str], index: Option<&Path>) -> Told<Ran> {
        git(&self.folder, &self.filters, index, arguments).await
    }

    async fn good(&self, arguments: &[&str], index: Option<&Path>) -> Told<Vec<u8>> {
        let ran = self.run(arguments, index).await?;
        let text = "git cannot read this repository";
        let failed = || Problem::invalid(text).coded("git_failed");
        ran.good.then_some(ran.out).ok_or_else(failed)
    }

    async fn text(&self, arguments: &[&str]) -> Told<String> {
        let out = self.good(arguments, None).await?;
        Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
    }

    /// The last commit, or the tree of no files before the first.
    async fn base(&self) -> Told<&'static str> {
        let asked = ["rev-parse", "--verify", "--quiet", "HEAD"];
        let born = self.run(&asked, None).await?.good;
        Ok(if born { "HEAD" } else { EMPTY })
    }

    /// What changed since the last commit, as this index knows files.
    pub async fn diff(&self, index: Option<&Path>) -> Told<Vec<u8>> {
        let base = self.base().await?;
        let more: &[&str] = if index.is_some() { &["--binary"] } else { &[] };
        let arguments = [PLAIN, more, &[base, "--"]].concat();
        self.good(&arguments, index).await
    }

    /// The same with new files, which a second index is told of; the repository's own stays as it is.
    pub async fn patch(&self) -> Told<Vec<u8>> {
        let scratch = Scratch::new()?;
        let index = scratch.0.join("index");
        let own = self
            .good(&["rev-parse", "--git-path", "index"], None)
            .await?;
        let own = Path::new(std::ffi::OsStr::from_bytes(own.trim_ascii_end()));
        let here = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        // A repository without an index has no files that it knows; the second begins empty too.
        let _ = copy_of_its_age(&Path::new(&here).join(own), &index);
        let tell = ["add", "--intent-to-add", "--", "."];
        self.good(&tell, Some(&index)).await?;
        self.diff(Some(&index)).await
    }

    /// Files that git does not know and does not ignore.
    pub async fn untracked(&self) -> Told<Vec<String>> {
        let asked = ["ls-files", "--others", "--exclude-standard", "-z"];
        let out = self.good(&asked, None).await?;
        Ok(names(&out).collect())
    }

    /// The branch; `HEAD` when it is on none.
    pub async fn branch(&self) -> Told<String> {
        let ran = self
            .run(&["symbolic-ref", "--quiet", "--short", "HEAD"], None)
            .await?;
        let name = String::from_utf8_lossy(&ran.out).trim_end().to_owned();
        Ok(if ran.good { name } else { "HEAD".to_owned() })
    }

    /// Hash and subject of the last commit; empty before the first.
    pub async fn last_commit(&self) -> Told<String> {
        let asked = ["log", "-1", "--no-show-signature", "--format=%H %s"];
        let ran = self.run(&asked, None).await?;
        Ok(String::from_utf8_lossy(&ran.out).trim_end().to_owned())
    }

    /// Every file that is not as the last commit has it.
    pub async fn changed(&self) -> Told<Vec<Changed>> {
        let asked = [
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=all",
            "--ignore-submodules=dirty",
        ];
        Ok(changes(&self.good(&asked, None).await?))
    }
}

fn enter(root: &Path, path: &str) -> Told<(OwnedFd, PathBuf)> {
    let opened = open_dir(root, ".").map_err(|e| not_opened(&e, "path"))?;
    let folder = open_dir_in(&opened, path).map_err(|e| not_opened(&e, "path"))?;
    let root = fs::canonicalize(root).map_err(|e| not_opened(&e, "path"))?;
    Ok((folder, root))
}

fn has_git(folder: &OwnedFd) -> Told<bool> {
    let Ok(seen) = statat(folder, ".git", AtFlags::SYMLINK_NOFOLLOW) else {
        return Ok(false);
    };
    match FileType::from_raw_mode(seen.st_mode) {
        FileType::Directory | FileType::RegularFile => Ok(true),
        _ => Err(outside("the repository's .git is a link")),
    }
}

fn names(out: &[u8]) -> impl Iterator<Item = String> {
    let names = out.split(|b| *b == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned())
}

/// Reads `XY name`; a renamed file is followed by its old name.
fn changes(out: &[u8]) -> Vec<Changed> {
    let mut found = Vec::new();
    let mut entries = names(out);
    while let Some(entry) = entries.next() {
        let (Some(letters), Some(file)) = (entry.get(..2), entry.get(3..)) else {
            continue;
        };
        if letters.contains(['R', 'C']) {
            entries.next();
        }
        found.push(Changed {
            status: letters.trim().to_owned(),
            file: file.to_owned(),
        });
    }
    found
}

/// A folder of ours for a moment.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Told<Self> {
        let path = std::env::temp_dir().join(format!("sandbox-{}", Uuid::new_v4()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|_| Problem::unavailable("no temporary folder could be made"))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is one small file in the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// git looks into a file that changed as late as the index was written; a younger copy of the index
/// would make it trust such a file's size and time.
fn copy_of_its_age(from: &Path, to: &Path) -> std::io::Result<()> {
    let written = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    fs::File::options()
        .write(true)
        .open(to)?
        .set_modified(written)
}
