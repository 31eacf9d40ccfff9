//! Reads what an agent's program told by hooks, status line, state file and transcript. Decides
//! nothing; [`super::state`] does.

use std::{
    fs::{self, File as OsFile},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use sandbox_core::{Usage, Usd};
use serde::Deserialize;

use super::{
    desk::Desk,
    hook::Line,
    spent::Spent,
    state::{Event, File, Process, Seen, Status},
    status_line,
};
use crate::model::price::Prices;

/// The most that is read of a growing file at a time.
const PIECE: u64 = 4 << 20;
/// The longest line that is put together; a longer one is left out.
const LINE: usize = 32 << 20;
/// Most turns whose last words are kept.
const TURNS: usize = 50;
/// The largest state file or status.
const SMALL: u64 = 256 << 10;

/// A file that grows by lines.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self::after(path, 0)
    }

    /// What comes after so many bytes.
    fn after(path: PathBuf, read: u64) -> Self {
        let rest = Vec::new();
        Self { path, read, rest }
    }

    /// The whole lines that came since the last time. A file that is not there has none.
    fn lines(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        let Ok(mut file) = OsFile::open(&self.path) else {
            return Vec::new();
        };
        if file.seek(SeekFrom::Start(self.read)).is_ok() {
            // What could be read counts; the rest is read the next time.
            let _ = file.take(PIECE).read_to_end(&mut bytes);
        }
        self.read += bytes.len() as u64;
        self.rest.extend(bytes);
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else {
            if self.rest.len() > LINE {
                self.rest.clear();
            }
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        whole
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }
}

/// What is known of one agent's session.
#[derive(Debug)]
pub struct Watch {
    desk: Desk,
    session: String,
    started: i64,
    events: Tail,
    transcript: Option<Tail>,
    /// How much of the transcript is of an earlier attempt.
    earlier: u64,
    event: Option<(Event, i64)>,
    file: Option<File>,
    spent: Spent,
    /// The last words of its turns, oldest first.
    pub said: Vec<String>,
    /// Fingerprints of the prompts that it took.
    pub prompts: Vec<String>,
    /// Whether a turn came to its end in order.
    pub stopped: bool,
    /// What the session has cost, as its program counts.
    pub usd: Usd,
    /// What is left of the model's memory, in percent.
    pub context_left: Option<f64>,
}

impl Watch {
    /// Watches the session of this id from its start on.
    pub fn new(desk: &Desk, session: &str, started: i64) -> Self {
        Self {
            desk: desk.clone(),
            session: session.to_owned(),
            started,
            events: Tail::new(desk.events()),
            transcript: None,
            earlier: 0,
            event: None,
            file: None,
            spent: Spent::default(),
            said: Vec::new(),
            prompts: Vec::new(),
            stopped: false,
            usd: Usd::default(),
            context_left: None,
        }
    }

    /// The same, with these prices.
    pub fn priced(self, prices: Prices) -> Self {
        let spent = Spent::new(prices);
        Self { spent, ..self }
    }

    /// The same for a session whose transcript has so many bytes of an earlier attempt: what that used is counted.
    pub fn after(self, earlier: u64) -> Self {
        Self { earlier, ..self }
    }

    /// The session's id.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Reads what is new.
    pub fn read(&mut self) {
        for line in self.events.lines() {
            if let Ok(line) = serde_json::from_slice::<Line>(&line) {
                self.take(line);
            }
        }
        self.read_state();
        self.read_status();
        let lines = self
            .transcript
            .as_mut()
            .map(Tail::lines)
            .unwrap_or_default();
        for line in lines {
            self.spent.take(&line);
        }
    }

    /// Everything that was seen, with this process.
    pub fn seen(&self, process: Process) -> Seen {
        Seen {
            process,
            started: self.started,
            event: self.event.clone(),
            file: self.file,
        }
    }

    /// What the session has used.
    pub fn usage(&self) -> Usage {
        let spent = self.spent.sum();
        Usage {
            usd: self.usd.max(spent.usd),
            input_tokens: spent.input,
            output_tokens: spent.output,
            seconds: 0,
        }
    }

    fn take(&mut self, line: Line) {
        // A program that the agent starts may tell by the same hooks.
        if line.session != self.session {
            return;
        }
        if self.transcript.is_none() && !line.transcript.is_empty() {
            let path = line.transcript.clone().into();
            self.transcript = Some(Tail::after(path, self.earlier));
        }
        if !line.prompt.is_empty() {
            self.prompts.push(line.prompt.clone());
        }
        self.stopped |= line.event == "Stop";
        if let Some(event) = event(&line) {
            self.event = Some((event, line.at));
        }
        if !line.message.is_empty() {
            self.said.push(line.message);
            let old = self.said.len().saturating_sub(TURNS);
            self.said.drain(..old);
        }
    }

    fn read_state(&mut self) {
        let next = state_file(&self.desk.config().join("sessions"), &self.session);
        self.file = next.map(|next| {
            let steady = self
                .file
                .is_some_and(|f| (f.status, f.since) == (next.status, next.since));
            File { steady, ..next }
        });
    }

    fn read_status(&mut self) {
        let status = small(&self.desk.status()).and_then(|bytes| status_line::read(&bytes));
        let Some(status) = status else { return };
        // It only rises: a session that begins anew must not hide what was spent.
        self.usd = self.usd.max(micros(status.cost.total_cost_usd));
        self.context_left = status.context_window.remaining_percentage;
    }
}

fn event(line: &Line) -> Option<Event> {
    match line.event.as_str() {
        "SessionStart" => Some(Event::Begun),
        "UserPromptSubmit" | "PreToolUse" | "PostToolUse" | "PreCompact" => Some(Event::Active),
        "PermissionRequest" => Some(Event::Asks),
        "Notification" if line.what == "permission_prompt" => Some(Event::Asks),
        "Stop" => Some(Event::Stopped {
            background: line.background,
        }),
        "StopFailure" => Some(Event::Failed(line.what.clone())),
        _ => None,
    }
}

/// The fields of the state file that we use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateFile {
    session_id: String,
    status: String,
    #[serde(default)]
    status_updated_at: i64,
}

fn state_file(folder: &Path, session: &str) -> Option<File> {
    let entries = fs::read_dir(folder).ok()?;
    let paths = entries.filter_map(|e| Some(e.ok()?.path()));
    let files = paths.filter(|p| p.extension().is_some_and(|e| e == "json"));
    let read = |path: PathBuf| serde_json::from_slice::<StateFile>(&small(&path)?).ok();
    let file = files.filter_map(read).find(|f| f.session_id == session)?;
    let status = match file.status.as_str() {
        "idle" => Status::Idle,
        "waiting" => Status::Waiting,
        _ => Status::Busy,
    };
    Some(File {
        status,
        since: file.status_updated_at,
        steady: false,
    })
}

fn small(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    OsFile::open(path)
        .ok()?
        .take(SMALL)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Dollars as the program counts them; what is no amount is nothing.
fn micros(usd: f64) -> Usd {
    let micros = (usd * 1e6).round();
    if !micros.is_finite() || micros <= 0.0 {
        return Usd::default();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast that is too large stays at the largest"
    )]
    Usd::from_micros(micros as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::{Value, json};

    use super::*;

    fn desk() -> (tempfile::TempDir, Desk) {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path(), 1);
        desk.make().unwrap();
        fs::create_dir(desk.config().join("sessions")).unwrap();
        (folder, desk)
    }

    fn append(path: &Path, text: &str) {
        let mut file = OsFile::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn tell(desk: &Desk, event: &Value) {
        append(&desk.events(), &format!("{event}\n"));
    }

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let (folder, _) = desk();
        let path = folder.path().join("grows");
        let mut tail = Tail::new(path.clone());
        assert!(tail.lines().is_empty());
        append(&path, "one\ntw");
        assert_eq!(tail.lines(), [b"one".to_vec()]);
        append(&path, "o\n");
        assert_eq!(tail.lines(), [b"two".to_vec()]);
    }

    #[test]
    fn events_of_another_session_are_not_the_agents() {
        let (_folder, desk) = desk();
        let mut watch = Watch::new(&desk, "mine", 0);
        tell(
            &desk,
            &json!({"at": 1, "event": "UserPromptSubmit", "session": "mine", "prompt": "f"}),
        );
        tell(
            &desk,
            &json!({"at": 2, "event": "Stop", "session": "child", "message": "child's"}),
        );
        watch.read();
        assert_eq!(watch.event, Some((Event::Active, 1)));
        assert_eq!(
            (watch.prompts.len(), watch.said.len(), watch.stopped),
            (1, 0, false)
        );
    }

    #[test]
    fn the_state_file_is_steady_when_two_reads_say_the_same() {
        let (_folder, desk) = desk();
        let mut watch = Watch::new(&desk, "mine", 0);
        let put = |status: &str, at: i64| {
            let state = json!({"sessionId": "mine", "status": status, "statusUpdatedAt": at});
            fs::write(desk.config().join("sessions/7.json"), state.to_string()).unwrap();
        };
        put("idle", 5);
        watch.read();
        assert!(
            watch
                .file
                .is_some_and(|f| !f.steady && f.status == Status::Idle)
        );
        watch.read();
        assert!(watch.file.is_some_and(|f| f.steady));
        put("shell", 6);
        watch.read();
        assert!(
            watch
                .file
                .is_some_and(|f| !f.steady && f.status == Status::Busy)
        );
    }

    #[test]
    fn a_message_that_stands_there_several_times_counts_once() {
        let (folder, desk) = desk();
        let path = folder.path().join("transcript");
        let mut watch = Watch::new(&desk, "mine", 0);
        tell(
            &desk,
            &json!({"event": "SessionStart", "session": "mine", "transcript": path}),
        );
        for (id, out) in [("a", 1), ("a", 5), ("b", 2)] {
            let usage =
                json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": out});
            let line = json!({"type": "assistant", "message": {"id": id, "usage": usage}});
            append(&path, &format!("{line}\n"));
        }
        watch.read();
        let usage = watch.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (200, 7));
    }

    #[test]
    fn a_model_that_the_program_counts_too_cheap_costs_as_much_as_the_dearest() {
        let (folder, desk) = desk();
        let path = folder.path().join("transcript");
        let mut watch = Watch::new(&desk, "mine", 0);
        let begins = json!({"event": "SessionStart", "session": "mine", "transcript": path});
        tell(&desk, &begins);
        let status = json!({"cost": {"total_cost_usd": 0.01}});
        fs::write(desk.status(), status.to_string()).unwrap();
        let usage = json!({"input_tokens": 1_000_000, "output_tokens": 1_000_000});
        let message = json!({"id": "a", "model": "nobody-knows-9", "usage": usage});
        append(
            &path,
            &format!("{}\n", json!({"type": "assistant", "message": message})),
        );
        watch.read();
        assert_eq!(watch.usage().usd.to_string(), "90.00");
    }

    #[test]
    fn what_an_earlier_attempt_used_is_not_counted_again() {
        let (folder, desk) = desk();
        let path = folder.path().join("transcript");
        let used = |id: &str, tokens: u32| {
            let usage = json!({"input_tokens": tokens, "output_tokens": 1});
            json!({"type": "assistant", "message": {"id": id, "usage": usage}}).to_string() + "\n"
        };
        append(&path, &used("a", 100));
        let earlier = fs::metadata(&path).unwrap().len();
        let mut watch = Watch::new(&desk, "mine", 0).after(earlier);
        tell(
            &desk,
            &json!({"event": "SessionStart", "session": "mine", "transcript": path}),
        );
        append(&path, &used("b", 7));
        watch.read();
        assert_eq!(watch.usage().input_tokens, 7);
    }

    #[test]
    fn what_was_spent_never_falls() {
        let (_folder, desk) = desk();
        let mut watch = Watch::new(&desk, "mine", 0);
        for usd in [0.5, 0.1, -1.0] {
            fs::write(
                desk.status(),
                json!({"cost": {"total_cost_usd": usd}}).to_string(),
            )
            .unwrap();
            watch.read();
        }
        assert_eq!(watch.usd, Usd::from_micros(500_000));
    }
}
