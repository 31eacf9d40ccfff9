//! What lies between the keyboard and the turn: queued prompts, and the answer to a dialog.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    mem,
};

use tokio::sync::{Notify, mpsc::UnboundedReceiver};

use super::{input::Key, terminal};

/// What a prompt that comes now meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum At {
    /// Nothing, or text that streams: the prompt becomes a turn of its own.
    #[default]
    Text,
    /// A tool that runs: the prompt is folded into its result.
    Tool,
    /// A dialog: the text is dropped and Enter approves.
    Dialog,
}

/// Why the keyboard ends a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Escape: the turn ends, the session stays.
    Turn,
    /// `/exit`: the session ends.
    Session,
}

/// Shared by the keyboard and the turn.
#[derive(Default)]
pub(super) struct Desk {
    at: Cell<At>,
    queue: RefCell<VecDeque<String>>,
    folded: RefCell<Vec<String>>,
    closed: Cell<bool>,
    answer: Cell<bool>,
    answered: Notify,
}

impl Desk {
    /// Says what a prompt meets from now on.
    pub(super) fn set(&self, at: At) {
        self.at.set(at);
    }

    /// What came while the tool ran.
    pub(super) fn take_folded(&self) -> Vec<String> {
        mem::take(&mut *self.folded.borrow_mut())
    }

    /// Waits for Enter or Escape in a dialog; says whether it was Enter.
    pub(super) async fn decision(&self) -> bool {
        self.answered.notified().await;
        self.answer.get()
    }

    /// The next prompt; none when there will be no more.
    pub(super) async fn next(&self, keys: &mut UnboundedReceiver<Key>) -> Option<String> {
        loop {
            let queued = self.queue.borrow_mut().pop_front();
            if queued.is_some() || self.closed.get() {
                return queued;
            }
            match keys.recv().await {
                Some(Key::Enter(text)) if text.trim().is_empty() => {}
                Some(Key::Enter(text)) => return Some(text),
                Some(Key::Escape) => {}
                Some(Key::Interrupt | Key::End) | None => return None,
            }
        }
    }

    /// Minds the keyboard during a turn, until it ends the turn.
    pub(super) async fn attend(&self, keys: &mut UnboundedReceiver<Key>) -> Ends {
        loop {
            match keys.recv().await {
                Some(Key::Enter(text)) if text.trim() == "/exit" => return Ends::Session,
                Some(Key::Enter(text)) => self.put(text),
                Some(Key::Escape) if self.at.get() == At::Dialog => self.decide(false),
                Some(Key::Escape | Key::Interrupt) => return Ends::Turn,
                Some(Key::End) => self.closed.set(true),
                None => return std::future::pending().await,
            }
        }
    }

    fn put(&self, text: String) {
        match self.at.get() {
            At::Dialog => self.decide(true),
            _ if text.trim().is_empty() => {}
            At::Tool => {
                terminal::say("  (folded)");
                self.folded.borrow_mut().push(text);
            }
            At::Text => {
                terminal::say("  (queued)");
                self.queue.borrow_mut().push_back(text);
            }
        }
    }

    fn decide(&self, approved: bool) {
        self.answer.set(approved);
        self.answered.notify_one();
    }
}
