//! A prompt into a running agent: pasted in one piece, entered, and confirmed by the program itself.
//!
//! Nothing is sent while a dialog is open (Enter would approve it), and the text never begins with
//! what the program takes for a command. Only Enter is tried again, never the paste.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    hook::fingerprint,
    state::AgentState,
    tmux::{Terminals, TmuxError},
};

/// How long the program may take to draw a paste before Enter is pressed: a fact of terminals, for
/// which there is no event.
const DRAW: Duration = Duration::from_millis(500);
/// How often Enter is pressed.
const ENTERS: u32 = 3;
/// Within this time the program says that it took the prompt.
const TAKEN: Duration = Duration::from_secs(5);
/// How often it is looked whether it did.
const LOOK: Duration = Duration::from_millis(100);

/// What became of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The agent took it.
    Taken,
    /// It was not sent: the agent does not wait for a prompt.
    NotIdle,
    /// It was sent, and the agent never said that it took it.
    Unconfirmed,
}

/// A text as it can be pasted: no tabs, which the program changes, no control characters, which it
/// would obey, and a beginning that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt(String);

impl Prompt {
    /// Makes a text harmless.
    pub fn new(text: &str) -> Self {
        let text = text.trim().replace('\t', "    ").replace("\r\n", "\n");
        let text: String = text
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect();
        Self(if text.starts_with(['!', '/', '#', '@', '-']) {
            format!("Message: {text}")
        } else {
            text
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An agent that may be sent something.
#[async_trait]
pub trait Recipient: Send {
    /// Looks anew: what it is doing, and how often it took the prompt of this fingerprint.
    async fn look(&mut self, fingerprint: &str) -> (AgentState, usize);
}

/// Sends a prompt.
///
/// # Errors
/// tmux does not do what is asked.
pub async fn deliver(
    terminals: &Terminals,
    pane: &str,
    prompt: &Prompt,
    to: &mut dyn Recipient,
) -> Result<Delivered, TmuxError> {
    let wanted = fingerprint(prompt.as_str());
    let (state, before) = to.look(&wanted).await;
    if state != AgentState::Done {
        return Ok(Delivered::NotIdle);
    }
    terminals.paste(pane, prompt.as_str()).await?;
    for _ in 0..ENTERS {
        tokio::time::sleep(DRAW).await;
        terminals.enter(pane).await?;
        if tokio::time::timeout(TAKEN, taken(to, &wanted, before))
            .await
            .is_ok()
        {
            return Ok(Delivered::Taken);
        }
    }
    Ok(Delivered::Unconfirmed)
}

async fn taken(by: &mut dyn Recipient, wanted: &str, before: usize) {
    while by.look(wanted).await.1 <= before {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_can_neither_run_a_command_nor_press_keys() {
        assert_eq!(Prompt::new("!rm -rf x").as_str(), "Message: !rm -rf x");
        assert_eq!(Prompt::new("/exit").as_str(), "Message: /exit");
        assert_eq!(Prompt::new("\n a\tb\x1b[201~\r\n").as_str(), "a    b[201~");
    }
}
