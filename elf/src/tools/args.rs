//! What each tool is given. Names and bounds are those of the Python ancestor; what is written here
//! stands in the schemas that agents read. Texts are checked where they are kept.

#![allow(
    clippy::struct_field_names,
    reason = "the names are those of the old tools"
)]

use schemars::JsonSchema;
use serde::Deserialize;

use crate::entry::Origin;

/// How much is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Golden rules.
    Minimal,
    /// And other rules.
    #[default]
    Standard,
    /// And how work ended lately, and which files it went through.
    Deep,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Query {
    /// Only rules about this, such as rust or auth.
    #[schemars(length(max = 100))]
    pub domain: Option<String>,
    /// Rules for this project and those for all.
    #[schemars(length(max = 500))]
    pub project_path: Option<String>,
    /// How much: minimal is golden rules, standard adds other rules, deep adds outcomes and trails.
    pub depth: Depth,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Words to look for: an error message, a task, a file name.
    #[schemars(length(min = 2, max = 500))]
    pub query: String,
    /// Only rules about this.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub domain: Option<String>,
    /// Most rules.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    pub limit: u32,
    /// What the answer before gave as its next cursor, for what comes after it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 20))]
    pub cursor: Option<String>,
}

const fn ten() -> u32 {
    10
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Heuristic {
    /// What the rule is about, such as rust or auth.
    #[schemars(length(min = 1, max = 100))]
    pub domain: String,
    /// The rule: one line that tells the next agent what to do.
    #[schemars(length(min = 5, max = 500))]
    pub rule: String,
    /// Why.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub explanation: String,
    /// What it was learned from.
    #[serde(default)]
    pub source: Origin,
    /// How sure you are, 0 to 1. It is kept, and moves what is believed by half a point of success at most, for the worse by two.
    #[serde(default = "sure")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Only for this project.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub project_path: Option<String>,
}

const fn sure() -> f64 {
    0.7
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It was done.
    Success,
    /// It was not.
    Failure,
    /// Some of it was.
    Partial,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// A name of the work; a second outcome of the same name changes nothing.
    #[schemars(length(min = 1, max = 100))]
    pub job_id: String,
    /// What kind of work it was.
    #[schemars(length(min = 1, max = 50))]
    pub job_type: String,
    /// How it ended.
    pub outcome: End,
    /// The project it was for.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub project_path: Option<String>,
    /// How long it took, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub duration_seconds: Option<f64>,
    /// Files that were touched.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 500)))]
    pub files_touched: Vec<String>,
    /// Lessons. One of the form `[LEARNED:domain] text` becomes a rule.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 700)))]
    pub learnings: Vec<String>,
    /// What failed.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub error_message: Option<String>,
}

/// A rule by its number or its id.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Named {
    /// Its number.
    Number(u64),
    /// Its id, such as r-0123456789abcdef.
    Id(#[schemars(length(max = 100))] String),
}

impl Named {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Id(id) => id.clone(),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    /// The rule's number or id.
    pub heuristic_id: Named,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// What you are about to do, in one line.
    #[schemars(length(min = 3, max = 200))]
    pub title: String,
    /// More of it.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// How.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub approach: String,
    /// What may go wrong.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub risks: String,
    /// What will be true afterwards.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub expected_outcome: String,
    /// What it is about.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub domain: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Postmortem {
    /// The number of the plan that was carried out.
    #[serde(default)]
    pub plan_id: Option<u64>,
    /// What was done, in one line; the plan's title where it is left out.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub title: String,
    /// What is true now.
    #[schemars(length(min = 5, max = 2000))]
    pub actual_outcome: String,
    /// What went otherwise than planned.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub divergences: String,
    /// What went well.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub went_well: String,
    /// What did not.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub went_wrong: String,
    /// What to do next time. With a domain, its first 200 characters become a rule.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub lessons: String,
    /// What it is about; the plan's domain where it is left out.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub domain: String,
}

/// Which plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Those that are not over.
    #[default]
    Active,
    /// Those that are.
    Completed,
    /// All.
    All,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Plans {
    /// Which plans.
    pub status: Which,
    /// Most plans.
    #[schemars(range(min = 1, max = 50))]
    pub limit: u32,
    /// What the answer before gave as its next cursor, for what comes after it.
    #[schemars(length(min = 1, max = 20))]
    pub cursor: Option<String>,
}

impl Default for Plans {
    fn default() -> Self {
        Self {
            status: Which::Active,
            limit: ten(),
            cursor: None,
        }
    }
}

/// Nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Nothing {}
