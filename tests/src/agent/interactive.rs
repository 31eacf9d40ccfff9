//! The session at a terminal: prompts one after the other, until `/exit` or a signal.

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    desk::{At, Desk, Ends},
    input::Key,
    seed::Dialog,
    session::Session,
    state::Status,
    terminal::{self, Raw},
};

/// A terminal that is ready for a session.
pub(super) struct Startup {
    keys: UnboundedReceiver<Key>,
    /// Puts the terminal back in order when it is dropped.
    _raw: Option<Raw>,
}

/// What a line that was entered asks for.
enum Entered {
    Prompt(String),
    Exit,
    /// It was answered on the screen.
    Answered,
}

impl Startup {
    /// Takes the terminal.
    pub(super) fn begin() -> Self {
        let raw = Raw::enter();
        Self {
            keys: terminal::keys(),
            _raw: raw,
        }
    }

    /// Shows a dialog and stays in it. The one about skipped permissions can be left by Enter,
    /// which is its "No, exit".
    pub(super) async fn stay_in(mut self, dialog: Dialog) -> u8 {
        terminal::say(dialog.text());
        loop {
            match self.keys.recv().await {
                Some(Key::Enter(_)) if dialog == Dialog::Bypass => return 1,
                Some(Key::Interrupt) => return 1,
                Some(_) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// Runs the session and gives its exit code.
    ///
    /// # Errors
    /// The state file cannot be begun.
    pub(super) async fn run(mut self, session: &mut Session, desk: &Desk) -> anyhow::Result<u8> {
        session.begin().await?;
        let mut first = session.setup.args.prompt.take();
        loop {
            terminal::show("❯ ");
            let next = match first.take() {
                Some(prompt) => Some(prompt),
                None => desk.next(&mut self.keys).await,
            };
            match next.map_or(Entered::Exit, entered) {
                Entered::Prompt(prompt) => {
                    terminal::say(&prompt);
                    if self.turn(session, desk, &prompt).await == Some(Ends::Session) {
                        break;
                    }
                }
                Entered::Answered => {}
                Entered::Exit => break,
            }
        }
        session.end("prompt_input_exit").await;
        Ok(0)
    }

    /// One turn; says what the keyboard ended, if it ended it.
    async fn turn(&mut self, session: &mut Session, desk: &Desk, prompt: &str) -> Option<Ends> {
        session.set(Status::Busy);
        let ended = tokio::select! {
            _ = session.prompt(prompt) => None,
            ends = desk.attend(&mut self.keys) => Some(ends),
        };
        desk.set(At::Text);
        if ended == Some(Ends::Turn) {
            terminal::say("  ⎿  Interrupted");
            session.interrupted();
        }
        // No hook fires after an interruption: only the state file tells.
        session.set(Status::Idle);
        if ended.is_none() {
            session.show_status_line().await;
        }
        ended
    }
}

/// A line beginning with `!` would be run by a shell, one beginning with `/` is a command.
fn entered(text: String) -> Entered {
    let word = text.split_whitespace().next().unwrap_or_default();
    if word == "/exit" || word == "/quit" {
        return Entered::Exit;
    }
    if text.starts_with('!') {
        terminal::say("  ⎿  Refused: the scripted agent runs no typed shell commands");
        return Entered::Answered;
    }
    if is_command(word) {
        terminal::say(&format!("  ⎿  Unknown command: {word}"));
        return Entered::Answered;
    }
    Entered::Prompt(text)
}

/// A path is no command.
fn is_command(word: &str) -> bool {
    let name = word.strip_prefix('/');
    name.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}
