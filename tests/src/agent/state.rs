//! The file `<config>/sessions/<pid>.json`, by which a supervisor sees what the agent is doing.
//!
//! It is removed at an orderly end and stays behind when the agent is killed.

use std::{fs, io, path::Path, path::PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::VERSION;

/// What the agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    Busy,
    /// A dialog is open.
    Waiting,
}

/// The file and what stands in it.
pub(super) struct StateFile {
    path: PathBuf,
    fields: Value,
}

impl StateFile {
    /// Prepares the file; the first status writes it.
    ///
    /// # Errors
    /// The folder cannot be made, or this process's start time cannot be read.
    pub(super) fn prepare(config: &Path, session: Uuid, cwd: &Path) -> io::Result<Self> {
        let folder = config.join("sessions");
        fs::create_dir_all(&folder)?;
        let pid = std::process::id();
        let fields = json!({
            "pid": pid,
            "sessionId": session,
            "cwd": cwd,
            "startedAt": Timestamp::now().as_millisecond(),
            "procStart": proc_start()?,
            "version": VERSION,
            "kind": "interactive",
            "entrypoint": "cli",
        });
        let path = folder.join(format!("{pid}.json"));
        Ok(Self { path, fields })
    }

    /// Says what the agent is doing now. A failure shows only in the age of the file.
    pub(super) fn set(&mut self, status: Status) {
        let now = Timestamp::now().as_millisecond();
        if self.fields["status"] != status.name() {
            self.fields["statusUpdatedAt"] = json!(now);
        }
        self.fields["status"] = json!(status.name());
        self.fields["updatedAt"] = json!(now);
        self.set_waiting_for(status);
        let _ = self.write();
    }

    fn set_waiting_for(&mut self, status: Status) {
        if status == Status::Waiting {
            self.fields["waitingFor"] = json!("permission prompt");
        } else if let Some(fields) = self.fields.as_object_mut() {
            fields.remove("waitingFor");
        }
    }

    /// Replaced as a whole, so that a reader never sees half of it.
    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, self.fields.to_string())?;
        fs::rename(new, &self.path)
    }

    /// Takes the file away.
    pub(super) fn remove(&self) {
        // It may be gone with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
        }
    }
}

/// When this process started, in clock ticks since the boot: field 22 of `/proc/self/stat`.
fn proc_start() -> io::Result<String> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is the command in brackets and may hold anything: count from its end.
    let after = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after.and_then(|rest| rest.split_whitespace().nth(19));
    let short = || io::Error::other("/proc/self/stat is too short");
    field.map(str::to_owned).ok_or_else(short)
}
