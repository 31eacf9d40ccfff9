//! Runs git where an agent may have written the settings: nothing of them may start a program,
//! reach the network or read another tenant's folder. Output and time are bounded.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use crate::face::http::problem::{Problem, Told};

/// Longest run.
const LONGEST: Duration = Duration::from_secs(20);
/// Largest output in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Settings that win over the repository's own.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.pager", "cat"),
    ("diff.external", ""),
    ("log.showSignature", "false"),
    ("color.ui", "false"),
    ("protocol.allow", "never"),
];

/// What a run of git gave.
pub(super) struct Ran {
    /// Whether it ended well.
    pub good: bool,
    /// What it wrote.
    pub out: Vec<u8>,
}

/// Runs git in an opened folder, whose own `.git` it uses and no other.
///
/// # Errors
/// It could not be started, took too long, or wrote too much.
pub(super) async fn git(
    folder: &OwnedFd,
    filters: &[String],
    index: Option<&Path>,
    arguments: &[&str],
) -> Told<Ran> {
    let mut command = command(folder, filters, index);
    let run = run(command.args(arguments));
    let late = || Problem::unavailable("git took too long; try again later");
    timeout(LONGEST, run).await.map_err(|_| late())?
}

async fn run(command: &mut Command) -> Told<Ran> {
    let missing = |e: std::io::Error| {
        tracing::warn!(error = %e, "git could not be run");
        Problem::unavailable("git could not be run here")
    };
    let mut child = command.spawn().map_err(missing)?;
    let mut out = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        let mut bounded = pipe.take(LARGEST + 1);
        bounded.read_to_end(&mut out).await.map_err(missing)?;
    }
    if out.len() as u64 > LARGEST {
        let text = format!("there is more than {LARGEST} bytes of it");
        return Err(Problem::invalid(text).coded("output_too_large"));
    }
    let status = child.wait().await.map_err(missing)?;
    Ok(Ran {
        good: status.success(),
        out,
    })
}

fn command(folder: &OwnedFd, filters: &[String], index: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    // The opened folder itself, whatever its name leads to by now.
    command.current_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    command.env_clear();
    command.envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("GIT_DIR", ".git"),
        ("GIT_WORK_TREE", "."),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_ALLOW_PROTOCOL", "none"),
    ]);
    let off = filters.iter().map(|name| {
        let needed = name.ends_with(".required");
        (name.as_str(), if needed { "false" } else { "" })
    });
    let settings: Vec<(&str, &str)> = SETTINGS.iter().copied().chain(off).collect();
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (n, (key, value)) in settings.into_iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{n}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{n}"), value);
    }
    command.envs(index.map(|path| ("GIT_INDEX_FILE", path)));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).kill_on_drop(true);
    command
}
