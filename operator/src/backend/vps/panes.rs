//! What tmux holds: the panes of every session, read in one call for everybody who asks.

use std::{collections::HashMap, sync::Arc};

use sandbox_core::port::Answer;
use tmux_interface::ListPanes;

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
    /// Whether tmux knows that it is over.
    pub over: bool,
    /// Its exit code, where tmux knows it.
    pub code: Option<i32>,
    /// The signal that ended it, where tmux knows it; 3.2 never does.
    pub signal: Option<i32>,
}

/// The panes of each session.
pub(super) type Panes = Arc<HashMap<String, Vec<Pane>>>;

/// Reads all panes. A server that is not there has none: that is an answer.
pub(super) async fn read(tmux: &Tmux) -> Answer<Panes> {
    let list = ListPanes::new().all().format(FORMAT).build();
    match tmux.one(list).await {
        Ok(text) => Ok(Arc::new(parse(&text))),
        Err(TmuxError::NoServer | TmuxError::Empty) => Ok(Panes::default()),
        Err(e) => Err(sandbox_core::port::PortError::Unknown(e.to_string())),
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
    let (code, signal) = (code.parse().ok(), signal.parse().ok());
    let pane = Pane {
        pid: pid.parse().ok()?,
        // A pane counts as dead only when its terminal is closed too; the code comes before.
        over: dead == "1" || code.is_some() || signal.is_some(),
        code,
        signal,
    };
    Some((session, pane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_a_stranger_calls_a_session() {
        let panes = parse("7|0|||aj-1\n8|1|3||odd|name\n9|1||9|aj-2\nnonsense\n");
        let pane = |pid, over, code, signal| Pane {
            pid,
            over,
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
    fn an_exit_code_is_an_end_even_while_the_terminal_is_open() {
        assert_eq!(parse("7|0|5||a").get("a").map(|p| p[0].over), Some(true));
    }
}
