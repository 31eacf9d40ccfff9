//! What the back end is told, whether it can be obeyed, and the tmux configuration that is made
//! of it. Starts nothing.

use std::time::Duration;
use std::{collections::BTreeMap, fs, io, os::unix::fs::DirBuilderExt, path::Path, path::PathBuf};

use sandbox_core::{
    FailureClass,
    port::{Answer, PortError},
};

use super::tmux::TmuxError;

/// The variable that marks every process begun for a seat.
pub const SEAT_VARIABLE: &str = "SANDBOX_SEAT";

/// The longest path of a socket, less its final zero (`sockaddr_un`).
const SOCKET_LIMIT: usize = 107;

/// What the back end needs to know of this machine. All paths are absolute.
#[derive(Clone, Debug)]
pub struct VpsConfig {
    /// Where the product keeps its data; told to every runner, and where `tmux.conf` is written.
    pub data_dir: PathBuf,
    /// The seat root, as given to [`FileSeats`](crate::seats::files::FileSeats).
    pub seats: PathBuf,
    /// The program that is started for a seat: `sandbox`.
    pub runner: PathBuf,
    /// The socket of the private tmux server. No other tmux may use it.
    pub socket: PathBuf,
    /// How long an instance may take to end after it was asked to.
    pub grace: Duration,
    /// More environment for the runner. It never stands in an argument list, where others could
    /// read it.
    pub env: BTreeMap<String, String>,
    /// Where a runner has to ask for its seat before it does anything; without, it takes the seat itself.
    pub door: Option<PathBuf>,
}

impl VpsConfig {
    /// Refuses what could not work later.
    pub(super) fn check(&self) -> Answer<()> {
        let all = [&self.data_dir, &self.seats, &self.runner, &self.socket];
        for path in all.into_iter().chain(&self.door) {
            text(path)?;
        }
        if self.socket.as_os_str().len() > SOCKET_LIMIT {
            let size = self.socket.as_os_str().len();
            return refuse(format!(
                "use the tmux socket: its path has {size} bytes and a socket's may have \
                 {SOCKET_LIMIT}; choose a shorter data folder"
            ));
        }
        match self.env.keys().find(|name| !is_variable(name)) {
            Some(name) => refuse(format!(
                "set the runner's environment: {name:?} cannot be set"
            )),
            None => Ok(()),
        }
    }

    /// Where the configuration of the tmux server stands.
    pub(super) fn tmux_conf(&self) -> PathBuf {
        self.data_dir.join("tmux.conf")
    }

    /// Writes the configuration and makes the socket's folder.
    pub(super) fn prepare(&self) -> Result<(), TmuxError> {
        self.write()
            .map_err(|e| TmuxError::Other(format!("prepare its folder: {e}")))
    }

    fn write(&self) -> io::Result<()> {
        let mut folders = fs::DirBuilder::new();
        folders.recursive(true).mode(0o700);
        folders.create(&self.data_dir)?;
        if let Some(folder) = self.socket.parent() {
            folders.create(folder)?;
        }
        let temp = self.data_dir.join(format!(".{}.tmp", uuid::Uuid::new_v4()));
        fs::write(&temp, self.render())?;
        fs::rename(temp, self.tmux_conf())
    }

    /// Options of tmux 3.3 to 3.8. The variables of `update-environment` are taken from the client
    /// that starts a session; all others come from the server's clean environment.
    fn render(&self) -> String {
        let names: Vec<&str> = self.env.keys().map(String::as_str).collect();
        format!(
            "# Written by the sandbox; changes are lost.\n\
             set -s exit-empty off\n\
             set -s set-clipboard off\n\
             set -s escape-time 10\n\
             set -g destroy-unattached off\n\
             set -g update-environment \"{}\"\n\
             set -g default-shell /bin/sh\n\
             set -g default-terminal screen-256color\n\
             set -g history-limit 5000\n\
             set -g bell-action none\n\
             set -g set-titles off\n\
             set -g visual-activity off\n\
             set -wg remain-on-exit on\n\
             set -wg allow-rename off\n\
             set -wg automatic-rename off\n\
             set -wg monitor-activity off\n",
            names.join(" ")
        )
    }
}

/// A path that can be a word of a tmux command.
pub(super) fn text(path: &Path) -> Answer<&str> {
    match path.to_str() {
        Some(text) if path.is_absolute() => Ok(text),
        _ => refuse(format!(
            "use {}: it must be an absolute path in UTF-8",
            path.display()
        )),
    }
}

fn refuse<T>(text: String) -> Answer<T> {
    Err(PortError::refused(FailureClass::Infrastructure, text))
}

/// Names that tmux takes as they are, and not the one that is ours.
fn is_variable(name: &str) -> bool {
    name != SEAT_VARIABLE
        && !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> VpsConfig {
        VpsConfig {
            data_dir: "/data".into(),
            seats: "/data/seats".into(),
            runner: "/usr/bin/sandbox".into(),
            socket: "/data/tmux".into(),
            grace: Duration::from_secs(15),
            env: BTreeMap::new(),
            door: None,
        }
    }

    fn with_env(name: &str) -> VpsConfig {
        let env = BTreeMap::from([(name.to_owned(), "v".to_owned())]);
        VpsConfig { env, ..config() }
    }

    #[test]
    fn a_variable_that_could_change_the_configuration_is_refused() {
        assert!(with_env("API_KEY").check().is_ok());
        for name in ["", "A B", "A\"", "1A", "A;B", "A*", SEAT_VARIABLE] {
            assert!(with_env(name).check().is_err(), "{name}");
        }
    }

    #[test]
    fn values_of_variables_are_not_written_down() {
        let env = BTreeMap::from([("API_KEY".to_owned(), "secret".to_owned())]);
        let text = VpsConfig { env, ..config() }.render();
        assert!(text.contains("update-environment \"API_KEY\""));
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_socket_that_no_kernel_could_bind_is_refused_with_what_to_do() {
        let socket = PathBuf::from(format!("/{}", "x".repeat(120)));
        let answer = VpsConfig { socket, ..config() }.check();
        assert!(answer.is_err_and(|e| e.to_string().contains("shorter data folder")));
    }

    #[test]
    fn relative_paths_are_refused() {
        let runner = PathBuf::from("sandbox");
        assert!(VpsConfig { runner, ..config() }.check().is_err());
    }
}
