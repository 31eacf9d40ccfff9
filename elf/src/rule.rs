//! A rule: what it says, who said it, and what was counted about it. What is
//! believed of it stands in [`crate::learn`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Claimed, Legacy, RuleAdded, Source, SourceKind},
    kind::RuleKind,
    label::Label,
    text,
    trust::Trust,
};

/// Most files that a rule remembers.
pub const MAX_FILES: usize = 20;

/// A rule with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its number within the tenant, from 1, in the order of the log.
    pub number: u64,
    /// Its place in the log.
    #[serde(default)]
    pub seq: u64,
    /// Its id; follows from project, domain and text.
    pub id: String,
    /// What sort of rule it is.
    #[serde(default)]
    pub kind: RuleKind,
    /// What it is about.
    pub domain: String,
    /// The rule, one line, redacted.
    pub text: String,
    /// Why, redacted.
    pub explanation: String,
    /// The project it is for; every project when absent.
    pub project: Option<String>,
    /// Who said it first.
    pub source: Source,
    /// What an older program believed of it, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Legacy>,
    /// What whoever stated it said of it, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// Ids of rules that said nearly the same when it was first said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub similar_to: Vec<String>,
    /// The hash of what it was made of, where no mind made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Why it was held back, where it was; it stays when a person lets it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<String>,
    /// What those without a seat think of it: the last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opinion: Option<bool>,
    /// The id of the rule that took its place, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Whether it may be given.
    pub status: RuleStatus,
    /// How often it was said, the first time included.
    pub evidence: u64,
    /// How often an agent said it.
    pub lessons: u64,
    /// What became of it at seats.
    #[serde(skip)]
    pub seats: Seats,
    /// Votes that it helped.
    pub votes_for: u64,
    /// Votes that it did not.
    pub votes_against: u64,
    /// Files of the work that said it, newest last.
    pub files: Vec<String>,
    /// When it was first said.
    pub created_at: Timestamp,
    /// When it was last said, or its status changed.
    pub updated_at: Timestamp,
}

/// What became of a rule at seats. Follows from the attempts and is not written down with the rule:
/// one recall fits fifty rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Whose query it fitted.
    pub eligible: u64,
    /// Whose prompt it stood in.
    pub injected: u64,
    /// Of those, how many succeeded.
    pub succeeded: u64,
    /// Of those, how many failed. Unknown ends count as neither.
    pub failed: u64,
}

impl Seats {
    /// Counts a seat that had it in its prompt and ended so.
    pub const fn ended(&mut self, label: Label) {
        match label {
            Label::Success => self.succeeded += 1,
            Label::Failure => self.failed += 1,
            Label::Unknown => {}
        }
    }
}

/// Whether a rule may be given.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum RuleStatus {
    /// Where it ranks well.
    #[default]
    Active,
    /// First of all, where it fits.
    Pinned,
    /// Never; kept as a tombstone.
    Retired,
    /// Not until a person has looked at it: it gives orders rather than a lesson.
    Quarantined,
    /// Not until a person accepts it, or somebody at work says the same.
    Proposed,
}

impl RuleStatus {
    /// Whether no agent is told of it before a person has looked at it.
    #[must_use]
    pub const fn awaits_a_person(self) -> bool {
        matches!(self, Self::Quarantined | Self::Proposed)
    }
}

/// A rule that a person teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// What it is about; made a slug of at most 100 characters.
    pub domain: String,
    /// The rule, one line of 5 to 500 characters.
    #[serde(alias = "rule")]
    pub text: String,
    /// Why, at most 2,000 characters.
    #[serde(default)]
    pub explanation: String,
    /// The project it is for; every project when absent.
    #[serde(default, alias = "project_path")]
    pub project: Option<String>,
    /// What sort of rule it is.
    #[serde(default)]
    pub kind: RuleKind,
    /// The number or id of the rule whose place it takes.
    #[serde(default)]
    pub supersedes: Option<String>,
}

/// The id of a rule: rules of a sort that say the same about the same have the same id, on every node.
#[must_use]
pub fn id_of(kind: RuleKind, project: Option<&str>, domain: &str, rule: &str) -> String {
    let said = text::sameness(rule);
    let about = [project.unwrap_or_default(), domain, &said];
    // Heuristics had their ids before there were other rules.
    let kind = kind.is_stated().then(|| kind.word());
    format!("r-{}", text::digest(about.into_iter().chain(kind), 8))
}

/// Whether this can be a rule's id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("r-").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Rule {
    /// The rule as it begins.
    #[must_use]
    pub fn new((number, seq): (u64, u64), added: &RuleAdded, at: Timestamp) -> Self {
        let mut rule = Self {
            number,
            seq,
            id: added.id.clone(),
            kind: added.kind,
            domain: added.domain.clone(),
            text: added.text.clone(),
            explanation: added.explanation.clone(),
            project: added.project.clone(),
            source: added.source.clone(),
            legacy: added.legacy,
            claimed: added.claimed,
            similar_to: added.similar.clone(),
            proof: added.proof.clone(),
            opinion: None,
            superseded_by: None,
            suspect: added.suspect.clone(),
            status: match added.suspect {
                Some(_) => RuleStatus::Quarantined,
                None if added.proposed => RuleStatus::Proposed,
                None => RuleStatus::Active,
            },
            evidence: 0,
            lessons: 0,
            seats: Seats::default(),
            votes_for: 0,
            votes_against: 0,
            files: Vec::new(),
            created_at: at,
            updated_at: at,
        };
        rule.said(&added.source, &added.files, at);
        rule
    }

    /// Counts that it was said, and where.
    pub fn said(&mut self, source: &Source, files: &[String], at: Timestamp) {
        self.evidence += 1;
        self.lessons += u64::from(source.kind == SourceKind::Agent);
        self.updated_at = at;
        for file in files {
            if !self.files.contains(file) {
                self.files.push(file.clone());
            }
        }
        let over = self.files.len().saturating_sub(MAX_FILES);
        self.files.drain(..over);
    }

    /// Takes the last word of those without a seat in place of the one before.
    pub fn thought(&mut self, helpful: bool) {
        match self.opinion.replace(helpful) {
            Some(true) => self.votes_for = self.votes_for.saturating_sub(1),
            Some(false) => self.votes_against = self.votes_against.saturating_sub(1),
            None => {}
        }
        self.votes_for += u64::from(helpful);
        self.votes_against += u64::from(!helpful);
    }

    /// How far it is trusted before there is evidence.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        Trust::of(self.source.kind, self.legacy.as_ref())
    }

    /// Whether it may take few places of a prompt while it is unproven. What a person pinned, decided or accepted
    /// as an invariant may take more.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.trust().is_bounded() && self.status != RuleStatus::Pinned && !self.kind.is_stated()
    }

    /// Whether agents may be told of it at all.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        matches!(self.status, RuleStatus::Active | RuleStatus::Pinned)
    }

    /// Whether it may be given for work in this project.
    #[must_use]
    pub fn is_for(&self, project: Option<&str>) -> bool {
        self.is_told() && (self.project.is_none() || self.project.as_deref() == project)
    }
}
