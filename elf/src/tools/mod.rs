//! Memory as agents use it: tools with names, arguments and answers, and texts that can be read. Says
//! nothing about the protocol that carries them.
//!
//! | file | what it is |
//! |---|---|
//! | `args` | what each tool is given |
//! | `given` | what each tool answers |
//! | `list` | the tools: names, hints and schemas |
//! | `ask` | the tools that read |
//! | `tell` | the tools that write |
//! | `texts` | what can be read by its address |

mod args;
mod ask;
mod given;
mod list;
mod tell;
mod texts;

use sandbox_core::{Seat, Tenant};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Elf, ElfError, entry::Source, store::LedgerError, text};

pub use list::{Tool, all, find};

/// Who asks, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Whose memory.
    pub tenant: Tenant,
    /// The seat it sits in, where it works for a job.
    pub seat: Option<Seat>,
}

impl Asker {
    fn source(&self) -> Source {
        Source::agent(self.seat.clone())
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Ask {
    /// A tool is called.
    Call {
        /// Its name.
        tool: String,
        /// What it is given: flat, or wrapped in `params`.
        arguments: Map<String, Value>,
    },
    /// A text is read.
    Read {
        /// Its address, such as `elf://golden`.
        uri: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It was done.
    Done {
        /// For the model, short.
        text: String,
        /// The same for programs.
        structured: Value,
    },
    /// It was not done, or it is not known whether it was.
    Failed {
        /// Why not.
        kind: Failed,
        /// What was tried, what was seen, what to do.
        text: String,
    },
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failed {
    /// What was given cannot be used.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// Too much was asked in too short a time.
    TooMany,
    /// Memory cannot be asked now.
    Unavailable,
}

impl Answer {
    /// Not done, for this reason.
    #[must_use]
    pub fn failed(kind: Failed, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Failed { kind, text }
    }
}

impl From<ElfError> for Answer {
    fn from(error: ElfError) -> Self {
        let kind = match error {
            ElfError::NotFound { .. } => Failed::NotFound,
            ElfError::Store(_) => Failed::Unavailable,
            _ => Failed::Invalid,
        };
        Self::failed(kind, error.to_string())
    }
}

type Told = Result<Answer, ElfError>;

/// Answers. Whatever is wrong is an answer as well.
pub async fn answer(elf: &Elf, asker: &Asker, ask: &Ask) -> Answer {
    let told = match ask {
        Ask::Call { tool, arguments } => called(elf, asker, tool, arguments).await,
        Ask::Read { uri } => texts::read(elf, asker, uri).await,
    };
    told.unwrap_or_else(Answer::from)
}

async fn called(elf: &Elf, asker: &Asker, tool: &str, given: &Map<String, Value>) -> Told {
    match tool {
        "elf_query" => ask::query(elf, asker, read(given)?).await,
        "elf_search" => ask::search(elf, asker, read(given)?).await,
        "elf_record_heuristic" => tell::heuristic(elf, asker, read(given)?).await,
        "elf_record_outcome" => tell::outcome(elf, asker, read(given)?).await,
        "elf_validate_heuristic" => tell::vote(elf, asker, read(given)?, true).await,
        "elf_violate_heuristic" => tell::vote(elf, asker, read(given)?, false).await,
        "elf_record_plan" => tell::plan(elf, asker, read(given)?).await,
        "elf_record_postmortem" => tell::postmortem(elf, asker, read(given)?).await,
        "elf_list_plans" => ask::plans(elf, asker, read(given)?).await,
        "elf_stats" => ask::stats(elf, asker, read(given)?).await,
        _ => Err(ElfError::not_found("tool", tool)),
    }
}

/// The arguments, also where an agent of the Python ancestor wraps them in `params`.
fn read<T: DeserializeOwned>(given: &Map<String, Value>) -> Result<T, ElfError> {
    let wrapped = given.get("params").filter(|_| given.len() == 1);
    let inner = wrapped.and_then(Value::as_object).unwrap_or(given);
    // Left out and null are the same; agents send both.
    let named = inner.iter().filter(|(_, value)| !value.is_null());
    let named: Map<String, Value> = named.map(|(k, v)| (k.clone(), v.clone())).collect();
    serde_path_to_error::deserialize(Value::Object(named))
        // A parser repeats what it was given; what a reader cannot see is not repeated.
        .map_err(|e| {
            ElfError::invalid("arguments", text::cut(&text::one_line(&e.to_string()), 300))
        })
}

fn done(text: String, structured: &impl Serialize) -> Told {
    let structured = serde_json::to_value(structured)
        .map_err(|e| LedgerError::Unreadable(format!("wrote memory's answer: {e}")))?;
    Ok(Answer::Done { text, structured })
}
