//! What a container is to find: its seat's folder, its job's artifacts, its tenant's files, copies of
//! the secrets it needs. Made before it is created, and given to the user that runs inside. Files that
//! people made are never given away.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown},
    },
    path::Path,
};

use sandbox_core::{
    Brief, FailureClass, Seat,
    port::{Answer, PortError},
    spec,
};

use super::{
    conf::{ContainerConfig, User, inside},
    create::secrets,
};
use crate::seats::files::sync;

/// The largest secret.
const SECRET: u64 = 64 << 10;

/// Makes everything that the container of this brief mounts.
pub(super) fn prepare(conf: &ContainerConfig, brief: &Brief) -> Answer<()> {
    sync::put_brief(&conf.seats, brief)?;
    let failed = |what: &'static str| {
        move |e: io::Error| {
            let text = format!("prepare the container's {what}: {e}; look at the data folder");
            PortError::refused(FailureClass::Infrastructure, text)
        }
    };
    give_seat(&sync::folder(&conf.seats, &brief.seat), conf.user).map_err(failed("seat"))?;
    let tenant = brief.tenant.as_str();
    let artifacts = conf.artifacts_root.join(tenant);
    folder(&artifacts.join(brief.seat.uid.as_str()), conf.user, 0o755)
        .map_err(failed("artifacts"))?;
    workspace(&conf.workspace_root.join(tenant), conf.user)?;
    put_secrets(conf, brief).map_err(failed("secrets"))
}

/// Takes away what only the container needed.
pub(super) fn forget(conf: &ContainerConfig, seat: &Seat) -> io::Result<()> {
    let at = secrets(conf, seat);
    remove(&at)?;
    // What a launch was putting together when it was killed.
    let begun = at.file_name().map(|name| [name.as_bytes(), b"."].concat());
    let beside = at.parent().map(fs::read_dir);
    let (Some(begun), Some(Ok(beside))) = (begun, beside) else {
        return Ok(());
    };
    for entry in beside {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(&begun) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The seat's folder holds only what we wrote, until its runner is there. Links are not followed.
fn give_seat(folder: &Path, user: User) -> io::Result<()> {
    give(folder, user)?;
    for entry in fs::read_dir(folder)? {
        give(&entry?.path(), user)?;
    }
    Ok(())
}

fn give(path: &Path, user: User) -> io::Result<()> {
    if is_theirs(&fs::symlink_metadata(path)?, user) {
        return Ok(());
    }
    lchown(path, Some(user.uid), Some(user.gid))
}

fn is_theirs(at: &fs::Metadata, user: User) -> bool {
    at.uid() == user.uid
}

/// Makes a folder with its parents; only one that was not there is given to the user.
fn folder(path: &Path, user: User, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        let mut parents = DirBuilder::new();
        parents.recursive(true).mode(0o755).create(parent)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => give(path, user),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

/// The tenant's folder, which may hold people's work: its owner stays who it is.
fn workspace(path: &Path, user: User) -> Answer<()> {
    let made = folder(path, user, 0o755).and_then(|()| fs::metadata(path));
    let at = made.map_err(|e| {
        let text = format!("make the workspace: {e}; look at WORKSPACE_DIR");
        PortError::refused(FailureClass::Infrastructure, text)
    })?;
    if may_write(&at, user) {
        return Ok(());
    }
    let text = format!(
        "use the tenant's workspace in a container: user {} may not write it, and it belongs to \
         user {}; give it over with `chown -R {}:{} <workspace>/<tenant>`",
        user.uid,
        at.uid(),
        user.uid,
        user.gid
    );
    Err(PortError::refused(FailureClass::InvalidSpec, text))
}

/// Whether this user may make files in a folder, by its mode.
fn may_write(at: &fs::Metadata, user: User) -> bool {
    let mode = at.permissions().mode();
    let bits = match () {
        () if at.uid() == user.uid => mode >> 6,
        () if at.gid() == user.gid => mode >> 3,
        () => mode,
    };
    bits & 0o3 == 0o3
}

/// Copies, because the originals are for our own user only and a container is to see no others. What another launch of
/// the seat has put there stays: a container may see it already.
fn put_secrets(conf: &ContainerConfig, brief: &Brief) -> io::Result<()> {
    let at = secrets(conf, &brief.seat);
    if at.exists() {
        return Ok(());
    }
    let whole = at.with_extension(uuid::Uuid::new_v4().simple().to_string());
    let put = fill(conf, brief, &whole).and_then(|()| fs::rename(&whole, &at));
    match put {
        Ok(()) => Ok(()),
        Err(e) => {
            remove(&whole)?;
            if at.exists() { Ok(()) } else { Err(e) }
        }
    }
}

/// Puts the copies into this folder.
fn fill(conf: &ContainerConfig, brief: &Brief, at: &Path) -> io::Result<()> {
    folder(at, conf.user, 0o700)?;
    let beneath = |path: &str| Path::new(path).file_name().map(|name| at.join(name));
    let ours = [
        (&conf.model_key, beneath(inside::MODEL_KEY)),
        (&conf.agent_token, beneath(inside::AGENT_TOKEN)),
        (&conf.prices, beneath(inside::PRICES)),
    ];
    for (from, to) in ours {
        if let (Some(from), Some(to)) = (from, to) {
            copy(from, &to, conf.user)?;
        }
    }
    let tenant = brief.tenant.as_str();
    let theirs = at.join(tenant);
    for name in spec::secrets(&brief.spec) {
        if is_plain(name) {
            folder(&theirs, conf.user, 0o700)?;
            let from = conf.secrets_root.join(tenant).join(name);
            copy(&from, &theirs.join(name), conf.user)?;
        }
    }
    Ok(())
}

/// A name that leads nowhere else. Others are left for the runner to refuse.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// A secret that is not there is the runner's to tell: it knows what it is for.
fn copy(from: &Path, to: &Path, user: User) -> io::Result<()> {
    let mut bytes = Vec::new();
    match File::open(from) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?.take(SECRET).read_to_end(&mut bytes)?,
    };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o400).open(to)?;
    file.write_all(&bytes)?;
    give(to, user)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_the_user_may_not_write_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tenant");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let stranger = User {
            uid: 54321,
            gid: 54321,
        };
        let text = workspace(&path, stranger).unwrap_err().to_string();
        assert!(text.contains("chown -R 54321:54321"), "{text}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        workspace(&path, stranger).unwrap();
    }

    #[test]
    fn a_folder_that_was_there_keeps_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let before = fs::metadata(dir.path()).unwrap().uid();
        let other = User {
            uid: before + 1,
            gid: before + 1,
        };
        folder(dir.path(), other, 0o755).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().uid(), before);
    }

    #[test]
    fn a_secret_is_copied_for_its_user_only_and_one_that_is_missing_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let me = User {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        copy(&from, &to, me).unwrap();
        assert!(!to.exists());
        fs::write(&from, "secret").unwrap();
        copy(&from, &to, me).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "secret");
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o400
        );
    }

    #[test]
    fn a_name_of_a_secret_that_leads_elsewhere_is_not_copied() {
        for name in ["../x", "a/b", ".model-key", ""] {
            assert!(!is_plain(name) || name.is_empty(), "{name}");
        }
        assert!(is_plain("forge-token"));
    }
}
