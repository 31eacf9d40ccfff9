//! The transcript of a session: a line of JSON for each thing said, asked and done.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{args::VERSION, scenario::Cost};

/// A transcript that is being written.
pub(super) struct Transcript {
    pub path: PathBuf,
    session: Uuid,
    cwd: PathBuf,
    parent: Option<String>,
}

impl Transcript {
    /// The transcript of a session, at its place below the configuration.
    pub(super) fn of(config: &Path, session: Uuid, cwd: &Path) -> Self {
        let folder = config.join("projects").join(slug(cwd));
        let path = folder.join(format!("{session}.jsonl"));
        let cwd = cwd.to_owned();
        Self {
            path,
            session,
            cwd,
            parent: None,
        }
    }

    /// How many prompts stand in it.
    pub(super) fn prompts(&self) -> u64 {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let prompts = lines.filter(|l| l["type"] == "user" && l["message"]["content"].is_string());
        prompts.count() as u64
    }

    /// A prompt.
    pub(super) fn prompt(&mut self, text: &str) {
        self.add(
            "user",
            json!({"message": {"role": "user", "content": text}}),
        );
    }

    /// Blocks of the model, and what they used.
    pub(super) fn assistant(&mut self, model: &str, content: &Value, cost: Cost) {
        let usage = json!({
            "input_tokens": cost.input_tokens,
            "output_tokens": cost.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        });
        let id = format!("msg_{}", Uuid::new_v4().simple());
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": model,
            "content": content, "usage": usage,
        });
        self.add("assistant", json!({ "message": message }));
    }

    /// What a tool gave back.
    pub(super) fn tool_result(&mut self, id: &str, text: &str, is_error: bool) {
        let result = json!({
            "type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error,
        });
        self.add(
            "user",
            json!({"message": {"role": "user", "content": [result]}}),
        );
    }

    /// A prompt that came while a tool ran and is folded into its result.
    pub(super) fn folded(&mut self, text: &str) {
        self.add(
            "queue-operation",
            json!({"operation": "remove", "content": text}),
        );
    }

    /// Writes a line. A transcript that cannot be written does not stop the agent.
    fn add(&mut self, kind: &str, fields: Value) {
        let uuid = Uuid::new_v4().to_string();
        let mut line = json!({
            "parentUuid": self.parent.replace(uuid.clone()),
            "isSidechain": false,
            "type": kind,
            "uuid": uuid,
            "timestamp": Timestamp::now().to_string(),
            "cwd": self.cwd,
            "sessionId": self.session,
            "version": VERSION,
        });
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        let _ = self.append(&line);
    }

    fn append(&self, line: &Value) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }
}

/// The name of a project's folder.
fn slug(cwd: &Path) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    cwd.to_string_lossy().chars().map(kept).collect()
}
