//! Runs tmux commands: argv only, on one private socket, in a clean environment, each with a time
//! limit, its errors told apart by what tmux writes. Knows tmux and nothing of seats.
//!
//! `tmux_interface` builds the commands and is confined to this module's callers as an argument
//! builder: its own runner blocks, and takes a failed command for a success.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use sandbox_core::{FailureClass, port::PortError};
use tmux_interface::{TmuxCommand, TmuxCommands};
use tokio::process::Command;

use super::version;

/// Why tmux did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TmuxError {
    /// There is no tmux on this machine.
    #[error("run tmux: it is not on the PATH; {}", version::REMEDY)]
    Missing,
    /// It lacks what is needed.
    #[error("use tmux: `{0}` is too old; {remedy}", remedy = version::REMEDY)]
    TooOld(String),
    /// No server listens on the socket.
    #[error("reach the tmux server: none is running")]
    NoServer,
    /// The server is there and holds nothing.
    #[error("look at the tmux server: it has no session")]
    Empty,
    /// A session has this name already.
    #[error("start a tmux session: `{0}` exists already")]
    Duplicate(String),
    /// The target is not there.
    #[error("find the tmux session or pane `{0}`: it is not there")]
    NotFound(String),
    /// The server went away in the middle; what it did before is not known.
    #[error("run tmux: the server went away: {0}")]
    Lost(String),
    /// The server said no before anything was started.
    #[error("start a tmux session: {0}")]
    Refused(String),
    /// No answer in time.
    #[error("run tmux: no answer within {0:?}")]
    Timeout(Duration),
    /// Anything else.
    #[error("run tmux: {0}")]
    Other(String),
}

impl From<TmuxError> for PortError {
    fn from(e: TmuxError) -> Self {
        match e {
            TmuxError::Missing | TmuxError::TooOld(_) | TmuxError::Refused(_) => {
                Self::refused(FailureClass::Infrastructure, e.to_string())
            }
            e => Self::Unknown(e.to_string()),
        }
    }
}

/// A tmux client for one socket.
#[derive(Clone, Debug)]
pub(super) struct Tmux {
    pub(super) socket: PathBuf,
    pub(super) conf: PathBuf,
    pub(super) limit: Duration,
}

impl Tmux {
    /// The words that choose socket and configuration; the command's words follow.
    pub(super) fn prefix(&self) -> Vec<OsString> {
        let words: [OsString; 5] = [
            "tmux".into(),
            "-S".into(),
            self.socket.clone().into(),
            "-f".into(),
            self.conf.clone().into(),
        ];
        words.into()
    }

    /// Runs commands in one call, the next only when the one before was done; gives what they
    /// print. Nothing of our environment goes along but `env` (a server that is started by the
    /// call would keep it).
    pub(super) async fn run_with(
        &self,
        commands: TmuxCommands<'_>,
        env: impl IntoIterator<Item = (&String, &String)>,
    ) -> Result<String, TmuxError> {
        let mut argv = self.prefix();
        argv.extend(commands.to_vec().iter().map(|w| OsString::from(&**w)));
        let mut command = command(argv);
        command.envs(env);
        read(&output(command, self.limit).await?)
    }

    /// As [`Tmux::run_with`], with no environment but the clean one.
    pub(super) async fn run(&self, commands: TmuxCommands<'_>) -> Result<String, TmuxError> {
        self.run_with(commands, []).await
    }

    /// As [`Tmux::run`], for one command.
    pub(super) async fn one(&self, command: TmuxCommand<'_>) -> Result<String, TmuxError> {
        self.run(TmuxCommands::new().cmd(command)).await
    }

    /// Refuses a tmux that is too old.
    pub(super) async fn check_version(&self) -> Result<(), TmuxError> {
        let command = command(["tmux".into(), "-V".into()]);
        let text = read(&output(command, self.limit).await?)?;
        if version::will_do(&text) {
            Ok(())
        } else {
            Err(TmuxError::TooOld(text.trim().to_owned()))
        }
    }
}

/// A word as tmux is to take it: a `;` at the end of an argument would end the command there.
pub(super) fn word(text: &str) -> String {
    match text.strip_suffix(';') {
        Some(start) => format!("{start}\\;"),
        None => text.to_owned(),
    }
}

/// The environment of everything that is started here: nothing of the caller's but where programs
/// and the home are.
pub(super) fn clean_env() -> Vec<(OsString, OsString)> {
    let or = |name: &str, other: &str| std::env::var_os(name).unwrap_or_else(|| other.into());
    vec![
        ("PATH".into(), or("PATH", "/usr/local/bin:/usr/bin:/bin")),
        ("HOME".into(), or("HOME", "/")),
        ("LANG".into(), "C.UTF-8".into()),
        ("TERM".into(), "xterm-256color".into()),
        ("SHELL".into(), "/bin/sh".into()),
    ]
}

/// A program in the clean environment, out of reach of the terminal's signals.
pub(super) fn command(argv: impl IntoIterator<Item = OsString>) -> Command {
    let mut words = argv.into_iter();
    let mut command = Command::new(program(words.next().unwrap_or_default()));
    command
        .args(words)
        .env_clear()
        .envs(clean_env())
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Where the program of this name stands. A child that has to look for it itself, in a `PATH` that
/// is not ours, begins as a copy of our whole memory map (`fork`, and not `posix_spawn`), which costs
/// more than all that tmux does.
fn program(name: OsString) -> OsString {
    let found = std::env::var_os("PATH").and_then(|path| {
        let mut places = std::env::split_paths(&path).map(|folder| folder.join(&name));
        places.find(|place| is_program(place))
    });
    found.map_or(name, PathBuf::into_os_string)
}

fn is_program(path: &Path) -> bool {
    let execute = rustix::fs::Access::EXEC_OK;
    path.is_file() && rustix::fs::access(path, execute).is_ok()
}

/// Runs a program to its end, or to the end of our patience.
pub(super) async fn output(mut command: Command, limit: Duration) -> Result<Output, TmuxError> {
    match tokio::time::timeout(limit, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => Err(TmuxError::Missing),
        Ok(Err(e)) => Err(TmuxError::Other(e.to_string())),
        Err(_) => Err(TmuxError::Timeout(limit)),
    }
}

/// What a tmux client printed, or why it failed.
pub(super) fn read(output: &Output) -> Result<String, TmuxError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    if let Some(signal) = output.status.signal() {
        return Err(TmuxError::Lost(format!(
            "its client ended by signal {signal}"
        )));
    }
    Err(classify(&String::from_utf8_lossy(&output.stderr)))
}

/// Texts of tmux 3.3 to 3.8 (`client.c`, `cmd-find.c`, `cmd-new-session.c`).
fn classify(stderr: &str) -> TmuxError {
    let text: String = stderr.trim().chars().take(300).collect();
    let after = |start: &str| {
        text.strip_prefix(start)
            .map(|t| t.trim_start_matches('=').to_owned())
    };
    let not_found = [
        "can't find session: ",
        "can't find pane: ",
        "no such session: ",
    ];
    let refused = [
        "create session failed",
        "create window failed",
        "command too long",
    ];
    if text.starts_with("no server running on") || is_without_socket(&text) {
        return TmuxError::NoServer;
    }
    if let Some(name) = after("duplicate session: ") {
        return TmuxError::Duplicate(name);
    }
    if let Some(name) = not_found.iter().find_map(|start| after(start)) {
        return TmuxError::NotFound(name);
    }
    match text.as_str() {
        "no current target" | "no sessions" => TmuxError::Empty,
        t if t.contains("server exited") || t.contains("lost server") => TmuxError::Lost(text),
        t if refused.iter().any(|start| t.starts_with(start)) => TmuxError::Refused(text),
        _ => TmuxError::Other(text),
    }
}

/// The socket's file is not there; a socket that may not be used is another matter.
fn is_without_socket(text: &str) -> bool {
    text.starts_with("error connecting to") && text.ends_with("(No such file or directory)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tmux_writes_is_told_apart() {
        let seen = |text: &str| classify(text);
        assert_eq!(seen("no server running on /run/s\n"), TmuxError::NoServer);
        let gone = "error connecting to /run/s (No such file or directory)";
        assert_eq!(seen(gone), TmuxError::NoServer);
        let shut = "error connecting to /run/s (Permission denied)";
        assert!(matches!(seen(shut), TmuxError::Other(_)));
        assert_eq!(
            seen("duplicate session: aj-1"),
            TmuxError::Duplicate("aj-1".into())
        );
        assert_eq!(
            seen("can't find session: aj-1"),
            TmuxError::NotFound("aj-1".into())
        );
        assert_eq!(
            seen("no such session: =aj-1"),
            TmuxError::NotFound("aj-1".into())
        );
        assert_eq!(seen("no current target"), TmuxError::Empty);
        assert!(matches!(
            seen("server exited unexpectedly"),
            TmuxError::Lost(_)
        ));
        assert!(matches!(seen("lost server"), TmuxError::Lost(_)));
        assert!(matches!(
            seen("create window failed: fork failed"),
            TmuxError::Refused(_)
        ));
    }

    #[test]
    fn a_refusal_is_definite_and_a_silence_is_not() {
        let refused = [TmuxError::Missing, TmuxError::TooOld("tmux 2.9".into())];
        for e in refused {
            assert!(matches!(PortError::from(e), PortError::Refused(_)));
        }
        let unknown = [
            TmuxError::Timeout(Duration::ZERO),
            TmuxError::Lost(String::new()),
        ];
        for e in unknown {
            assert!(matches!(PortError::from(e), PortError::Unknown(_)));
        }
    }

    #[tokio::test]
    async fn a_machine_without_tmux_says_how_to_get_it() {
        let run = output(command(["no-such-tmux".into()]), Duration::from_secs(5)).await;
        let answer = run.map_err(PortError::from);
        let told =
            |e: PortError| matches!(&e, PortError::Refused(f) if f.message.contains("install"));
        assert!(answer.is_err_and(told));
    }

    #[test]
    fn a_word_that_ends_in_a_semicolon_stays_one_word() {
        assert_eq!(word("/data;"), "/data\\;");
        assert_eq!(word("a;b"), "a;b");
    }
}
