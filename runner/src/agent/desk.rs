//! An agent's folder beneath its seat's, and the names of what stands in it. Writes no content.

use std::{
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// Where one agent keeps what is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// The agent's number, from 1.
    pub number: u32,
    seat: PathBuf,
    dir: PathBuf,
}

impl Desk {
    /// The folder of this agent of the seat.
    pub fn new(seat_dir: &Path, number: u32) -> Self {
        let dir = seat_dir.join("agents").join(number.to_string());
        Self {
            number,
            seat: seat_dir.to_owned(),
            dir,
        }
    }

    /// Makes the folders. Only this user can enter them.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        [self.config(), self.home(), self.temp()]
            .iter()
            .try_for_each(|dir| builder.create(dir))
    }

    /// The seat's folder.
    pub fn seat(&self) -> &Path {
        &self.seat
    }

    /// The agent's name, also that of its window.
    pub fn name(&self) -> String {
        format!("agent-{}", self.number)
    }

    /// The program's configuration: its settings, state file and transcripts.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    /// Its home, where no file of the user stands.
    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// Its folder for temporary files.
    pub fn temp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// What it was started with.
    pub fn launch(&self) -> PathBuf {
        self.dir.join("launch.json")
    }

    /// The settings it is given: hooks and status line.
    pub fn settings(&self) -> PathBuf {
        self.dir.join("settings.json")
    }

    /// The MCP servers it is given.
    pub fn mcp(&self) -> PathBuf {
        self.dir.join("mcp.json")
    }

    /// A task that is too long for an argument.
    pub fn task(&self) -> PathBuf {
        self.dir.join("task.md")
    }

    /// What its hooks said, one line each.
    pub fn events(&self) -> PathBuf {
        self.dir.join("events.jsonl")
    }

    /// What its status line was told last.
    pub fn status(&self) -> PathBuf {
        self.dir.join("status.json")
    }

    /// What its terminal showed.
    pub fn terminal(&self) -> PathBuf {
        self.dir.join("terminal.log")
    }

    /// Takes the temporary files away.
    pub fn tidy(&self) {
        // What cannot be removed now goes with the seat.
        let _ = std::fs::remove_dir_all(self.temp());
    }
}

/// Replaces a file whole, so that a reader never sees half of it.
///
/// # Errors
/// The disk refuses.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension(format!("{}.next", std::process::id()));
    std::fs::write(&next, bytes)?;
    std::fs::rename(next, path)
}
