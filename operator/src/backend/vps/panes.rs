//! What tmux holds: the panes of every session, read in one call for everybody who asks.

use std::{collections::HashMap, sync::Arc};

use rustix::process::{Pid, Signal, kill_process};
use sandbox_core::port::{Answer, PortError};
use tmux_interface::ListPanes;

use super::instance::stat;
use super::tmux::{Tmux, TmuxError};

/// The fields of one line, divided by a character that only a stranger's session name could hold,
/// and the name stands last.
const FORMAT: &str =
    "#{pane_pid}|#{pane_dead}|#{pane_dead_status}|#{pane_dead_signal}|#{session_name}";

/// One pane, which is one process that tmux started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pane {
    /// The process that was started in it.
    pub pid: u32,
    /// Whether its terminal is closed. The process may not be over: it can close all it has.
    pub closed: bool,
    /// Its exit code, where tmux knows it.
    pub code: Option<i32>,
    /// The signal that ended it, where tmux knows it.
    pub signal: Option<i32>,
}

impl Pane {
    /// Whether tmux has seen the end of the process.
    pub(super) fn ended(&self) -> bool {
        self.code.is_some() || self.signal.is_some()
    }
}

/// The panes of each session.
pub(super) type Panes = Arc<HashMap<String, Vec<Pane>>>;

/// Reads all panes. A server that is not there has none: that is an answer.
pub(super) async fn read(tmux: &Tmux) -> Answer<Panes> {
    let list = ListPanes::new().all().format(FORMAT).build();
    match tmux.one(list).await {
        Ok(text) => Ok(Arc::new(parse(&text))),
        Err(TmuxError::NoServer | TmuxError::Empty) => Ok(Panes::default()),
        Err(e) => Err(PortError::Unknown(e.to_string())),
    }
}

/// Tells tmux to take note of the end of a process it started. tmux 3.3a loses the kernel's own
/// signal for about one end in twenty and then waits for the next one, which may never come.
pub(super) fn remind(pid: u32) {
    let zombie = stat(pid).ok().flatten().filter(|s| !s.running);
    let server = zombie.and_then(|s| i32::try_from(s.parent).ok());
    if let Some(server) = server.and_then(Pid::from_raw) {
        // If it is gone meanwhile there is nobody to tell; others ignore this signal.
        let _ = kill_process(server, Signal::CHILD);
    }
}

fn parse(text: &str) -> HashMap<String, Vec<Pane>> {
    let mut panes: HashMap<String, Vec<Pane>> = HashMap::new();
    for (session, pane) in text.lines().filter_map(line) {
        panes.entry(session.to_owned()).or_default().push(pane);
    }
    panes
}

fn line(text: &str) -> Option<(&str, Pane)> {
    let fields: Vec<&str> = text.splitn(5, '|').collect();
    let [pid, dead, code, signal, session] = fields[..] else {
        return None;
    };
    let pane = Pane {
        pid: pid.parse().ok()?,
        closed: dead == "1",
        code: code.parse().ok(),
        signal: signal.parse().ok(),
    };
    Some((session, pane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_a_stranger_calls_a_session() {
        let panes = parse("7|0|||aj-1\n8|1|3||odd|name\n9|1||9|aj-2\nnonsense\n");
        let pane = |pid, closed, code, signal| Pane {
            pid,
            closed,
            code,
            signal,
        };
        assert_eq!(panes.get("aj-1"), Some(&vec![pane(7, false, None, None)]));
        assert_eq!(
            panes.get("odd|name"),
            Some(&vec![pane(8, true, Some(3), None)])
        );
        assert_eq!(panes.get("aj-2"), Some(&vec![pane(9, true, None, Some(9))]));
        assert_eq!(panes.len(), 3);
    }

    #[test]
    fn an_end_is_known_by_its_code_or_signal_and_not_by_its_terminal() {
        let ended = |line| parse(line).get("a").map(|p| p[0].ended());
        assert_eq!(ended("7|0|5||a"), Some(true));
        assert_eq!(ended("7|1||9|a"), Some(true));
        assert_eq!(ended("7|1|||a"), Some(false));
    }
}
