//! `sandbox launch <seat folder> <agent>`: the command of an agent's pane. It becomes the agent's
//! program, with exactly the environment that stands in the launch file.
//!
//! So a prompt of any length and any characters reaches the program as one argument (tmux would cut
//! a command at 16 KB and expand formats in some of its words), and a secret is read from its file at
//! the last moment and stands in no argument list and in no file of the seat.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode},
};

use serde::{Deserialize, Serialize};

use super::{desk::Desk, desk_of};

/// The program is not there; shells use this code as well.
pub const NOT_FOUND: u8 = 127;
/// It is there and cannot be run.
const NOT_RUN: u8 = 126;

/// What an agent's program is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// All of its environment but the secrets.
    pub env: BTreeMap<String, String>,
    /// Variables whose values stand in files.
    pub secrets: BTreeMap<String, PathBuf>,
    /// Where it works.
    pub folder: PathBuf,
}

/// Becomes the program, or says why not.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(desk) = desk_of(words) else {
        eprintln!("sandbox launch: name the seat's folder and the agent's number");
        return ExitCode::from(NOT_RUN);
    };
    let (e, what) = match Launch::read(&desk) {
        Ok(launch) => launch.become_program(),
        Err(e) => (e, "read what to start".to_owned()),
    };
    eprintln!("sandbox launch: {what}: {e}");
    let missing = e.kind() == io::ErrorKind::NotFound;
    ExitCode::from(if missing { NOT_FOUND } else { NOT_RUN })
}

impl Launch {
    /// Writes it where `sandbox launch` reads it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, desk: &Desk) -> io::Result<()> {
        super::desk::replace(&desk.launch(), &serde_json::to_vec_pretty(self)?)
    }

    fn read(desk: &Desk) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(desk.launch())?)?)
    }

    /// Returns only when it failed.
    fn become_program(self) -> (io::Error, String) {
        let Some((program, rest)) = self.argv.split_first() else {
            return (
                io::ErrorKind::InvalidInput.into(),
                "start nothing".to_owned(),
            );
        };
        let mut command = Command::new(program);
        command
            .args(rest)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.folder);
        for (name, file) in &self.secrets {
            match fs::read_to_string(file) {
                Ok(secret) => command.env(name, secret.trim()),
                Err(e) => return (e, format!("read the file of {name}")),
            };
        }
        (command.exec(), format!("start {program}"))
    }
}
