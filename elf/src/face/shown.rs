//! The shapes of what is shown. Those of the old API have its names and its naive times.

use serde::{Deserialize, Serialize};

use crate::{
    entry::{Ended, Legacy},
    kind::RuleKind,
    learn::Verdict,
    rule::{Rule, RuleStatus},
    trail::{millionths, naive},
    trust::Trust,
};

/// Counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stats {
    /// Rules that are not retired.
    pub total_heuristics: u64,
    /// Rules known to help.
    pub golden_rules: u64,
    /// How often an agent's work stated a lesson.
    pub total_learnings: u64,
    /// Trails that are not too faint to be seen.
    pub active_trails: u64,
    /// Jobs with at least one attempt that ended; attempts are not counted.
    pub total_outcomes: u64,
    /// Jobs whose last attempt succeeded.
    pub successful_jobs: u64,
    /// Jobs whose last attempt failed at the work.
    pub failed_jobs: u64,
    /// Jobs whose last attempt ended in a way that says nothing about the work.
    pub unknown_jobs: u64,
}

/// Which rules the old API is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct HeuristicQuery {
    /// Only this domain.
    pub domain: Option<String>,
    /// This project's rules and those of all; those of every project when absent.
    #[serde(alias = "project_path")]
    pub project: Option<String>,
    /// Most rows; at most 500.
    pub limit: u32,
    /// Least confidence.
    pub min_confidence: f64,
}

impl Default for HeuristicQuery {
    fn default() -> Self {
        Self {
            domain: None,
            project: None,
            limit: 50,
            min_confidence: 0.3,
        }
    }
}

/// A rule as a row of the old API, with more at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heuristic {
    /// Its number within the tenant.
    pub id: u64,
    /// What it is about.
    pub domain: String,
    /// The rule.
    pub rule: String,
    /// Why.
    pub explanation: String,
    /// `human` or `agent`.
    pub source_type: String,
    /// The seat of the agent that said it first.
    pub source_id: Option<String>,
    /// How sure it is that it helps, 0 to 1.
    pub confidence: f64,
    /// Successes with the rule in the prompt, and votes that it helped.
    pub times_validated: u64,
    /// Failures with the rule in the prompt, and votes that it did not help.
    pub times_violated: u64,
    /// 1 for a rule known to help.
    pub is_golden: u8,
    /// The project it is for; null for all.
    pub project_path: Option<String>,
    /// When it was first said, naive UTC.
    pub created_at: String,
    /// When it was last said or changed, naive UTC.
    pub updated_at: String,
    /// Its id, which is the same on every node.
    pub rule_id: String,
    /// `active`, `pinned`, `retired`, `quarantined` or `proposed`.
    pub status: RuleStatus,
    /// `heuristic`; `decision` or `invariant` of a rule that stands by a person's word.
    #[serde(default)]
    pub kind: RuleKind,
    /// How often it was said.
    pub evidence: u64,
    /// Seats whose query it fitted.
    pub eligible: u64,
    /// Seats whose prompt it stood in.
    pub injected: u64,
    /// `legacy, on trial` or `legacy golden, on trial` of a rule that an older program believed in, until
    /// it is golden here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
}

impl Heuristic {
    /// The rule with what is believed of it.
    #[must_use]
    pub fn of(rule: &Rule, verdict: &Verdict) -> Self {
        Self {
            id: rule.number,
            domain: rule.domain.clone(),
            rule: rule.text.clone(),
            explanation: rule.explanation.clone(),
            source_type: rule.source.kind.word().to_owned(),
            source_id: rule.source.seat.as_ref().map(ToString::to_string),
            confidence: millionths(verdict.confidence),
            times_validated: rule.seats.succeeded + rule.votes_for,
            times_violated: rule.seats.failed + rule.votes_against,
            is_golden: u8::from(verdict.golden),
            project_path: rule.project.clone(),
            created_at: naive(rule.created_at),
            updated_at: naive(rule.updated_at),
            rule_id: rule.id.clone(),
            status: rule.status,
            kind: rule.kind,
            evidence: rule.evidence,
            eligible: rule.seats.eligible,
            injected: rule.seats.injected,
            provenance: rule.legacy.map(|legacy| provenance(legacy, verdict)),
        }
    }
}

fn provenance(legacy: Legacy, verdict: &Verdict) -> String {
    let was = if legacy.golden {
        "legacy golden"
    } else {
        "legacy"
    };
    let trial = if verdict.golden { "" } else { ", on trial" };
    format!("{was}{trial}")
}

/// A rule with everything that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// How far it is trusted before there is evidence: `human`, `verdict`, `agent` or `outside`.
    pub trust: Trust,
    /// How sure it is that it helps, 0 to 1.
    pub confidence: f64,
    /// Whether that is sure enough, the effect large enough and the control real.
    pub is_golden: bool,
    /// The change in success that is expected of it: 0.1 is ten points.
    pub effect: f64,
    /// The middle 90 % of what it may be.
    pub interval: [f64; 2],
    /// Prompts with a known end that it fitted and was kept out of: its control.
    pub withheld: u64,
    /// About how many more jobs it takes until it is golden, if the effect is as expected; null
    /// when that is too small.
    pub jobs_missing: Option<u64>,
}

impl ShownRule {
    /// The rule with what is believed of it.
    #[must_use]
    pub fn of(rule: &Rule, verdict: &Verdict) -> Self {
        Self {
            rule: rule.clone(),
            trust: rule.trust(),
            confidence: millionths(verdict.confidence),
            is_golden: verdict.golden,
            effect: millionths(verdict.effect),
            interval: [millionths(verdict.low), millionths(verdict.high)],
            withheld: verdict.withheld,
            jobs_missing: verdict.missing,
        }
    }
}

/// Which rules are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RuleQuery {
    /// Only this domain.
    pub domain: Option<String>,
    /// This project's rules and those of all; those of every project when absent.
    pub project: Option<String>,
    /// Only this status.
    pub status: Option<RuleStatus>,
    /// Only this sort.
    pub kind: Option<RuleKind>,
    /// The `next` of the page before.
    pub after: Option<u64>,
    /// Most rows, 50 when 0; at most 500.
    pub limit: u32,
}

/// Rules in the order in which they were first said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RulePage {
    /// The rules.
    pub rules: Vec<ShownRule>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<u64>,
}

/// The end of an attempt with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownOutcome {
    /// The place.
    pub seq: u64,
    /// The end.
    #[serde(flatten)]
    pub ended: Ended,
}

/// Ends, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomePage {
    /// The ends.
    pub outcomes: Vec<ShownOutcome>,
    /// What to ask for `before` to get the next page; nothing after the last.
    pub next: Option<u64>,
}

/// A piece of the log as JSON lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// The lines, each with its line break.
    pub lines: String,
    /// What to ask for `after` to get the next piece; nothing after the last.
    pub next: Option<u64>,
}
