//! What `sandbox elf` changes: rules are taught, proposed, and given another standing.

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::{
    super::{
        api::Api,
        shown::{Output, document, out, text},
    },
    named,
};

/// What sort of rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Has to show that it helps
    #[default]
    Heuristic,
    /// Holds until another decision takes its place
    Decision,
    /// Must always hold
    Invariant,
}

impl Kind {
    /// The word of the API.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Heuristic => "heuristic",
            Self::Decision => "decision",
            Self::Invariant => "invariant",
        }
    }
}

/// A rule that is taught.
#[derive(clap::Args)]
pub(super) struct Taught {
    /// What it is about, such as rust or auth
    domain: String,
    /// The rule, one line
    rule: String,
    /// Why
    #[arg(long, default_value = "")]
    explanation: String,
    /// Only for this project
    #[arg(long)]
    project: Option<String>,
    /// What sort of rule it is
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// The number or id of the rule whose place it takes
    #[arg(long)]
    supersedes: Option<String>,
}

impl Taught {
    fn body(&self) -> Value {
        json!({
            "domain": self.domain, "rule": self.rule, "explanation": self.explanation,
            "project_path": self.project, "kind": self.kind.word(), "supersedes": self.supersedes,
        })
    }
}

pub(super) async fn add(api: &Api, rule: Taught, output: Option<Output>) -> Result<()> {
    let made = api.post("/elf/heuristics", &rule.body(), &[]).await?;
    match output {
        None => out(&stated(&made)),
        some => document(&made, some)?,
    }
    Ok(())
}

/// Where a rule stands that was said; one in quarantine is told to nobody, and that is to be known.
fn stated(made: &Value) -> String {
    let (id, status) = (text(&made["id"]), text(&made["status"]));
    if made["evidence"].as_u64().unwrap_or_default() > 1 {
        return format!("rule {id} says so already; it is {status}");
    }
    format!("rule {id} is {status}")
}

pub(super) async fn propose(api: &Api, rule: Taught, output: Option<Output>) -> Result<()> {
    let kept = api.post("/elf/proposals", &rule.body(), &[]).await?;
    match output {
        None => out(&format!(
            "rule {} is {}",
            text(&kept["number"]),
            text(&kept["status"])
        )),
        some => document(&kept, some)?,
    }
    Ok(())
}

pub(super) async fn retire(
    api: &Api,
    rule: &str,
    reason: &str,
    output: Option<Output>,
) -> Result<()> {
    let path = format!("/elf/rules/{}/retire", named(rule)?);
    let retired = api.post(&path, &json!({"reason": reason}), &[]).await?;
    match output {
        None => out(&format!(
            "rule {} is in no prompt any more",
            text(&retired["id"])
        )),
        some => document(&retired, some)?,
    }
    Ok(())
}

/// Changes where a rule stands.
pub(super) async fn stand(api: &Api, rule: &str, how: &str, output: Option<Output>) -> Result<()> {
    let path = format!("/elf/rules/{}/{how}", named(rule)?);
    let stands = api.post(&path, &json!({}), &[]).await?;
    match output {
        None => out(&format!(
            "rule {} is {}",
            text(&stands["number"]),
            text(&stands["status"])
        )),
        some => document(&stands, some)?,
    }
    Ok(())
}
