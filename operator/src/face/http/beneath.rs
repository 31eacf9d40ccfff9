//! Paths that come from outside: read as text first, then opened so that neither `..` nor a link
//! leads out of the root. Everything that a request names in the file system goes through here.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use sandbox_core::Tenant;

use super::problem::Problem;

/// A path relative to a tenant's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relative {
    /// The path; `.` for the root itself.
    pub path: String,
    /// Whether it was named beneath the folder of all tenants, as the old API had it.
    from_common_root: bool,
}

impl Relative {
    /// What to tell somebody whose path was read in another place than it seems.
    pub fn moved(&self, field: &str) -> Option<String> {
        let text = || {
            format!(
                "{field} was read as {} beneath the tenant's own folder",
                self.path
            )
        };
        self.from_common_root.then(text)
    }
}

/// Makes a path relative to the tenant's root: `<workspace>/<tenant>`. An absolute one must lie
/// beneath it; of the tenant `default`, who had no folder of its own, `<workspace>` counts too.
pub(super) fn relative(workspace: &Path, tenant: &Tenant, text: &str) -> Result<Relative, String> {
    let path = Path::new(text);
    if text.is_empty() || text.contains('\0') {
        return Err("must name a path".to_owned());
    }
    if !path.is_absolute() {
        return plain(path, false);
    }
    let own = workspace.join(tenant.as_str());
    if let Ok(rest) = path.strip_prefix(&own) {
        return plain(rest, false);
    }
    match path.strip_prefix(workspace) {
        Ok(rest) if *tenant == Tenant::default_tenant() => plain(rest, true),
        _ => Err(
            "must lie beneath the tenant's folder of the workspace (WORKSPACE_DIR): name it \
             relative to that folder, such as my-project"
                .to_owned(),
        ),
    }
}

fn plain(path: &Path, from_common_root: bool) -> Result<Relative, String> {
    let mut kept = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => kept.push(name),
            Component::CurDir => {}
            _ => return Err("must not contain ..".to_owned()),
        }
    }
    if kept.as_os_str().is_empty() {
        kept.push(".");
    }
    let path = kept.to_string_lossy().into_owned();
    Ok(Relative {
        path,
        from_common_root,
    })
}

/// A path as text that names something beneath a folder: relative, without `..`.
pub(super) fn inner(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    if text.is_empty() || text.contains('\0') || path.is_absolute() {
        return Err("must be relative".to_owned());
    }
    plain(path, false).map(|found| found.path)
}

const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What to answer when something could not be opened: outside is refused, all else is not there.
pub(super) fn not_opened(error: &io::Error, what: &str) -> Problem {
    if error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error()) {
        return outside(format!("{what} leads out of its folder"));
    }
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return outside(format!("{what} is a link that is not followed"));
    }
    Problem::not_found(format!("{what} is not there"))
}

/// A path leads where its caller may not look.
pub(super) fn outside(text: impl Into<String>) -> Problem {
    Problem::forbidden("path_outside", text.into())
}

/// Opens a folder; the kernel sees to it that no link or `..` leads out of `root`.
///
/// # Errors
/// It is not there, is no folder, or lies outside.
pub(super) fn open_dir(root: &Path, path: &str) -> io::Result<OwnedFd> {
    let root = rustix::fs::openat(CWD, root, DIR, Mode::empty())?;
    open_dir_in(&root, path)
}

/// The same beneath a folder that is open already.
///
/// # Errors
/// As [`open_dir`].
pub(super) fn open_dir_in(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat2(root, path, DIR, Mode::empty(), INSIDE)?)
}

/// Opens a file for reading in the same way. A pipe or device does not hold the caller up.
///
/// # Errors
/// As [`open_dir`].
pub(super) fn open_file_in(root: &OwnedFd, path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(openat2(
        root,
        path,
        flags,
        Mode::empty(),
        INSIDE,
    )?))
}

const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
