//! The terminal: out of line mode while the agent runs, read by a thread of its own, written to
//! without complaint when nobody is there.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::termios::{self, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::input::{Key, Line};

/// Keeps the terminal out of line mode, with bracketed paste, until it is dropped.
pub(super) struct Raw {
    saved: Termios,
}

impl Raw {
    /// Nothing where standard input is no terminal.
    pub(super) fn enter() -> Option<Self> {
        let saved = termios::tcgetattr(io::stdin()).ok()?;
        let mut raw = saved.clone();
        let lines = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.local_modes.remove(lines);
        raw.input_modes.remove(InputModes::ICRNL | InputModes::IXON);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        show("\x1b[?2004h");
        Some(Self { saved })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        show("\x1b[?2004l");
        // The terminal may be gone.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.saved);
    }
}

/// Reads keys from standard input; a line is a text and Enter where it is no terminal.
pub(super) fn keys() -> UnboundedReceiver<Key> {
    let (send, receive) = unbounded_channel();
    thread::spawn(move || {
        if io::stdin().is_terminal() {
            read_keys(&send);
        } else {
            read_lines(&send);
        }
        // Nobody listens any more at the very end.
        let _ = send.send(Key::End);
    });
    receive
}

fn read_keys(send: &UnboundedSender<Key>) {
    let (mut line, mut bytes) = (Line::default(), [0; 4096]);
    while let Ok(n @ 1..) = io::stdin().read(&mut bytes) {
        for key in line.feed(&bytes[..n]) {
            if send.send(key).is_err() {
                return;
            }
        }
    }
}

fn read_lines(send: &UnboundedSender<Key>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if send.send(Key::Enter(line.replace('\t', "    "))).is_err() {
            return;
        }
    }
}

/// Whether the screen shows what the agent does.
static MUTED: AtomicBool = AtomicBool::new(false);

/// Shows nothing from now on but what is printed.
pub(super) fn mute() {
    MUTED.store(true, Ordering::Relaxed);
}

/// Writes to the screen.
pub(super) fn show(text: &str) {
    if !MUTED.load(Ordering::Relaxed) {
        write(text);
    }
}

/// Writes a line to the screen.
pub(super) fn say(text: &str) {
    show(&format!("{text}\n"));
}

/// Writes a line to standard output, muted or not.
pub(super) fn print(text: &str) {
    write(&format!("{text}\n"));
}

/// A screen that is gone is no error.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
