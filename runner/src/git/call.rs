//! One call of git: a clean environment, a process group of its own, bounded output, a time limit.
//! When the call is given up, the whole group goes with it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use super::trouble::{GitError, redact};

/// The most that is kept of what git prints.
const OUTPUT: u64 = 8 << 20;
/// The most that is kept of what git complains about.
const COMPLAINT: u64 = 32 << 10;
/// How long a call on this machine may take.
pub(super) const LOCAL: Duration = Duration::from_mins(5);
/// The most that a clone may take on the disk when nobody says, in bytes.
const CLONE: u64 = 4 << 30;
/// How long a call to a remote may take when nobody says.
const REMOTE: Duration = Duration::from_mins(30);

/// What holds for every call, whatever a repository's own configuration says. It may be an agent's
/// work, and git can be configured to run programs.
const FIXED: [&str; 16] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=true",
    "sequence.editor=true",
    "core.attributesFile=/dev/null",
    "credential.helper=",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "rebase.autoStash=false",
    "rebase.autoSquash=false",
    "rebase.updateRefs=false",
    "http.sslVerify=true",
    "protocol.ext.allow=never",
];

/// Who a commit is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address; it need not be one that receives.
    pub email: String,
}

impl Identity {
    /// The variables by which git, also an agent's own, takes this identity.
    pub fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("GIT_AUTHOR_NAME", &self.name),
            ("GIT_AUTHOR_EMAIL", &self.email),
            ("GIT_COMMITTER_NAME", &self.name),
            ("GIT_COMMITTER_EMAIL", &self.email),
        ]
    }
}

/// What remotes may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most that a clone may take on the disk, in bytes.
    pub bytes: u64,
    /// How long one call to a remote may take.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: CLONE,
            time: REMOTE,
        }
    }
}

/// Git on this machine.
#[derive(Clone, Debug)]
pub struct Git {
    /// Where git finds no file of the user: neither settings nor passwords.
    home: PathBuf,
    /// Set for every process, so that it is known what it was begun for.
    marks: Vec<(OsString, OsString)>,
    /// Whether repositories of this machine may be cloned by `file://`.
    pub(super) file_urls: bool,
    /// What remotes may cost.
    pub(super) bounds: Bounds,
}

/// One call that is being put together.
pub(super) struct Call<'a> {
    git: &'a Git,
    command: Command,
    what: &'a str,
    limit: Duration,
}

impl Git {
    /// Git with this empty folder as its home; every process carries these variables.
    pub fn new(home: &Path, marks: &[(&str, &str)], file_urls: bool) -> Self {
        let marks = marks.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Self {
            home: home.to_owned(),
            marks: marks.collect(),
            file_urls,
            bounds: Bounds::default(),
        }
    }

    /// The same with other bounds.
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// A call in this folder; `what` says for people what it is for.
    pub(super) fn call<'a>(&'a self, folder: &Path, what: &'a str) -> Call<'a> {
        let mut command = Command::new("git");
        command.current_dir(folder).env_clear();
        command.envs(self.environment());
        let file = if self.file_urls { "always" } else { "never" };
        command.args(["-c", &format!("protocol.file.allow={file}")]);
        for fixed in FIXED {
            command.args(["-c", fixed]);
        }
        Call {
            git: self,
            command,
            what,
            limit: LOCAL,
        }
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let protocols = if self.file_urls {
            "http:https:ssh:file"
        } else {
            "http:https:ssh"
        };
        let fixed = [
            ("LC_ALL", "C.UTF-8"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_EDITOR", "true"),
            ("GIT_SEQUENCE_EDITOR", "true"),
            ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
            ("GIT_ALLOW_PROTOCOL", protocols),
        ];
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("HOME".into(), self.home.clone().into()),
        ];
        let proxy = crate::exec::relay::variables().into_iter();
        all.extend(proxy.map(|(name, value)| (name.into(), value.into())));
        all.extend(fixed.map(|(k, v)| (k.into(), v.into())));
        all.extend(self.marks.iter().cloned());
        all
    }
}

impl Call<'_> {
    /// More words.
    pub(super) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    /// More environment.
    pub(super) fn envs<'e>(mut self, all: impl IntoIterator<Item = (&'e str, &'e str)>) -> Self {
        self.command.envs(all);
        self
    }

    /// Another time limit.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and gives what it printed, as text.
    ///
    /// # Errors
    /// It cannot be run, takes too long, or says that it failed.
    pub(super) async fn text(self) -> Result<String, GitError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs it and gives the one line it printed.
    pub(super) async fn line(self) -> Result<String, GitError> {
        Ok(self.text().await?.trim_end().to_owned())
    }

    /// Runs it and gives what it printed.
    pub(super) async fn bytes(self) -> Result<Vec<u8>, GitError> {
        let what = self.what.to_owned();
        let limit = self.limit;
        match tokio::time::timeout(limit, self.run()).await {
            Ok(done) => done,
            Err(_) => Err(GitError::Timeout { what, limit }),
        }
    }

    async fn run(mut self) -> Result<Vec<u8>, GitError> {
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => GitError::Missing,
            _ => GitError::Io {
                what: self.what.to_owned(),
                why: e,
            },
        };
        // A folder that is gone is no missing program, though both are "not found".
        let _ = self.git.home.metadata().map_err(failed)?;
        self.command
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = Group::of(self.command.spawn().map_err(failed)?);
        let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
        let (out, err) = tokio::join!(keep(out, OUTPUT), keep(err, COMPLAINT));
        let status = group.child.wait().await.map_err(failed)?;
        group.over();
        if status.success() {
            return Ok(out);
        }
        Err(GitError::Failed {
            what: self.what.to_owned(),
            said: redact(&String::from_utf8_lossy(&err)),
        })
    }
}

/// Reads a stream to its end and keeps its beginning.
async fn keep(stream: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return kept;
    };
    // A stream that breaks ends here as well; the exit code tells of what matters.
    let _ = (&mut stream).take(most).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    kept
}

/// A process and the transports that it starts.
struct Group {
    child: Child,
    pid: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            child,
            pid: id.and_then(Pid::from_raw),
        }
    }

    /// The leader was waited for: its number may be another's from now on.
    fn over(&mut self) {
        self.pid = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // Nobody left to be told is what was wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
