//! Processes beyond doubt, and the end of everything that was begun for a seat.
//!
//! An agent's tools outlive it, and a process id comes back: so a process is known by its start
//! time, held by a handle while it is signalled, and what is left is found by the seat's variable.

use std::{
    fs::{self, File},
    io::Read,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sandbox_operator::backend::vps::instance::{gone, instance_of, is_alive};

pub use sandbox_operator::backend::vps::SEAT_VARIABLE;

/// The most of an environment that is read.
const ENVIRONMENT: u64 = 4 << 20;
/// How often what is left is looked for; a process may begin others while it ends.
const ROUNDS: u32 = 20;
/// How long one round waits for those it has ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// A process that cannot be mistaken for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pid: u32,
    instance: String,
}

impl Known {
    /// The process of this id, while it runs.
    pub fn of(pid: u32) -> Option<Self> {
        let instance = instance_of(pid).ok()?;
        Some(Self { pid, instance })
    }

    /// Whether anything of it runs. What cannot be read is taken for running.
    pub fn runs(&self) -> bool {
        is_alive(&self.instance).unwrap_or(true)
    }

    /// Signals it, if it still runs.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        // Only now: between a look and the handle the id could have gone to another process.
        if self.runs() {
            // One that ended meanwhile is what is wanted.
            let _ = pidfd_send_signal(held, signal);
        }
    }

    /// Waits for its end, but no longer than this; says whether it is over.
    pub async fn over_within(&self, limit: Duration) -> bool {
        let over = tokio::time::timeout(limit, gone(&self.instance)).await;
        matches!(over, Ok(Ok(()))) || !self.runs()
    }
}

/// Ends every process of this seat but ourselves. Says whether none is left.
pub async fn end_seat(seat: &str) -> bool {
    end_all(&format!("{SEAT_VARIABLE}={seat}")).await
}

/// Ends every process that carries this variable with this value, `NAME=VALUE`, but ourselves. Says
/// whether none is left.
pub async fn end_all(mark: &str) -> bool {
    for _ in 0..ROUNDS {
        let all = carriers(mark);
        if all.is_empty() {
            return true;
        }
        for process in &all {
            process.signal(Signal::KILL);
        }
        for process in all {
            process.over_within(PATIENCE).await;
        }
    }
    carriers(mark).is_empty()
}

/// The running processes that carry this variable, ourselves left out.
pub fn carriers(mark: &str) -> Vec<Known> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let others = names.filter(|pid| *pid != std::process::id());
    others
        .filter(|pid| carries(*pid, mark))
        .filter_map(Known::of)
        .collect()
}

fn carries(pid: u32, mark: &str) -> bool {
    let mut bytes = Vec::new();
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else {
        return false;
    };
    // A process that ends meanwhile has nothing to read.
    let _ = file.take(ENVIRONMENT).read_to_end(&mut bytes);
    bytes.split(|b| *b == 0).any(|v| v == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn begin(seat: &str) -> Child {
        Command::new("sleep")
            .arg("60")
            .env(SEAT_VARIABLE, seat)
            .spawn()
            .unwrap()
    }

    #[tokio::test]
    async fn all_of_a_seat_is_ended_and_no_other() {
        let (mine, other) = (
            uuid::Uuid::new_v4().to_string(),
            uuid::Uuid::new_v4().to_string(),
        );
        let (mut first, mut second, mut stranger) = (begin(&mine), begin(&mine), begin(&other));
        let mark = format!("{SEAT_VARIABLE}={mine}");
        let mut seen = carriers(&mark).len();
        while seen < 2 {
            tokio::task::yield_now().await;
            seen = carriers(&mark).len();
        }
        assert!(end_seat(&mine).await);
        assert!(first.wait().is_ok() && second.wait().is_ok());
        assert_eq!(stranger.try_wait().unwrap(), None);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_that_is_over_is_signalled_no_more() {
        let mut child = begin("none");
        let known = Known::of(child.id()).unwrap();
        assert!(known.runs());
        known.signal(Signal::TERM);
        assert!(known.over_within(Duration::from_secs(30)).await);
        child.wait().unwrap();
        assert!(!known.runs());
        known.signal(Signal::KILL);
    }
}
