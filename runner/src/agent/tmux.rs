//! The farm's own tmux server: one window per agent, on a socket of its own, so that ending the
//! server ends them all and no other tmux is touched.
//!
//! `tmux_interface` puts the commands together; they are run here, as argument lists, each with a
//! time limit. What is asked of the server never holds a word of a job.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sandbox_core::{Failure, FailureClass};
use tmux_interface::{
    DisplayMessage, KillServer, ListPanes, LoadBuffer, NewSession, NewWindow, PasteBuffer,
    PipePane, SendKeys, TmuxCommand, TmuxCommands,
};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{desk::Desk, process::SEAT_VARIABLE, seed::quoted};

/// The session's name; `sandbox attach` knows it.
pub const SESSION: &str = "farm";
/// The socket's name in the seat's folder; `sandbox attach` knows it.
const SOCKET: &str = "agents.sock";
/// The longest path of a socket (`sockaddr_un`), less its final zero.
const SOCKET_LIMIT: usize = 107;
/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The fields of a pane, divided by what none of them holds.
const FORMAT: &str = "#{pane_id}|#{pane_pid}|#{pid}|#{pane_dead_status}|#{pane_dead_signal}";

/// Options of tmux 3.3 to 3.8. A window keeps its size while nobody looks; a pane stays when its
/// program ends, so that the exit code can be read.
const CONF: &str = "# Written by the sandbox; changes are lost.\n\
    set -s exit-empty off\n\
    set -s set-clipboard off\n\
    set -s escape-time 10\n\
    set -g destroy-unattached off\n\
    set -g update-environment \"\"\n\
    set -g default-shell /bin/sh\n\
    set -g default-terminal screen-256color\n\
    set -g default-size 160x50\n\
    set -g history-limit 5000\n\
    set -g bell-action none\n\
    set -g set-titles off\n\
    set -wg remain-on-exit on\n\
    set -wg allow-rename off\n\
    set -wg automatic-rename off\n";

/// Why tmux did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TmuxError {
    /// There is no tmux here.
    #[error("run tmux: it is not on the PATH; install it (`sandbox doctor` says which)")]
    Missing,
    /// No server listens.
    #[error("reach the agents' tmux server: none is running")]
    NoServer,
    /// No answer in time.
    #[error("run tmux: no answer within {} s", LIMIT.as_secs())]
    Timeout,
    /// It says no.
    #[error("run tmux: {0}")]
    Refused(String),
    /// It cannot be run.
    #[error("run tmux: {0}")]
    Io(#[from] io::Error),
}

impl TmuxError {
    /// The failure of the job: the place's, always.
    pub fn failure(&self) -> Failure {
        Failure::new(FailureClass::Infrastructure, self.to_string())
    }
}

/// What tmux shows of one pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pane {
    /// The process that was started in it.
    pub pid: u32,
    /// The server that has to take note of its end.
    server: u32,
    /// Its exit code, where tmux knows it.
    pub code: Option<i32>,
    /// The signal that ended it, where tmux knows it.
    pub signal: Option<i32>,
}

impl Pane {
    /// Tells the server to take note of the ends of its programs. tmux 3.3a loses the kernel's own
    /// signal now and then, and would wait for the next one.
    pub fn remind(&self) {
        let server = i32::try_from(self.server).ok().and_then(Pid::from_raw);
        if let Some(server) = server {
            // A server that is gone meanwhile has nothing to note.
            let _ = kill_process(server, Signal::CHILD);
        }
    }
}

/// The agents' tmux server.
#[derive(Clone, Debug)]
pub struct Terminals {
    socket: PathBuf,
    conf: PathBuf,
    seat: String,
}

impl Terminals {
    /// The server of this seat. Writes its configuration and starts nothing yet.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prepare(seat_dir: &Path, seat: &str) -> io::Result<Self> {
        let conf = seat_dir.join("agents.conf");
        std::fs::write(&conf, CONF)?;
        let (socket, seat) = (socket(seat_dir, seat)?, seat.to_owned());
        Ok(Self { socket, conf, seat })
    }

    /// Opens the window of an agent and starts `program launch` in it. The first one starts the
    /// server. Gives the pane's id.
    ///
    /// # Errors
    /// tmux is missing, does not answer, or says no.
    pub async fn open(
        &self,
        desk: &Desk,
        program: &Path,
        log_limit: u64,
    ) -> Result<String, TmuxError> {
        let name = desk.name();
        let mut window = if desk.number == 1 {
            let new = NewSession::new()
                .detached()
                .session_name(SESSION)
                .window_name(name.as_str());
            new.width(160)
                .height(50)
                .print()
                .format("#{pane_id}")
                .build()
        } else {
            let new = NewWindow::new()
                .detached()
                .window_name(name.as_str())
                .target_window(format!("={SESSION}:"));
            new.print().format("#{pane_id}").build()
        };
        launch_words(&mut window, desk, program)?;
        let target = format!("={SESSION}:={name}");
        let pipe = PipePane::new()
            .open()
            .target_pane(target)
            .shell_command(keep_command(desk, program, log_limit)?);
        let words = TmuxCommands::new().cmd(window).cmd(pipe.build());
        Ok(self.run(words, None).await?.trim().to_owned())
    }

    /// All panes by their ids. A server that is not there has none.
    ///
    /// # Errors
    /// tmux does not answer.
    pub async fn panes(&self) -> Result<HashMap<String, Pane>, TmuxError> {
        match self
            .one(ListPanes::new().all().format(FORMAT).build())
            .await
        {
            Ok(text) => Ok(text.lines().filter_map(pane).collect()),
            Err(TmuxError::NoServer) => Ok(HashMap::new()),
            Err(e) => Err(e),
        }
    }

    /// Pastes a text into a pane as one piece, without Enter. A pane that a person has scrolled back
    /// would swallow keys, so it is brought to its end first.
    ///
    /// # Errors
    /// The pane is gone, or tmux says no.
    pub async fn paste(&self, pane: &str, text: &str) -> Result<(), TmuxError> {
        let look = DisplayMessage::new()
            .print()
            .target_pane(pane)
            .message("#{pane_in_mode}");
        if self.one(look.build()).await?.trim() != "0" {
            let leave = SendKeys::new().copy_mode().target_pane(pane).key("cancel");
            self.one(leave.build()).await?;
        }
        let buffer = format!("to-{}", pane.trim_start_matches('%'));
        let load = LoadBuffer::new()
            .buffer_name(buffer.as_str())
            .path("-")
            .build();
        let paste = PasteBuffer::new()
            .delete()
            .bracket_codes()
            .buffer_name(buffer.as_str())
            .target_pane(pane);
        let words = TmuxCommands::new().cmd(load).cmd(paste.build());
        self.run(words, Some(text.as_bytes())).await.map(drop)
    }

    /// Presses Enter in a pane.
    ///
    /// # Errors
    /// The pane is gone, or tmux says no.
    pub async fn enter(&self, pane: &str) -> Result<(), TmuxError> {
        let enter = SendKeys::new().target_pane(pane).key("Enter");
        self.one(enter.build()).await.map(drop)
    }

    /// Ends the server and every window. One that is not there is ended.
    ///
    /// # Errors
    /// tmux does not answer.
    pub async fn end(&self) -> Result<(), TmuxError> {
        match self.one(KillServer::new().build()).await {
            Ok(_) | Err(TmuxError::NoServer) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn one(&self, command: TmuxCommand<'_>) -> Result<String, TmuxError> {
        self.run(TmuxCommands::new().cmd(command), None).await
    }

    /// Runs commands in one call. A server that the call starts keeps its environment: it is clean
    /// but for the seat's mark, by which everything that comes of it is found.
    pub(super) async fn run(
        &self,
        commands: TmuxCommands<'_>,
        input: Option<&[u8]>,
    ) -> Result<String, TmuxError> {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut command = Command::new("tmux");
        command
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("SHELL", "/bin/sh");
        command
            .env("TERM", "xterm-256color")
            .env(SEAT_VARIABLE, &self.seat);
        command
            .arg("-S")
            .arg(&self.socket)
            .arg("-f")
            .arg(&self.conf);
        command.args(commands.to_vec().iter().map(|w| &**w));
        command.current_dir("/").process_group(0).kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let done = tokio::time::timeout(LIMIT, output(command, input.unwrap_or_default()));
        let output = match done.await.map_err(|_| TmuxError::Timeout)? {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(TmuxError::Missing),
            output => output?,
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(refused(&String::from_utf8_lossy(&output.stderr)))
    }
}

async fn output(mut command: Command, input: &[u8]) -> io::Result<std::process::Output> {
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may be over before it is written to.
        let _ = stdin.write_all(input).await;
    }
    child.wait_with_output().await
}

/// Texts of tmux 3.3 to 3.8.
fn refused(stderr: &str) -> TmuxError {
    let text: String = stderr.trim().chars().take(300).collect();
    let none = [
        "no server running on",
        "error connecting to",
        "server exited",
        "lost server",
    ];
    if none.iter().any(|start| text.contains(start)) || text == "no sessions" {
        TmuxError::NoServer
    } else {
        TmuxError::Refused(text)
    }
}

fn pane(line: &str) -> Option<(String, Pane)> {
    let fields: Vec<&str> = line.split('|').collect();
    let [id, pid, server, code, signal] = fields[..] else {
        return None;
    };
    let pane = Pane {
        pid: pid.parse().ok()?,
        server: server.parse().ok()?,
        code: code.parse().ok(),
        signal: signal.parse().ok(),
    };
    Some((id.to_owned(), pane))
}

/// Where the socket stands: in the seat's folder, or behind a short link when that path is too long.
fn socket(seat_dir: &Path, seat: &str) -> io::Result<PathBuf> {
    let near = seat_dir.join(SOCKET);
    if near.as_os_str().len() <= SOCKET_LIMIT {
        return Ok(near);
    }
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!(
        "sandbox-{user}-{}",
        &super::hook::fingerprint(seat)[..16]
    ));
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(&folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::symlink_metadata(&folder)?);
    if owner != user {
        return Err(io::Error::other(
            "the folder for the agents' socket is another user's",
        ));
    }
    let socket = folder.join(SOCKET);
    // People look in the seat's folder; a link that is there already is the same.
    let _ = std::os::unix::fs::symlink(&socket, near);
    Ok(socket)
}

/// What tmux runs by a shell to keep what a terminal shows: this program. tmux expands formats and
/// times in it first.
pub(super) fn keep_command(desk: &Desk, program: &Path, limit: u64) -> io::Result<String> {
    let (program, seat) = (quoted(program)?, quoted(desk.seat())?);
    let command = format!("exec {program} keep {seat} {} {limit}", desk.number);
    Ok(command.replace('#', "##").replace('%', "%%"))
}

/// What a pane runs: `program launch`.
pub(super) fn launch_words(
    window: &mut TmuxCommand<'_>,
    desk: &Desk,
    program: &Path,
) -> io::Result<()> {
    window
        .push_param("--")
        .push_param(word(text(program)?))
        .push_param("launch");
    window
        .push_param(word(text(desk.seat())?))
        .push_param(desk.number.to_string());
    Ok(())
}

fn text(path: &Path) -> io::Result<&str> {
    let odd = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is not UTF-8", path.display()),
        )
    };
    path.to_str().ok_or_else(odd)
}

/// A word as tmux is to take it: a `;` at its end would end the command there.
fn word(text: &str) -> String {
    match text.strip_suffix(';') {
        Some(start) => format!("{start}\\;"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::process::{SEAT_VARIABLE, carriers, end_seat};

    /// A server of a test's own. Ends with it, also when the test fails.
    impl Drop for Rig {
        fn drop(&mut self) {
            for process in carriers(&format!("{SEAT_VARIABLE}={}", self.seat)) {
                process.signal(Signal::KILL);
            }
        }
    }

    /// A server with one agent that runs this script.
    struct Rig {
        folder: tempfile::TempDir,
        terminals: Terminals,
        seat: String,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let seat = format!("{}/1", uuid::Uuid::new_v4());
            let terminals = Terminals::prepare(folder.path(), &seat).unwrap();
            Self {
                folder,
                terminals,
                seat,
            }
        }

        /// A stand-in for `sandbox launch` that runs a script.
        async fn open(&self, number: u32, script: &str) -> (Desk, String) {
            let desk = Desk::new(self.folder.path(), number);
            desk.make().unwrap();
            let program = self.folder.path().join(format!("program-{number}"));
            let keep = "[ \"$1\" = keep ] && exec cat >>\"$2/agents/$3/terminal.log\"";
            std::fs::write(&program, format!("#!/bin/sh\n{keep}\n{script}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&program, mode).unwrap();
            let pane = self.terminals.open(&desk, &program, 1 << 20).await.unwrap();
            (desk, pane)
        }

        async fn until<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
            for _ in 0..3000 {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("never seen");
        }
    }

    #[tokio::test]
    async fn windows_start_their_program_and_keep_its_exit_code() {
        let rig = Rig::new();
        let (_, first) = rig.open(1, "exit 7").await;
        let (_, second) = rig.open(2, "exec sleep 600").await;
        let code = rig
            .until(async || rig.terminals.panes().await.unwrap()[&first].code)
            .await;
        assert_eq!(code, 7);
        let panes = rig.terminals.panes().await.unwrap();
        assert_eq!((panes[&second].code, panes[&second].signal), (None, None));
        rig.terminals.end().await.unwrap();
        rig.terminals.end().await.unwrap();
        assert!(rig.terminals.panes().await.unwrap().is_empty());
        assert!(end_seat(&rig.seat).await);
    }

    #[tokio::test]
    async fn a_paste_arrives_whole_and_what_it_shows_is_kept() {
        let rig = Rig::new();
        let out = rig.folder.path().join("out");
        let script = format!(
            "stty raw -echo; printf '\\033[?2004hup'; exec head -c 24 >'{}'",
            out.display()
        );
        let (desk, pane) = rig.open(1, &script).await;
        let shown = async || {
            std::fs::read_to_string(desk.terminal())
                .ok()
                .filter(|t| t.contains("up"))
        };
        rig.until(shown).await;
        rig.terminals.paste(&pane, "a;b\n#{x} $y").await.unwrap();
        rig.terminals.enter(&pane).await.unwrap();
        let arrived = async || std::fs::read(&out).ok().filter(|b| b.len() == 24);
        assert_eq!(
            rig.until(arrived).await,
            b"\x1b[200~a;b\r#{x} $y\x1b[201~\r"
        );
        rig.terminals.end().await.unwrap();
        assert!(end_seat(&rig.seat).await);
    }

    #[test]
    fn a_path_that_tmux_would_expand_is_kept() {
        let desk = Desk::new(Path::new("/d/#{x}/%H/it's"), 1);
        let command = keep_command(&desk, Path::new("/bin/sandbox"), 10).unwrap();
        let expected = r"exec '/bin/sandbox' keep '/d/##{x}/%%H/it'\''s' 1 10";
        assert_eq!(command, expected);
    }
}
