//! What a session has used by its transcript: tokens, and what they cost by our own prices.
//!
//! The program counts money too, by a table of its own, in which a model that it does not know is
//! cheap. A budget must hold for such a model as well, so that the larger of both counts.

use sandbox_core::Usd;
use serde_json::Value;

use crate::model::price::{Prices, Tokens};

/// Tokens and their price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) usd: Usd,
}

/// Everything so far. One message may stand there several times, growing.
#[derive(Debug, Default)]
pub(super) struct Spent {
    prices: Prices,
    before: Sum,
    message: String,
    of_message: Sum,
}

impl Spent {
    pub(super) fn new(prices: Prices) -> Self {
        Self {
            prices,
            ..Self::default()
        }
    }

    /// Takes a line of the transcript.
    pub(super) fn take(&mut self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let (message, usage) = (&line["message"], &line["message"]["usage"]);
        if line["type"] != "assistant" || !usage.is_object() {
            return;
        }
        let number = |name: &str| usage[name].as_u64().unwrap_or_default();
        let tokens = Tokens {
            input: number("input_tokens"),
            output: number("output_tokens"),
            cache_write: number("cache_creation_input_tokens"),
            cache_read: number("cache_read_input_tokens"),
        };
        let model = message["model"].as_str().unwrap_or_default();
        let id = message["id"].as_str().unwrap_or_default();
        if id != self.message || id.is_empty() {
            self.before = self.sum();
            id.clone_into(&mut self.message);
        }
        self.of_message = Sum {
            input: tokens.prompt(),
            output: tokens.output,
            usd: self.prices.cost(model, &tokens),
        };
    }

    pub(super) fn sum(&self) -> Sum {
        let (a, b) = (self.before, self.of_message);
        Sum {
            input: a.input.saturating_add(b.input),
            output: a.output.saturating_add(b.output),
            usd: Usd::from_micros(a.usd.micros().saturating_add(b.usd.micros())),
        }
    }
}
