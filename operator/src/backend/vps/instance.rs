//! Which process is meant, beyond doubt: boot id, process id and start time. A process id alone
//! comes back; with its start time and the boot it does not. Both the back end and the runner use
//! this. Signals nobody.

use std::{fmt, fs, io, process, str::FromStr, sync::OnceLock};

use rustix::{
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};
use tokio::io::{Interest, unix::AsyncFd};

/// One process of one boot of this machine, written `<boot id>:<pid>:<start time>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The boot, as in `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since the boot; 0 where that was never seen.
    pub start: u64,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.boot, self.pid, self.start)
    }
}

impl FromStr for Instance {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let bad = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "not <boot id>:<pid>:<start time>",
            )
        };
        let mut parts = text.split(':');
        let (Some(boot), Some(pid), Some(start), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            boot: boot.to_owned(),
            pid: pid.parse().map_err(|_| bad())?,
            start: start.parse().map_err(|_| bad())?,
        })
    }
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The process that is to take note of its end.
    pub parent: u32,
    /// When it started, in clock ticks since the boot.
    pub start: u64,
    /// Whether anything of it still runs.
    pub running: bool,
}

/// Reads the state of a process; `None` when there is no such process.
pub(super) fn stat(pid: u32) -> io::Result<Option<Stat>> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat is odd"),
            )
        }),
        Err(e) if is_gone(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// A program's name may hold spaces and brackets, so the fields are counted after its last one.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let state = *fields.first()?;
    // The main thread may be over while others run; the kernel shows it as a zombie then.
    let threads: u32 = fields.get(17)?.parse().ok()?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        running: !matches!(state, "Z" | "X") || threads > 1,
    })
}

pub(super) fn is_gone(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// The id of this boot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn boot_id() -> io::Result<&'static str> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(id) = BOOT.get() {
        return Ok(id);
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT.get_or_init(|| id.trim().to_owned()))
}

/// The identity of a process that is there.
///
/// # Errors
/// `NotFound` when nothing runs under this id; whatever reading `/proc` gives.
pub fn instance_of(pid: u32) -> io::Result<String> {
    match stat(pid)?.filter(|s| s.running) {
        Some(Stat { start, .. }) => Ok(name(pid, start)?.to_string()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "no such process")),
    }
}

/// The identity of this process: what a runner claims its seat with.
///
/// # Errors
/// `/proc` cannot be read.
pub fn this_instance() -> io::Result<String> {
    instance_of(process::id())
}

pub(super) fn name(pid: u32, start: u64) -> io::Result<Instance> {
    let boot = boot_id()?.to_owned();
    Ok(Instance { boot, pid, start })
}

/// Whether anything of this instance runs. A zombie does not.
///
/// # Errors
/// The text is no instance of a machine like this, or `/proc` cannot be read: nothing is known.
pub fn is_alive(instance: &str) -> io::Result<bool> {
    let Instance { boot, pid, start } = instance.parse()?;
    if boot != boot_id()? {
        return Ok(false);
    }
    Ok(stat(pid)?.is_some_and(|s| s.running && s.start == start))
}

/// Waits until nothing of this instance runs, without asking again and again.
///
/// # Errors
/// As [`is_alive`]; or the kernel cannot watch a process (before Linux 5.3).
pub async fn gone(instance: &str) -> io::Result<()> {
    let this: Instance = instance.parse()?;
    if this.boot != boot_id()? {
        return Ok(());
    }
    match hold(this.pid, this.start)? {
        Some(process) => ended(process).await,
        None => Ok(()),
    }
}

/// A handle that can only ever mean this process; `None` when it is over.
pub(super) fn hold(pid: u32, start: u64) -> io::Result<Option<OwnedFd>> {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let process = match pidfd_open(raw, PidfdFlags::NONBLOCK) {
        // The second: the id went to a thread of some process.
        Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
        opened => opened?,
    };
    // Only now: between a look and the handle the id could have gone to another process.
    let same = stat(pid)?.is_some_and(|s| s.running && s.start == start);
    Ok(same.then_some(process))
}

/// Waits for the end of a held process.
#[allow(
    deprecated,
    reason = "its replacement is unsafe, for descriptors that may change; an OwnedFd cannot"
)]
pub(super) async fn ended(process: OwnedFd) -> io::Result<()> {
    let process = AsyncFd::with_interest(process, Interest::READABLE)?;
    process.readable().await.map(drop)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let me = this_instance().unwrap();
        assert!(is_alive(&me).unwrap());
        let mut other: Instance = me.parse().unwrap();
        other.start += 1;
        assert!(!is_alive(&other.to_string()).unwrap());
    }

    #[test]
    fn an_instance_of_another_boot_is_over() {
        let mut other: Instance = this_instance().unwrap().parse().unwrap();
        other.boot = "00000000-0000-0000-0000-000000000000".to_owned();
        assert!(!is_alive(&other.to_string()).unwrap());
    }

    #[test]
    fn a_zombie_is_over() {
        let mut child = sleeper();
        let instance = instance_of(child.id()).unwrap();
        child.kill().unwrap();
        // Readable once it is over, and it stays a zombie until somebody waits for it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(gone(&instance)).unwrap();
        assert!(!is_alive(&instance).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_text_that_is_no_instance_is_an_error_and_not_a_death() {
        for text in ["", "a:b", "boot:1", "boot:x:1", "boot:1:2:3"] {
            assert!(is_alive(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "7 (a) Z (b) ) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let expected = Stat {
            parent: 1,
            start: 4242,
            running: true,
        };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn a_zombie_main_thread_with_others_running_is_alive() {
        let text = "7 (x) Z 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 4242 0 0";
        assert!(parse(text).is_some_and(|s| s.running));
    }

    #[tokio::test]
    async fn gone_resolves_when_the_process_is_killed() {
        let mut child = sleeper();
        let instance = instance_of(child.id()).unwrap();
        let watch = tokio::spawn(async move { gone(&instance).await });
        child.kill().unwrap();
        watch.await.unwrap().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn gone_resolves_at_once_for_a_process_that_is_over() {
        let mut child = sleeper();
        let instance = instance_of(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        gone(&instance).await.unwrap();
    }
}
