//! What happens, as the log keeps it: one enum, versioned, never changed once released. Decides
//! nothing; [`crate::fold`] says what it means.

use jiff::Timestamp;
use sandbox_core::{FailureClass, Outcome, Seat, Usage, port::Receipt};
use serde::{Deserialize, Serialize};

use crate::{
    kind::RuleKind,
    label::Label,
    plan::{Planned, Reviewed},
    rule, suspect,
    trail::Mark,
};

/// The version of [`Entry`] that this program writes, and the newest that it reads. 2 has rules of the
/// runner, of which 1 knows nothing; 3 has kinds of rules and proposals.
pub const VERSION: u32 = 3;

/// One line of a tenant's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The version of the entry.
    pub v: u32,
    /// Its place: from 1, without gaps.
    pub seq: u64,
    /// When it was written, by the clock of the node that wrote it.
    pub at: Timestamp,
    /// What happened.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Entry {
    /// A rule that nobody had said before.
    RuleAdded(Box<RuleAdded>),
    /// A rule was said again; its text stays.
    RuleAliased {
        /// The rule's id.
        rule: String,
        /// Who said it.
        source: Source,
        /// The files of the work that said it.
        files: Vec<String>,
    },
    /// An attempt ended.
    Outcome(Box<Ended>),
    /// Lessons were given to a seat.
    Receipt {
        /// The seat.
        seat: Seat,
        /// What was given and kept back.
        receipt: Receipt,
    },
    /// Work went through these files.
    TrailLaid {
        /// The project they belong to.
        project: Option<String>,
        /// Their paths.
        paths: Vec<String>,
        /// How the work ended.
        mark: Mark,
        /// When, by the clock of the runner; never after the row's own time.
        at: Timestamp,
    },
    /// An opinion of whoever had the rule in the prompt. Weak evidence: it is only counted.
    Vote {
        /// The seat that had it.
        seat: Seat,
        /// The rule's id.
        rule: String,
        /// Whether it helped.
        helpful: bool,
    },
    /// What somebody without a seat thinks of a rule: the last word stands, and nothing is learned
    /// of it.
    Opinion {
        /// The rule's id.
        rule: String,
        /// Whether it helped.
        helpful: bool,
    },
    /// What somebody means to do, before it is done.
    Planned(Box<Planned>),
    /// How something went, beside its plan where there was one.
    Reviewed(Box<Reviewed>),
    /// A person wants the rule in every prompt that it fits.
    Pinned {
        /// The rule's id.
        rule: String,
    },
    /// A person does not want the rule any more. It stays as a tombstone, so that nobody adds it
    /// again unseen.
    Retired {
        /// The rule's id.
        rule: String,
        /// Why.
        reason: String,
    },
    /// A person made a pinned or retired rule an ordinary one again.
    Activated {
        /// The rule's id.
        rule: String,
    },
    /// Another rule took the place of this one, which stays as a tombstone.
    Superseded {
        /// The rule's id.
        rule: String,
        /// The id of the one that holds now.
        by: String,
    },
}

/// A new rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleAdded {
    /// Its id; follows from project, domain and text.
    pub id: String,
    /// What sort of rule it is.
    #[serde(rename = "ruleKind", default)]
    pub kind: RuleKind,
    /// What it is about.
    pub domain: String,
    /// The rule, one line, redacted.
    pub text: String,
    /// Why, redacted.
    pub explanation: String,
    /// The project it is for; every project when absent.
    pub project: Option<String>,
    /// Who said it.
    pub source: Source,
    /// The files of the work that said it.
    pub files: Vec<String>,
    /// What an older program believed of it, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Legacy>,
    /// What whoever stated it said of it, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// Ids of rules that say nearly the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub similar: Vec<String>,
    /// The hash of what it was made of, where no mind made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Why it is held back until a person has looked, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<String>,
    /// Whether it waits for a person to accept it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proposed: bool,
}

impl RuleAdded {
    /// A rule of which no more is known. The texts are clean and within their bounds.
    #[must_use]
    pub fn new(
        kind: RuleKind,
        project: Option<String>,
        (domain, text): (String, String),
        source: Source,
    ) -> Self {
        Self {
            id: rule::id_of(kind, project.as_deref(), &domain, &text),
            kind,
            domain,
            text,
            explanation: String::new(),
            project,
            source,
            files: Vec::new(),
            legacy: None,
            claimed: None,
            similar: Vec::new(),
            proof: None,
            suspect: None,
            proposed: false,
        }
    }

    /// Held back where it gives orders rather than a lesson. Decided once, before it is written down: a
    /// later release may judge otherwise, and the same log must give the same rules.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let found = suspect::reason(&self.text).or_else(|| suspect::reason(&self.explanation));
        self.suspect = found.map(str::to_owned);
        self
    }
}

/// What is said of a rule by whoever states it. It proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// How sure they are, in percent.
    pub percent: u8,
    /// What they learned it from.
    pub from: Origin,
}

/// What a rule is said to be learned from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Something that went wrong.
    Failure,
    /// Something that went well.
    Success,
    /// Something that was seen.
    #[default]
    Observation,
}

/// What an older program believed of a rule, in ways that prove nothing. Its confidence is a weak claim;
/// its counts are kept to be looked at and are evidence of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Legacy {
    /// Its confidence, in percent.
    pub percent: u8,
    /// Whether it was golden there. Here it is on trial like any other.
    pub golden: bool,
    /// How often somebody said that it held.
    pub validated: u64,
    /// How often somebody said that it did not.
    pub violated: u64,
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// What they are.
    pub kind: SourceKind,
    /// The seat they sat in, where they had one.
    pub seat: Option<Seat>,
}

impl Source {
    /// An agent, in its seat where it has one.
    #[must_use]
    pub const fn agent(seat: Option<Seat>) -> Self {
        Self {
            kind: SourceKind::Agent,
            seat,
        }
    }
}

/// What said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceKind {
    /// A person.
    Human,
    /// An agent at work.
    Agent,
    /// The runner, from how work ended.
    Runner,
}

impl SourceKind {
    /// The word of the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Runner => "runner",
        }
    }
}

/// The end of an attempt, cleaned and redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The seat.
    pub seat: Seat,
    /// The job type's word.
    pub job_type: String,
    /// The project, where the job names one.
    pub project: Option<String>,
    /// The domain, where the job names one.
    pub domain: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The class of the failure.
    pub class: Option<FailureClass>,
    /// What the end says about the work.
    pub label: Label,
    /// What failed: first line, redacted.
    pub message: Option<String>,
    /// How well it went, 0 to 1 in millionths.
    pub grade: Option<f64>,
    /// What it cost.
    pub usage: Usage,
    /// Files that were touched.
    pub files: Vec<String>,
    /// Ids of the rules it stated, new or known.
    pub lessons: Vec<String>,
    /// How many stated lessons were not kept, being none or too many.
    pub dropped: u32,
    /// When it ended, by the runner's clock; never after the row's own time.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the release wrote it whose log had version 1.
    const FIRST: &str = r#"{"v":1,"seq":1,"at":"2026-11-23T22:29:49.708352326Z","entry":{"kind":"ruleAdded","id":"r-b9433fa35ec2b8a0","domain":"db","text":"Run migrations before deploy","explanation":"","project":null,"source":{"kind":"human","seat":null},"files":[]}}"#;

    #[test]
    fn a_line_that_an_older_release_wrote_is_read_as_it_was_meant() {
        let row: Row = serde_json::from_str(FIRST).unwrap();
        let Entry::RuleAdded(added) = row.entry else {
            panic!("it was a rule: {:?}", row.entry);
        };
        assert_eq!((row.v, added.source.kind), (1, SourceKind::Human));
        assert!(added.similar.is_empty());
        assert!(VERSION >= row.v);
        assert_eq!(added.kind, RuleKind::Heuristic);
        assert!(!added.proposed);
    }
}
