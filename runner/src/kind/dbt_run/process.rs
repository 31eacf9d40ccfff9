//! A program in a process group of its own, and the pumps that carry its output away. Nothing of
//! the group outlives its [`Group`].

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    task::JoinHandle,
};

use super::output::{Tail, plain};
use crate::exec::log::Log;

/// Largest file of one stream, in bytes.
const MAX_FILE: usize = 10 * 1024 * 1024;
/// Longest line that is put together, in bytes; a longer one counts as several.
const MAX_LINE: usize = 8 * 1024;
/// How long output may still come in after the program and its group are gone.
const DRAIN: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Its exit code, unless a signal ended it.
    pub(super) code: Option<i32>,
    signal: Option<i32>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "ended with exit code {code}"),
            (None, Some(signal)) => write!(f, "was ended by signal {signal}"),
            (None, None) => f.write_str("ended"),
        }
    }
}

/// A program and all that it begins.
pub(super) struct Group {
    child: Child,
    pid: Option<Pid>,
}

impl Group {
    /// Starts this argument list in this folder.
    pub(super) fn start(argv: &[String], folder: &Path) -> io::Result<Self> {
        let Some((program, rest)) = argv.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let child = Command::new(program)
            .args(rest)
            .current_dir(folder)
            .env("DBT_USE_COLORS", "false")
            .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw);
        Ok(Self { child, pid })
    }

    /// Carries both streams into their sinks until they end.
    pub(super) fn pump(&mut self, out: Sink, err: Sink) -> Pumps {
        Pumps {
            out: Pump::start(self.child.stdout.take(), out),
            err: Pump::start(self.child.stderr.take(), err),
        }
    }

    /// Waits for the program.
    pub(super) async fn ended(&mut self) -> io::Result<Ended> {
        let status = self.child.wait().await?;
        Ok(Ended {
            code: status.code(),
            signal: status.signal(),
        })
    }

    /// Asks the group to end, waits for the program, and ends whatever is left.
    pub(super) async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // Whether it ended by itself or not: nothing of it may go on.
        let _ = tokio::time::timeout(grace, self.child.wait()).await;
        self.kill();
        let _ = self.child.wait().await;
    }

    /// Ends the group at once. The number stays the group's own as long as any of it lives, so
    /// this is to follow the program's end without delay; a second call does nothing.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.pid = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // Nobody left to be told is what was wanted.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The tasks that carry the output.
pub(super) struct Pumps {
    out: Pump,
    err: Pump,
}

impl Pumps {
    /// Waits for the rest of the output and gives the last lines of both streams. A process that
    /// left the group may hold a stream open: the wait is bounded, what it says later is lost.
    pub(super) async fn finish(self) -> (Tail, Tail) {
        tokio::join!(self.out.finish(), self.err.finish())
    }
}

struct Pump {
    task: JoinHandle<()>,
    sink: Arc<Mutex<Sink>>,
}

impl Pump {
    fn start(stream: Option<impl AsyncRead + Unpin + Send + 'static>, sink: Sink) -> Self {
        let sink = Arc::new(Mutex::new(sink));
        let task = tokio::spawn(carry(stream, Arc::clone(&sink)));
        Self { task, sink }
    }

    async fn finish(mut self) -> Tail {
        let _ = tokio::time::timeout(DRAIN, &mut self.task).await;
        self.task.abort();
        lock(&self.sink).finish()
    }
}

fn lock(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a stream goes: its file, the seat's log, its last lines.
pub(super) struct Sink {
    file: File,
    left: usize,
    log: Arc<Log>,
    line: Vec<u8>,
    tail: Tail,
}

impl Sink {
    /// A sink with a new file.
    pub(super) fn create(path: &Path, lines: usize, log: Arc<Log>) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            left: MAX_FILE,
            log,
            line: Vec::new(),
            tail: Tail::new(lines),
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        let some = &bytes[..bytes.len().min(self.left)];
        self.left -= some.len();
        // The run goes on without its file: a full disk must not end it halfway.
        let _ = self.file.write_all(some);
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= MAX_LINE {
                self.line_ended();
            }
        }
    }

    fn line_ended(&mut self) {
        let line = plain(&std::mem::take(&mut self.line));
        self.log.line(&line);
        self.tail.push(&line);
    }

    fn finish(&mut self) -> Tail {
        if !self.line.is_empty() {
            self.line_ended();
        }
        self.tail.clone()
    }
}

async fn carry(stream: Option<impl AsyncRead + Unpin>, sink: Arc<Mutex<Sink>>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        lock(&sink).take(&buffer[..n]);
    }
}
