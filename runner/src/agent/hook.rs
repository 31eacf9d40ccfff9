//! `sandbox hook <seat folder> <agent>`: the program calls it with an event on standard input, and
//! it appends one line to the agent's events.
//!
//! It is called in the middle of the agent's work: it is fast, prints nothing, and always succeeds,
//! since a hook that fails disturbs the agent. Of an event only what decides something is kept.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Read, Write},
    process::ExitCode,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{desk::Desk, desk_of};

/// The largest event that is read; tools' results stand in some.
const EVENT: u64 = 16 << 20;
/// How much of the agent's last words is kept.
const MESSAGE: usize = 64 << 10;
/// The largest file of events; further ones are dropped, and the state file still tells.
const EVENTS: u64 = 32 << 20;

/// One event as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// When it came, in milliseconds of Unix time.
    pub at: i64,
    /// The event's name as the program calls it.
    pub event: String,
    /// Which session it is of; a program that the agent starts has another.
    pub session: String,
    /// The class of a `StopFailure`, the type of a `Notification`, the reason of a `SessionEnd`, the
    /// tool of a tool's event.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// The agent's last words, at the end of a turn.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether work goes on in the background after a `Stop`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The fingerprint of a prompt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Where the session's transcript stands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub transcript: String,
}

/// Takes one event.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    if let Some(desk) = desk_of(words) {
        // Nobody here could do anything about a disk that is full.
        let _ = take(&desk, io::stdin().lock());
    }
    ExitCode::SUCCESS
}

fn take(desk: &Desk, input: impl Read) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.take(EVENT).read_to_end(&mut bytes)?;
    let event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let line = Line::of(&event, Timestamp::now());
    let mut text = serde_json::to_vec(&line)?;
    text.push(b'\n');
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(desk.events())?;
    if file.metadata()?.len() < EVENTS {
        // In one piece: several hooks may write at the same time.
        file.write_all(&text)?;
    }
    Ok(())
}

impl Line {
    fn of(event: &Value, at: Timestamp) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let first = |names: &[&str]| names.iter().map(|n| text(n)).find(|t| !t.is_empty());
        let background = event["background_tasks"]
            .as_array()
            .is_some_and(|tasks| !tasks.is_empty());
        let prompt = event["prompt"].as_str();
        Self {
            at: at.as_millisecond(),
            event: text("hook_event_name"),
            session: text("session_id"),
            what: first(&[
                "error",
                "notification_type",
                "tool_name",
                "reason",
                "source",
            ])
            .unwrap_or_default(),
            message: end_of(&text("last_assistant_message"), MESSAGE),
            background,
            prompt: prompt.map(fingerprint).unwrap_or_default(),
            transcript: text("transcript_path"),
        }
    }
}

/// A prompt's fingerprint: the same for the text that was pasted and the one that arrived.
pub fn fingerprint(prompt: &str) -> String {
    let digest = Sha256::digest(prompt.trim().replace("\r\n", "\n").as_bytes());
    let mut text = String::new();
    for byte in &digest[..16] {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The end of a text: agents sum up last.
fn end_of(text: &str, most: usize) -> String {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(desk: &Desk) -> Vec<Line> {
        let text = std::fs::read_to_string(desk.events()).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    fn desk(folder: &tempfile::TempDir) -> Desk {
        let desk = Desk::new(folder.path(), 1);
        desk.make().unwrap();
        desk
    }

    #[test]
    fn what_decides_something_is_kept_and_the_rest_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(&folder);
        let stop = json!({
            "hook_event_name": "Stop", "session_id": "s", "last_assistant_message": "done",
            "background_tasks": [{"id": 1}], "transcript_path": "/t", "tool_response": "x".repeat(100),
        });
        take(&desk, stop.to_string().as_bytes()).unwrap();
        let line = &lines(&desk)[0];
        assert_eq!(
            (line.event.as_str(), line.message.as_str()),
            ("Stop", "done")
        );
        assert!(line.background && line.session == "s" && line.transcript == "/t");
        assert!(
            !std::fs::read_to_string(desk.events())
                .unwrap()
                .contains("xxx")
        );
    }

    #[test]
    fn what_is_no_event_is_noted_and_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(&folder);
        for bytes in [b"".as_slice(), b"not json", b"[1]", b"\xff\xfe"] {
            take(&desk, bytes).unwrap();
        }
        assert!(lines(&desk).iter().all(|l| l.event.is_empty()));
    }

    #[test]
    fn a_prompt_is_known_again_by_its_fingerprint() {
        assert_eq!(fingerprint("a\nb\n"), fingerprint("a\nb"));
        assert_ne!(fingerprint("a"), fingerprint("b"));
    }
}
