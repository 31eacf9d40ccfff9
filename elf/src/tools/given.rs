//! What each tool answers, for programs. Names are those of the Python ancestor, with more at the end.

#![allow(
    clippy::struct_field_names,
    reason = "the names are those of the old tools"
)]

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Depth, End, Which};
use crate::{
    face::{Heuristic, ShownOutcome, Stats},
    plan,
    prompt::tokens,
    text::cut,
    trail::naive,
};

/// Longest explanation in an answer, in characters; the rule's page has all of it.
const WHY: usize = 200;

/// A rule, short.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Rule {
    /// Its number.
    pub id: u64,
    /// Its id, to cite it by.
    pub rule_id: String,
    /// What it is about.
    pub domain: String,
    /// What it says.
    pub rule: String,
    /// Why.
    pub explanation: String,
    /// How sure it is that it helps, 0 to 1.
    pub confidence: f64,
    /// Whether that is proven.
    pub is_golden: bool,
}

impl Rule {
    pub(super) fn of(rule: &Heuristic) -> Self {
        Self {
            id: rule.id,
            rule_id: rule.rule_id.clone(),
            domain: rule.domain.clone(),
            rule: rule.rule.clone(),
            explanation: cut(&rule.explanation, WHY),
            confidence: rule.confidence,
            is_golden: rule.is_golden == 1,
        }
    }

    /// What it costs to read, in tokens.
    pub(super) fn tokens(&self) -> usize {
        tokens(&self.rule) + tokens(&self.explanation) + tokens(&self.domain)
    }
}

/// An end, short.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ended {
    /// Its place in the log.
    pub id: u64,
    /// The job and its attempt.
    pub seat: String,
    /// What kind of work it was.
    pub job_type: String,
    /// success, failure or unknown.
    pub outcome: String,
    /// What failed.
    pub error_message: Option<String>,
    /// When, naive UTC.
    pub created_at: String,
}

impl Ended {
    pub(super) fn of(shown: &ShownOutcome) -> Self {
        let ended = &shown.ended;
        Self {
            id: shown.seq,
            seat: ended.seat.to_string(),
            job_type: ended.job_type.clone(),
            outcome: ended.label.word().to_owned(),
            error_message: ended.message.clone(),
            created_at: naive(ended.at),
        }
    }
}

/// A file that work went through.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Spot {
    /// The file.
    pub path: String,
    /// What is left of all that was laid on it: it halves in a day, of failures in 14.
    pub strength: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Context {
    /// Whose memory.
    pub client_id: String,
    pub depth: Depth,
    /// Rules that are proven to help.
    pub golden_rules: Vec<Rule>,
    /// Others, most trusted first; not with minimal depth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heuristics: Option<Vec<Rule>>,
    /// How work ended lately; only with deep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_outcomes: Option<Vec<Ended>>,
    /// Which files it went through; only with deep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trails: Option<Vec<Spot>>,
    /// The same as a text for a prompt.
    pub prompt_context: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Found {
    /// Whose memory.
    pub client_id: String,
    /// What was looked for.
    pub query: String,
    pub domain: Option<String>,
    /// The golden ones among them, five at most.
    pub golden_rules: Vec<Rule>,
    /// All that was found, best first.
    pub heuristics: Vec<Rule>,
    pub total_results: usize,
    /// What to give as cursor to get more; nothing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stated {
    pub success: bool,
    /// The rule's number.
    pub heuristic_id: u64,
    /// The rule's id.
    pub rule_id: String,
    /// Whose memory.
    pub client_id: String,
    pub domain: String,
    /// As it is kept.
    pub rule: String,
    /// What is believed of it.
    pub confidence: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EndKept {
    pub success: bool,
    /// Its place in the log; null where the job's own runner tells the end.
    pub outcome_id: Option<u64>,
    /// Whose memory.
    pub client_id: String,
    pub job_id: String,
    /// The outcome that stands: the first that was told.
    pub outcome: End,
    pub message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Voted {
    pub success: bool,
    /// The rule's number.
    pub heuristic_id: u64,
    /// validated or violated.
    pub action: String,
    pub message: String,
    /// What is believed of the rule now.
    pub confidence: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PlanKept {
    pub success: bool,
    /// The plan's number.
    pub plan_id: u64,
    /// Its name for people.
    pub task_id: String,
    /// Whose memory.
    pub client_id: String,
    pub title: String,
    pub message: String,
}

/// The plan beside what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Analysis {
    pub plan_title: String,
    pub expected_outcome: String,
    pub actual_outcome: String,
    pub had_divergences: bool,
    pub lessons_captured: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReviewKept {
    pub success: bool,
    /// Its place in the log.
    pub postmortem_id: u64,
    pub plan_id: Option<u64>,
    /// Whose memory.
    pub client_id: String,
    pub linked_to_plan: bool,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// The number of the rule that the lessons made or said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heuristic_created: Option<u64>,
}

/// A plan.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Plan {
    pub id: u64,
    pub task_id: String,
    pub title: String,
    pub description: String,
    pub approach: String,
    pub risks: String,
    pub expected_outcome: String,
    pub domain: String,
    /// active or completed.
    pub status: String,
    /// Naive UTC.
    pub created_at: String,
    /// Naive UTC.
    pub completed_at: Option<String>,
}

impl Plan {
    pub(super) fn of(plan: &plan::Plan) -> Self {
        let intent = &plan.intent;
        Self {
            id: plan.number,
            task_id: plan.task_id(),
            title: intent.title.clone(),
            description: cut(&intent.description, WHY),
            approach: cut(&intent.approach, WHY),
            risks: cut(&intent.risks, WHY),
            expected_outcome: cut(&intent.expected_outcome, WHY),
            domain: intent.domain.clone(),
            status: plan.status().to_owned(),
            created_at: naive(plan.created_at),
            completed_at: plan.review.map(|(_, at)| naive(at)),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Planned {
    /// Whose memory.
    pub client_id: String,
    pub status_filter: Which,
    /// Newest first; long texts are cut.
    pub plans: Vec<Plan>,
    pub count: usize,
    /// What to give as cursor to get more; nothing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Counted {
    /// Whose memory.
    pub client_id: String,
    #[serde(flatten)]
    pub counters: Stats,
}
