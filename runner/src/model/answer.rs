//! An answer as it comes in: events of the stream become text, counts and an end.

use sandbox_core::Usage;
use serde::Deserialize;

use super::{
    price::{Prices, Tokens},
    trouble::Trouble,
};

/// Longest answer that is kept, in bytes; many times what any model writes.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// No true count is higher; what claims to be is cut, so that sums stay far inside 64 bits.
const MAX_COUNT: u64 = 1_000_000_000_000;
/// Fewest bytes of text that a token is taken for while the API has not counted yet. English has
/// about four; the estimate stays below the truth, so that no budget ends a call too early.
const BYTES_PER_TOKEN: u64 = 8;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its text, all blocks of it.
    pub text: String,
    /// The model that gave it, as the API names it.
    pub model: String,
    /// Why the model stopped, in the API's word, such as `end_turn` or `max_tokens`.
    pub stop: String,
    /// What all tries of the call cost.
    pub usage: Usage,
}

/// An answer that is not over yet.
#[derive(Debug, Default)]
pub(super) struct Draft {
    text: String,
    model: String,
    stop: String,
    tokens: Tokens,
    prices: Prices,
    heard: u64,
    counted: bool,
    over: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        content_block: Piece,
    },
    ContentBlockDelta {
        delta: Piece,
    },
    MessageDelta {
        delta: Stop,
        #[serde(default)]
        usage: Counts,
    },
    MessageStop,
    Error {
        error: ApiError,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    model: String,
    #[serde(default)]
    usage: Counts,
}

/// A piece of a block; only text is of use here, thinking is counted alone.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Piece {
    text: String,
    thinking: String,
}

#[derive(Deserialize)]
struct Stop {
    stop_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_write: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Option<u64>,
}

/// An error as the API writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ApiError {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: String,
}

impl Draft {
    /// An answer of this model that has not begun.
    pub(super) fn new(model: &str, prices: Prices) -> Self {
        Self {
            model: model.to_owned(),
            prices,
            ..Self::default()
        }
    }

    /// Takes the data of one event.
    ///
    /// # Errors
    /// It is no event of the Messages API, is too long, or says an error.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Trouble> {
        let event = serde_json::from_slice(data)
            .map_err(|e| Trouble::Garbled(format!("an event that is not understood ({e})")))?;
        match event {
            Event::MessageStart { message } => self.start(&message),
            Event::ContentBlockStart { content_block: p }
            | Event::ContentBlockDelta { delta: p } => {
                return self.add(&p);
            }
            Event::MessageDelta { delta, usage } => {
                self.counted = usage.output.is_some();
                self.stop = delta.stop_reason.unwrap_or_default();
                self.count(&usage);
            }
            Event::MessageStop => self.over = true,
            Event::Error { error } => return Err(Trouble::in_stream(&error)),
            Event::Other => {}
        }
        Ok(())
    }

    /// Whether the model has said that it is done.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// What it cost so far; what the API has not counted yet is estimated from the text.
    pub(super) fn usage(&self) -> Usage {
        let mut tokens = self.tokens;
        if !self.counted {
            tokens.output = tokens.output.max(self.heard / BYTES_PER_TOKEN);
        }
        Usage {
            usd: self.prices.cost(&self.model, &tokens),
            input_tokens: tokens.prompt(),
            output_tokens: tokens.output,
            seconds: 0,
        }
    }

    /// The whole answer; `before` is what earlier tries cost.
    pub(super) fn finish(self, before: Usage) -> Answer {
        let usage = before.plus(self.usage());
        Answer {
            text: self.text,
            model: self.model,
            stop: self.stop,
            usage,
        }
    }

    fn start(&mut self, start: &Start) {
        if !start.model.is_empty() {
            self.model = start.model.chars().take(128).collect();
        }
        self.count(&start.usage);
    }

    fn add(&mut self, piece: &Piece) -> Result<(), Trouble> {
        self.heard += (piece.text.len() + piece.thinking.len()) as u64;
        if self.text.len() + piece.text.len() > MAX_TEXT {
            return Err(Trouble::Garbled("an answer without end".to_owned()));
        }
        self.text.push_str(&piece.text);
        Ok(())
    }

    /// Counts are of the whole answer so far; one that is not said stays.
    fn count(&mut self, counts: &Counts) {
        let set = |to: &mut u64, said: Option<u64>| *to = said.unwrap_or(*to).min(MAX_COUNT);
        set(&mut self.tokens.input, counts.input);
        set(&mut self.tokens.output, counts.output);
        set(&mut self.tokens.cache_write, counts.cache_write);
        set(&mut self.tokens.cache_read, counts.cache_read);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(events: &[serde_json::Value]) -> Draft {
        let mut draft = Draft::new("claude-sonnet-4", Prices::default());
        for event in events {
            draft.take(event.to_string().as_bytes()).unwrap();
        }
        draft
    }

    fn delta(text: &str) -> serde_json::Value {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
    }

    #[test]
    fn the_text_of_all_blocks_is_the_answer() {
        let events = [
            json!({"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "ping"}),
            delta("Hel"),
            delta("lo"),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 7}}),
            json!({"type": "message_stop"}),
        ];
        let draft = draft(&events);
        assert!(draft.is_over());
        let answer = draft.finish(Usage::default());
        assert_eq!(
            (answer.text.as_str(), answer.model.as_str()),
            ("Hello", "claude-x")
        );
        assert_eq!(
            (answer.usage.input_tokens, answer.usage.output_tokens),
            (3, 7)
        );
        assert_eq!(answer.stop, "end_turn");
    }

    #[test]
    fn cached_tokens_count_as_read() {
        let draft = draft(&[json!({"type": "message_start", "message": {"usage": {
            "input_tokens": 1, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 10}}}})]);
        assert_eq!(draft.usage().input_tokens, 111);
        assert_eq!(draft.usage().usd.micros(), 3 + 38 + 30);
    }

    #[test]
    fn text_counts_before_the_api_has_counted_it() {
        let mut draft = draft(&[delta(&"word ".repeat(160))]);
        assert_eq!(draft.usage().output_tokens, 100);
        let end = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 60}});
        draft.take(end.to_string().as_bytes()).unwrap();
        assert_eq!(draft.usage().output_tokens, 60);
    }

    #[test]
    fn what_is_no_event_is_not_taken() {
        for data in ["", "{", "[]", "{\"no\":\"type\"}", "<html>"] {
            let taken = Draft::default().take(data.as_bytes());
            assert!(matches!(taken, Err(Trouble::Garbled(_))), "{data}");
        }
    }

    #[test]
    fn an_absurd_count_is_cut() {
        let start =
            json!({"type": "message_start", "message": {"usage": {"input_tokens": u64::MAX}}});
        assert_eq!(draft(&[start]).usage().input_tokens, MAX_COUNT);
    }
}
