//! A small client of the Messages API: one question, one streamed answer.
//!
//! It knows no job. Whoever asks is told what is spent while the answer comes in, and may drop the
//! call at any time. No tools, no conversation, no caching. Nothing of it is made before the
//! first question, since a runner claims its seat before anything else.

mod answer;
mod call;
mod key;
pub mod price;
mod retry;
mod sse;
mod trouble;

use std::time::Duration;

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, Usage};
use secrecy::SecretString;

pub use answer::Answer;
use answer::Draft;
use call::Line;
use price::Prices;
use retry::Pace;
use trouble::Trouble;

use crate::settings::Settings;

/// Where the API is unless the settings say otherwise.
const DEFAULT_URL: &str = "https://api.anthropic.com";

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The system prompt; none when empty.
    pub system: &'a str,
    /// What is asked.
    pub prompt: &'a str,
    /// Most tokens of the answer.
    pub max_tokens: u32,
}

/// What is said while a call goes on.
#[derive(Debug)]
pub enum Said {
    /// What all tries of this call have cost so far.
    Spent(Usage),
    /// Why nothing comes in at the moment.
    Waiting(String),
}

/// A way to the API. Reads no environment.
pub struct Client {
    line: Line,
    pace: Pace,
    prices: Prices,
}

impl Client {
    /// The way that these settings name.
    ///
    /// # Errors
    /// `InvalidSpec` when there is no usable key or address; the message says what to set.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let key = key::read(settings.model_key_file.as_deref())?;
        Self::with(settings, key, Pace::default())
    }

    fn with(settings: &Settings, key: SecretString, pace: Pace) -> Result<Self, Failure> {
        let base = settings.model_url.as_deref().unwrap_or(DEFAULT_URL);
        let line = Line::new(base, key)?;
        let prices = Prices::of(settings)?;
        Ok(Self { line, pace, prices })
    }

    /// Asks, and asks again where that may help, but never beyond `until`.
    ///
    /// # Errors
    /// `RateLimited` and `Infrastructure` when waiting in this place did not help, `InvalidSpec`
    /// when the same question will never be answered.
    pub async fn ask(
        &self,
        ask: &Ask<'_>,
        until: Timestamp,
        say: &mut (dyn FnMut(Said) + Send),
    ) -> Result<Answer, Failure> {
        let mut before = Usage::default();
        let mut tries = 0;
        loop {
            tries += 1;
            let mut draft = Draft::new(ask.model, self.prices.clone());
            let mut spent = |now: Usage| say(Said::Spent(before.plus(now)));
            let trouble = match self.line.once(ask, &mut draft, &mut spent).await {
                Ok(()) => return Ok(draft.finish(before)),
                Err(trouble) => trouble,
            };
            before = before.plus(draft.usage());
            let Some(pause) = self.pace.next(&trouble, tries, left(until), draw()) else {
                return Err(trouble.failure(tries));
            };
            say(Said::Waiting(waiting(&trouble, tries, pause)));
            tokio::time::sleep(pause).await;
        }
    }
}

fn waiting(trouble: &Trouble, tries: u32, pause: Duration) -> String {
    let seconds = pause.as_secs_f32();
    format!("try {tries} of the model call: {trouble}; again in {seconds:.1} s")
}

fn left(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default()
}

/// A number from 0 to 1, different for each runner, so that many do not come back at once.
fn draw() -> f64 {
    let bits = uuid::Uuid::new_v4().as_bytes()[0];
    f64::from(bits) / 255.0
}

/// A setting of the server stands in the way of every such job: trying again would not help.
fn misconfigured(text: impl Into<String>) -> Failure {
    Failure::new(FailureClass::InvalidSpec, text)
}

#[cfg(test)]
pub mod tests;
