//! One tmux session per seat, under a name that only this seat has: begun once, adopted when it is
//! ours, ended in batches. Judges no process.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use sandbox_core::{
    FailureClass, Seat,
    port::{Answer, PortError},
};
use tmux_interface::{
    AttachSession, KillSession, NewSession, ShowEnvironment, TmuxCommand, TmuxCommands,
};

use super::{
    conf::{SEAT_VARIABLE, VpsConfig, text},
    rounds::Rounds,
    tmux::{Tmux, TmuxError, word},
};

/// Sessions ended in one call of tmux.
const AT_ONCE: usize = 64;

/// The name of the seat's session: the same every time, and of characters tmux leaves alone.
pub(super) fn name(seat: &Seat) -> String {
    format!("aj-{}-{}", seat.uid, seat.attempt)
}

/// The session of exactly this name; without the sign, the start of a name would do.
fn exactly(name: &str) -> String {
    format!("={name}")
}

/// Begins the seat's session, or finds that it was begun before.
pub(super) async fn begin(tmux: &Tmux, config: &VpsConfig, seat: &Seat) -> Answer<()> {
    let words = TmuxCommands::new().cmd(new_session(config, seat)?);
    match tmux.run_with(words, &config.env).await {
        Err(TmuxError::Duplicate(_)) => adopt(tmux, seat).await,
        begun => Ok(begun.map(drop)?),
    }
}

/// The runner is several words, so that tmux starts it without a shell.
fn new_session<'a>(config: &'a VpsConfig, seat: &Seat) -> Answer<TmuxCommand<'a>> {
    let session = NewSession::new().detached().session_name(name(seat));
    let session = session.width(200).height(50);
    let mut command = session
        .environment(SEAT_VARIABLE.to_owned(), seat.to_string())
        .build();
    command
        .push_param("--")
        .push_param(word(text(&config.runner)?));
    command.push_param("exec");
    command.push_option("--seat", seat.to_string());
    command.push_option("--data-dir", word(text(&config.data_dir)?));
    if let Some(door) = &config.door {
        command.push_option("--door", word(text(door)?));
    }
    Ok(command)
}

/// A session of the seat's name is ours when it was begun with the seat's mark.
async fn adopt(tmux: &Tmux, seat: &Seat) -> Answer<()> {
    let name = name(seat);
    let show = ShowEnvironment::new()
        .target_session(exactly(&name))
        .variable(SEAT_VARIABLE);
    let mark = match tmux.one(show.build()).await {
        Err(TmuxError::Other(text)) if text.starts_with("unknown variable") => String::new(),
        shown => shown.map_err(|e| PortError::Unknown(e.to_string()))?,
    };
    if mark.trim_end() == format!("{SEAT_VARIABLE}={seat}") {
        return Ok(());
    }
    Err(PortError::refused(
        FailureClass::Infrastructure,
        format!(
            "start seat {seat}: the tmux session {name} exists and is not ours; end it with \
             `tmux kill-session`, and let no other program use our tmux socket"
        ),
    ))
}

/// The words that show a seat's session to a person at a terminal.
pub(super) fn attach(tmux: &Tmux, seat: &Seat) -> Vec<std::ffi::OsString> {
    let attach = AttachSession::new()
        .not_update_env()
        .target_session(exactly(&name(seat)));
    let mut words = tmux.prefix();
    words.extend(attach.build().to_vec().iter().map(|w| (&**w).into()));
    words
}

/// Ends sessions, many in one call.
#[derive(Debug)]
pub(super) struct Doomed {
    names: Mutex<BTreeSet<String>>,
    rounds: Rounds<Result<(), TmuxError>>,
}

impl Doomed {
    pub(super) fn new() -> Self {
        Self {
            names: Mutex::default(),
            rounds: Rounds::new(),
        }
    }

    /// Ends the seat's session; one that is not there is ended.
    pub(super) async fn kill(&self, tmux: &Tmux, seat: &Seat) -> Result<(), TmuxError> {
        self.names(|names| names.insert(name(seat)));
        let work = async || {
            let names = self.names(|names| names.clone());
            let killed = kill_all(tmux, names.iter().cloned().collect()).await;
            // Only now: a round that is given up half-way must not forget the names of others.
            self.names(|all| all.retain(|name| !names.contains(name)));
            killed
        };
        self.rounds.fresh(work).await
    }

    fn names<T>(&self, with: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        with(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn kill_all(tmux: &Tmux, mut names: Vec<String>) -> Result<(), TmuxError> {
    while !names.is_empty() {
        let batch = &names[..names.len().min(AT_ONCE)];
        let done = match tmux.run(kill_words(batch)).await {
            Ok(_) => batch.len(),
            // tmux stops at the first that is not there: those before it are ended.
            Err(TmuxError::NotFound(gone)) => match batch.iter().position(|name| *name == gone) {
                Some(place) => place + 1,
                None => return Err(TmuxError::NotFound(gone)),
            },
            Err(TmuxError::NoServer | TmuxError::Empty) => return Ok(()),
            Err(e) => return Err(e),
        };
        names.drain(..done);
    }
    Ok(())
}

fn kill_words(names: &[String]) -> TmuxCommands<'_> {
    let mut words = TmuxCommands::new();
    for name in names {
        words.push(KillSession::new().target_session(exactly(name)).build());
    }
    words
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_several_words_and_no_shell_reads_them() {
        let config = VpsConfig {
            data_dir: "/data; rm -rf x;".into(),
            seats: "/data/seats".into(),
            runner: "/opt/my tools/sandbox".into(),
            socket: "/data/tmux".into(),
            grace: std::time::Duration::ZERO,
            env: std::collections::BTreeMap::new(),
            door: None,
        };
        let seat: Seat = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2".parse().unwrap();
        let words = new_session(&config, &seat).unwrap().to_vec().join("\n");
        let expected = "new\n-d\n-e\nSANDBOX_SEAT=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2\n\
             -s\naj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-2\n-x\n200\n-y\n50\n--\n\
             /opt/my tools/sandbox\nexec\n--seat\na0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2\n\
             --data-dir\n/data; rm -rf x\\;";
        assert_eq!(words, expected);
    }
}
