//! The script: which request gets which answer.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::Recorded;

/// Rules in order; the first that fits a request and is not used up answers it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Script {
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// One answer and when it is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// All of it must hold. Left out, the rule fits every request but the ones for a title.
    pub when: When,
    /// The answer.
    pub reply: Reply,
    /// How often the rule answers; without limit where left out.
    pub times: Option<u32>,
    /// How long the answer is held back, in milliseconds.
    pub delay_ms: u64,
}

/// Conditions on a request, all optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// A part of the last user text or of the last tool result, whichever came last.
    pub contains: Option<String>,
    /// A part of the last tool result; the last message must be one.
    pub tool_result: Option<String>,
    /// A part of the system prompt.
    pub system_contains: Option<String>,
    /// Whether the request offers tools.
    pub has_tools: Option<bool>,
    /// Headers by name, each with a part of its value.
    pub header: BTreeMap<String, String>,
}

/// An answer: a text, tool uses, both in this order, or an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// What the model says.
    pub text: Option<String>,
    /// The tools it then asks for.
    pub tool_use: Vec<ToolUse>,
    /// Refuses instead.
    pub error: Option<ErrorReply>,
    /// What the answer is said to have used.
    pub usage: Usage,
    /// `tool_use` or `end_turn`, by what is in the answer, where left out.
    pub stop_reason: Option<String>,
}

/// A tool that the model asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolUse {
    /// Such as `Write`, `Bash` or `mcp__server__tool`.
    pub name: String,
    /// An object.
    pub input: Value,
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// Such as `rate_limit_error`; by the status where left out.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// The header `retry-after`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

/// Tokens, as the API counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Read and not cached.
    pub input_tokens: u64,
    /// Written to the cache.
    pub cache_creation_input_tokens: u64,
    /// Read from the cache.
    pub cache_read_input_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input_tokens: 100,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 20,
        }
    }
}

impl Reply {
    /// Says this.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let text = Some(text.to_owned());
        Self {
            text,
            ..Self::default()
        }
    }
}

impl Script {
    /// Reads a script file.
    ///
    /// # Errors
    /// The file cannot be read, or is not a script; the text says where.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a script.
    ///
    /// # Errors
    /// The text is not a script.
    pub fn parse(yaml: &str) -> anyhow::Result<Self> {
        Ok(serde_saphyr::from_str(yaml)?)
    }

    /// The place of the rule that answers, by how often each has answered.
    pub(super) fn choose(&self, request: &Recorded, answered: &[u32]) -> Option<usize> {
        let mut rules = self.rules.iter().zip(answered);
        rules.position(|(rule, n)| rule.times.is_none_or(|t| *n < t) && rule.when.fits(request))
    }
}

impl When {
    fn fits(&self, request: &Recorded) -> bool {
        self.kind_fits(request)
            && fits_part(self.contains.as_ref(), Some(request.last().text))
            && fits_part(self.tool_result.as_ref(), request.tool_result())
            && fits_part(self.system_contains.as_ref(), Some(request.system()))
            && self.header.iter().all(|(name, part)| {
                request
                    .header(name)
                    .is_some_and(|v| v.contains(part.as_str()))
            })
    }

    /// A request for a title is answered only by a rule that asks for requests without tools.
    fn kind_fits(&self, request: &Recorded) -> bool {
        let has_tools = request.has_tools();
        match self.has_tools {
            Some(wanted) => wanted == has_tools,
            None => !request.asks_for_title(),
        }
    }
}

fn fits_part(part: Option<&String>, whole: Option<String>) -> bool {
    part.is_none_or(|part| whole.is_some_and(|w| w.contains(part.as_str())))
}
